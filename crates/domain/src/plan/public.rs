//! Plans that make a service public, by one of the two ways there are, or private again.

use super::obstacles::{cannot_be_undone, may_be_added, may_lose_its_check, obstacles};
use super::turn::{needed, turn};
use super::{Change, Needs, Plan, Refusal, Use, judged};
use crate::access::ABOVE;
use crate::action::Action;
use crate::constraint::{ALLOWED_INGRESS, Constraints};
use crate::evidence::carries;
use crate::invokers::{Grant, grants, invoker_count};
use crate::member::{Member, MemberKind};
use crate::policy;
use crate::role::{INVOKE, Invokes, Role};
use crate::setting::Switch;
use crate::snapshot::Snapshot;

/// The two ways to let anyone in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicVia {
    /// `allUsers` gets the invoker role.
    AllUsers,
    /// No permission is asked any more; Google recommends it where public access is wanted.
    NoInvokerCheck,
}

/// Lets anyone invoke a service. Without a way named, a service that is public in either way is left as it
/// is.
#[derive(Clone, Copy, Debug)]
pub struct MakePublic {
    pub via: Option<PublicVia>,
    /// Whether organisation policies are looked at first.
    pub preflight: bool,
}

impl Change for MakePublic {
    fn action(&self) -> Action {
        Action::MakePublic
    }

    fn needs(&self, _: Option<&str>) -> Needs {
        let service = match self.via {
            Some(PublicVia::NoInvokerCheck) => Use::Needed,
            Some(PublicVia::AllUsers) | None => Use::Exposure,
        };
        Needs { service, constraints: self.preflight, ..Needs::default() }
    }

    fn plan(&self, snapshot: &Snapshot) -> Result<Plan, Refusal> {
        let via = self.via;
        let service = match via {
            Some(PublicVia::NoInvokerCheck) => Some(needed(snapshot)?),
            _ => snapshot.weighed(),
        };
        let open = service.map(|service| judged(service, &snapshot.policy, snapshot));
        let everyone = |grant: &Grant| {
            grant.member.kind() == MemberKind::AllUsers
                && grant.condition.is_none()
                && grant.invokes() == Invokes::Yes
        };
        let is_open = service.is_some_and(|service| !service.invoker_check)
            || grants(&snapshot.policy).iter().any(everyone);
        let already = via.is_none() && is_open;
        let members = match via {
            _ if already => &[][..],
            Some(PublicVia::NoInvokerCheck) => &[],
            Some(PublicVia::AllUsers) | None => &[Member::all_users()],
        };
        let edit = policy::add(&snapshot.policy, &Role::invoker(), members)
            .map_err(|limit| Refusal::Limit { service: snapshot.name.short(), limit })?;
        let mut plan = Plan::from_edit(Action::MakePublic, snapshot, edit);
        let added: Vec<Member> =
            plan.difference.added.iter().map(|grant| grant.member.clone()).collect();
        plan.warnings.extend(may_be_added(snapshot, &added)?);
        if via == Some(PublicVia::NoInvokerCheck)
            && service.is_some_and(|service| service.invoker_check)
        {
            plan.warnings.extend(may_lose_its_check(snapshot)?);
            turn(&mut plan, snapshot, &[Switch::InvokerCheck(false)])?;
        }
        if plan.is_empty() {
            plan.notes.extend(
                open.into_iter()
                    .flat_map(|open| open.reasons)
                    .take(1)
                    .map(|why| format!("public already: {why}")),
            );
        }
        plan.warnings.extend(service.map(obstacles).unwrap_or_default());
        let allowed = snapshot.constraints.as_ref().and_then(Constraints::without_internet);
        if let Some(allowed) = allowed.filter(|_| !plan.is_empty()) {
            let only = match allowed {
                [] => "does not allow ingress `all`".to_owned(),
                values => format!("allows ingress `{}` only", values.join("` or `")),
            };
            plan.warnings.push(format!(
                "the organisation policy `constraints/{ALLOWED_INGRESS}` {only}: nobody on the internet is \
                 to get through"
            ));
        }
        Ok(plan)
    }
}

/// Whether something that is granted above the service to everyone, or to any Google account, keeps it
/// open, and what does or may.
fn open_above(snapshot: &Snapshot) -> (bool, Vec<String>) {
    let (mut keeps_open, mut reasons) = (false, Vec::new());
    for layer in &snapshot.above {
        let resource = &layer.resource;
        let Ok(granted) = &layer.read else {
            reasons.push(match resource.strip_prefix(ABOVE) {
                Some(below) => {
                    format!("what is above `{below}` was not read, and may keep it open")
                }
                None => format!("the policy of `{resource}` was not read, and may keep it open"),
            });
            continue;
        };
        let public = granted.iter().filter(|grant| grant.member.is_public());
        for grant in public.filter(|grant| grant.counts(snapshot.read_at)) {
            let (member, role) = (&grant.member, &grant.role);
            match carries(&snapshot.roles, role, INVOKE) {
                Some(true) => {
                    keeps_open = true;
                    reasons.push(format!(
                        "`{member}` has `{role}` on `{resource}`, which keeps the service open"
                    ));
                }
                None => reasons.push(format!(
                    "`{member}` has `{role}` on `{resource}`, and whether that role can invoke is not \
                     known"
                )),
                Some(false) => {}
            }
        }
    }
    (keeps_open, reasons)
}

/// Undoes both ways of being public: everyone and any Google account lose every role that
/// can or may invoke, then the check is turned on. The policy goes first: the check off means
/// that the policy does not matter yet, so nobody who is to keep access loses it in between.
///
/// If the service itself could not be read, the policy alone is changed, and the plan says so.
#[derive(Clone, Copy, Debug)]
pub struct MakePrivate;

impl Change for MakePrivate {
    fn action(&self) -> Action {
        Action::MakePrivate
    }

    fn needs(&self, _: Option<&str>) -> Needs {
        Needs { service: Use::Exposure, constraints: true, above: true, ..Needs::default() }
    }

    fn plan(&self, snapshot: &Snapshot) -> Result<Plan, Refusal> {
        let public = |grant: &Grant| grant.member.is_public() && grant.invokes() != Invokes::No;
        let edit = policy::remove(&snapshot.policy, public);
        let left = grants(&edit.policy);
        let mut plan = Plan::from_edit(Action::MakePrivate, snapshot, edit);
        match snapshot.weighed() {
            Some(service) if !service.invoker_check => {
                turn(&mut plan, snapshot, &[Switch::InvokerCheck(true)])?;
            }
            Some(_) => {}
            None => {
                let why = snapshot.unread.as_deref().unwrap_or("it was not looked at");
                plan.warnings.push(format!("the invoker check was not read and may be off: {why}"));
                plan.unread = Some("the invoker check was not read and may be off".to_owned());
            }
        }
        plan.warnings.extend(cannot_be_undone(snapshot, &plan));
        // Said whether or not there is anything of its own to take away.
        let (keeps_open, reasons) = open_above(snapshot);
        plan.leaves_access = keeps_open;
        plan.warnings.extend(reasons);
        for grant in &plan.difference.removed {
            if grant.invokes() == Invokes::Unknown {
                plan.notes.push(format!(
                    "whether `{}` can invoke is not known, so `{}` loses it as well",
                    grant.role, grant.member
                ));
            }
        }
        if !plan.is_empty() {
            let possible = left
                .iter()
                .any(|grant| grant.invokes() == Invokes::Unknown && grant.counts(snapshot.read_at));
            match (invoker_count(&left, INVOKE.into(), snapshot.read_at), possible) {
                (0, false) => plan
                    .warnings
                    .push("the service's own policy will let nobody invoke it afterwards".to_owned()),
                (0, true) => plan.warnings.push(
                    "the service's own policy will let nobody invoke it afterwards, unless by a role \
                     that is not known here"
                        .to_owned(),
                ),
                (1, _) => plan.notes.push(
                    "by its own policy, 1 principal will be able to invoke it afterwards".to_owned(),
                ),
                (many, _) => plan.notes.push(format!(
                    "by its own policy, {many} principals will be able to invoke it afterwards"
                )),
            }
        }
        Ok(plan)
    }
}
