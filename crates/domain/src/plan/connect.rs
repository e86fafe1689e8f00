//! Plans that let one service call another: the invoker role for the caller's account, the account
//! itself, and the grant by which a service of Google's has its tokens.

use super::account::create_account;
use super::grant::GrantRole;
use super::{Change, Needs, Plan, Refusal, Use};
use crate::action::Action;
use crate::caller::CallsFrom;
use crate::constraint::is_worth_asking;
use crate::member::Member;
use crate::role::Role;
use crate::service::{Ingress, Service};
use crate::snapshot::Snapshot;
use crate::target::{Existing, Target};

/// Lets one service call others: the caller's account is granted the invoker role on each, and is created or
/// lent to an agent of Google's if that is asked for.
#[derive(Clone, Debug)]
pub struct Connect {
    /// Whose token is sent.
    pub account: Member,
    pub from: CallsFrom,
    /// Under which display name the account is made if it is not there.
    pub create: Option<String>,
    /// Who makes tokens of the account, and does not hold that already, with the role that lets it.
    pub agent: Option<(Member, &'static str)>,
}

impl Change for Connect {
    fn action(&self) -> Action {
        Action::Connect
    }

    fn needs(&self, own_domain: Option<&str>) -> Needs {
        let constraints = is_worth_asking(&self.account, own_domain);
        Needs { service: Use::Exposure, constraints, ..Needs::default() }
    }

    fn goes_together(&self) -> bool {
        true
    }

    fn new_accounts(&self) -> Vec<Member> {
        self.create.iter().map(|_| self.account.clone()).collect()
    }

    /// Plans one part: on a service that is called, or on the account that calls.
    fn plan(&self, snapshot: &Snapshot) -> Result<Plan, Refusal> {
        let grant = |role: Role, member: &Member| {
            let members = vec![member.clone()];
            let grant = GrantRole { role, members, condition: None, preflight: true };
            grant.plan(snapshot).map(|plan| Plan { action: Action::Connect, ..plan })
        };
        match (&snapshot.name, &self.agent) {
            (Target::Account(_), Some(_)) if snapshot.existing == Some(Existing::Nothing) => {
                Err(Refusal::NotThere { name: snapshot.name.short() })
            }
            (Target::Account(_), Some((agent, role))) => {
                let role = Role::parse(role)
                    .map_err(|_| Refusal::ServiceUnread { service: snapshot.name.short() })?;
                grant(role, agent)
            }
            (Target::Account(_), None) => {
                let name = self.create.as_deref().unwrap_or_default();
                let mut plan = Plan::unchanged(Action::Connect, snapshot);
                create_account(&mut plan, snapshot, name);
                Ok(plan)
            }
            _ => {
                let mut plan = grant(Role::invoker(), &self.account)?;
                let service = super::turn::needed(snapshot)?;
                plan.warnings.extend(out_of_reach(service, &self.from));
                if service.iap {
                    plan.warnings.push(
                        "Identity-Aware Proxy is on: it asks first, and for a token of another audience"
                            .to_owned(),
                    );
                }
                Ok(plan)
            }
        }
    }
}

/// Why the caller does not get through to the service, whatever it is granted.
fn out_of_reach(service: &Service, from: &CallsFrom) -> Option<String> {
    let ingress = service.ingress.as_str();
    match (&service.ingress, from) {
        (Ingress::None, _) => Some("ingress is `none`: nobody gets through".to_owned()),
        (Ingress::All, _) | (_, CallsFrom::Inside(_)) => None,
        (_, CallsFrom::Internet(why)) => {
            Some(format!("ingress is `{ingress}`, and {why}: it gets 404"))
        }
        (_, CallsFrom::Unknown) => Some(format!(
            "ingress is `{ingress}`: only what calls from inside, or by a load balancer where that is \
             let in, gets through"
        )),
    }
}
