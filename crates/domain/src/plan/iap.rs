//! Plans that turn Identity-Aware Proxy on or off, with the grant that it needs itself.

use super::turn::{needed, turn};
use super::{Change, Needs, Plan, Refusal, Use};
use crate::action::Action;
use crate::invokers::{Grant, grants};
use crate::member::Member;
use crate::policy;
use crate::role::INVOKER;
use crate::setting::{Switch, SwitchKind};
use crate::snapshot::Snapshot;

/// Turns Identity-Aware Proxy on or off at a service. The proxy calls the service as an account of its own,
/// which must be let in for as long as the proxy is on (documented).
#[derive(Clone, Debug)]
pub struct TurnIap {
    pub on: bool,
    /// The proxy's account in each project that has a service to be changed.
    pub agents: Vec<(String, Member)>,
}

impl Change for TurnIap {
    fn action(&self) -> Action {
        Action::Turn(SwitchKind::Iap)
    }

    fn needs(&self, _: Option<&str>) -> Needs {
        Needs { service: Use::Needed, ..Needs::default() }
    }

    fn is_whole(&self) -> bool {
        true
    }

    fn new_accounts(&self) -> Vec<Member> {
        self.agents.iter().map(|(_, agent)| agent.clone()).collect()
    }

    fn plan(&self, snapshot: &Snapshot) -> Result<Plan, Refusal> {
        let on = self.on;
        let of_project = |(project, _): &&(String, Member)| project == snapshot.name.project();
        let Some((_, agent)) = self.agents.iter().find(of_project) else {
            return Err(Refusal::ServiceUnread { service: snapshot.name.short() });
        };
        let service = needed(snapshot)?;
        let is_agents = |grant: &Grant| grant.role == INVOKER && grant.member.same_as(agent);
        let unconditional = |grant: &&Grant| is_agents(grant) && grant.condition.is_none();
        let held = grants(&snapshot.policy);
        let grant = Grant { role: INVOKER.to_owned(), member: agent.clone(), condition: None };
        let wanted = if on && !held.iter().any(|grant| unconditional(&grant)) {
            vec![grant]
        } else {
            vec![]
        };
        // With the proxy off its account has no business here, whoever granted it.
        let goes = |grant: &Grant| !on && is_agents(grant);
        let edit = policy::edit(&snapshot.policy, goes, &wanted)
            .map_err(|limit| Refusal::Limit { service: snapshot.name.short(), limit })?;
        let mut plan = Plan::from_edit(self.action(), snapshot, edit);
        turn(&mut plan, snapshot, &[Switch::Iap(on)])?;
        // Its account comes to be when it is first turned on, and cannot be granted anything before.
        plan.steps.sort_by_key(super::Step::sets_policy);
        if plan.is_empty() {
            return Ok(plan);
        }
        if on && !service.invoker_check {
            plan.warnings.push(
                "the invoker check is off: at addresses that Identity-Aware Proxy does not guard, nobody \
                 is asked for anything"
                    .to_owned(),
            );
        }
        if let Some(public) = held.iter().find(|grant| grant.member.is_public()).filter(|_| on) {
            // Reported: a grant to `allUsers` lets requests by that do not come through the proxy.
            plan.warnings.push(format!(
                "`{}` may invoke it: only Identity-Aware Proxy is left to ask anybody anything",
                public.member
            ));
        }
        if on {
            plan.notes.push(
                "from then on callers need `roles/iap.httpsResourceAccessor`, and a session or a token \
                 for Identity-Aware Proxy; the invoker role alone does not let them by"
                    .to_owned(),
            );
        } else {
            plan.notes.push(
                "whoever came through Identity-Aware Proxy needs the invoker role from then on"
                    .to_owned(),
            );
        }
        Ok(plan)
    }
}
