//! Plans that let one service call another: the invoker role for the caller's account, the account
//! itself, and the grant by which a service of Google's has its tokens.

use super::account::plan_account;
use super::grant::{GrantRequest, plan_grant};
use super::{Plan, Refusal};
use crate::domain::action::Action;
use crate::domain::caller::CallsFrom;
use crate::domain::member::Member;
use crate::domain::role::Role;
use crate::domain::service::{Ingress, Service};
use crate::domain::snapshot::Snapshot;
use crate::domain::target::{Existing, Target};

/// What `connect` is asked to do.
#[derive(Clone, Debug)]
pub struct ConnectRequest {
    /// Whose token is sent.
    pub account: Member,
    pub from: CallsFrom,
    /// Under which display name the account is made where it is not there.
    pub create: Option<String>,
    /// Who makes tokens of the account, and does not hold that already, with the role that lets it.
    pub agent: Option<(Member, &'static str)>,
}

/// Plans one part of a connection: on a service that is called, or on the account that calls. The
/// snapshot of a service must hold its facts.
pub fn plan_connect(snapshot: &Snapshot, request: &ConnectRequest) -> Result<Plan, Refusal> {
    let grant = |role: Role, member: &Member| {
        let request = GrantRequest { role, members: vec![member.clone()], condition: None };
        plan_grant(snapshot, &request).map(|plan| Plan { action: Action::Connect, ..plan })
    };
    match (&snapshot.name, &request.agent) {
        (Target::Account(_), Some(_)) if snapshot.existing == Some(Existing::Nothing) => {
            Err(Refusal::NotThere { name: snapshot.name.short() })
        }
        (Target::Account(_), Some((agent, role))) => {
            let role = Role::parse(role)
                .map_err(|_| Refusal::ServiceUnread { service: snapshot.name.short() })?;
            grant(role, agent)
        }
        (Target::Account(_), None) => {
            let name = request.create.as_deref().unwrap_or_default();
            Ok(plan_account(snapshot, Action::Connect, name))
        }
        _ => {
            let mut plan = grant(Role::invoker(), &request.account)?;
            let service = super::turn::needed(snapshot)?;
            plan.warnings.extend(out_of_reach(service, &request.from));
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
