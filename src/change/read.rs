//! What a plan rests on, read before it is made and again where somebody else was faster.

use std::time::Duration;

use tokio::time::timeout;

use crate::cloud::{Ancestors, why};
use crate::context::Context;
use crate::domain::constraint::Constraints;
use crate::domain::error::CommandError;
use crate::domain::invokers::grants;
use crate::domain::plan::{Needs, Use};
use crate::domain::policy;
use crate::domain::snapshot::Snapshot;
use crate::domain::target::{Existing, Target};
use crate::lookup;

/// How long a service is waited for that is wanted for the display alone.
const PATIENCE: Duration = Duration::from_secs(3);

/// Reads what a plan rests on: the policy, and what else is needed, side by side. What is the same for
/// everything in a project is read once.
pub(super) async fn read(
    cx: &Context,
    name: &Target,
    needs: Needs,
) -> Result<Snapshot, CommandError> {
    // It is large, and would make every change's future so.
    Box::pin(read_now(cx, name, needs)).await
}

async fn read_now(cx: &Context, name: &Target, needs: Needs) -> Result<Snapshot, CommandError> {
    let gateway = cx.gateway().await?;
    let service = async {
        let Target::Service(service) = name else { return Ok(Ok(None)) };
        if needs.ingress {
            return Box::pin(gateway.service_as_set(service)).await.map(|read| Ok(Some(read)));
        }
        if needs.service == Use::Needed {
            return gateway.service(service).await.map(|read| Ok(Some(read)));
        }
        Ok(match timeout(PATIENCE, gateway.service(service)).await {
            Ok(Ok(read)) => Ok(Some(read)),
            // Of one that is not there, the policy says so.
            Ok(Err(failure)) => Err(why(&failure)),
            Err(_) => Err("it did not answer in time".to_owned()),
        })
    };
    let job_uid = async {
        let Target::Job(_) = name else { return Ok(None) };
        let read = timeout(PATIENCE, gateway.job_uid(name)).await;
        Ok(read.ok().and_then(Result::ok).flatten())
    };
    let existing = async {
        match name {
            Target::Account(account) => gateway.account(account).await.map(Some),
            Target::Mapping(mapping) => gateway.mapping(mapping).await.map(Some),
            Target::Job(_) | Target::Service(_) => Ok(None),
        }
    };
    let constraints = async {
        let effective = gateway.constraints(name.project());
        let own_domain = cx.own_domain();
        let read = async { Constraints { effective: effective.await, own_domain } };
        Ok(if needs.constraints { Some(read.await) } else { None })
    };
    let above = async {
        let above = gateway.above(name.project(), None);
        Ok(if needs.above { Box::pin(above).await } else { Ancestors::default() })
    };
    let policy = async {
        // Its policy comes with it: of one that is not there, there is none to be read.
        match name {
            Target::Account(_) => Ok(Ok(None)),
            _ if needs.settings_only => {
                Ok(gateway.policy_of(name).await.map(Some).map_err(|failure| why(&failure)))
            }
            _ => gateway.policy_of(name).await.map(|policy| Ok(Some(policy))),
        }
    };
    let read = tokio::try_join!(service, job_uid, existing, policy, constraints, above);
    let read = match read {
        Ok((service, job_uid, existing, policy, constraints, above)) => {
            let policy = match (policy, &existing) {
                (Ok(Some(policy)), _) => Ok((policy, None)),
                (Err(why), _) => Ok((policy::none(), Some(why))),
                (Ok(None), Some(Existing::Nothing) | None) => Ok((policy::none(), None)),
                (Ok(None), Some(_)) => gateway.policy_of(name).await.map(|policy| (policy, None)),
            };
            policy.map(|policy| (service, job_uid, existing, policy, constraints, above))
        }
        Err(failure) => Err(failure),
    };
    match read {
        Ok((service, job_uid, existing, (policy, policy_unread), constraints, above)) => {
            let (service, unread) = match service {
                Ok(service) => (service, None),
                Err(why) => (None, Some(why)),
            };
            let (name, read_at) = (name.clone(), cx.now());
            let Ancestors { allow: above, mut roles, .. } = above;
            if needs.roles {
                roles.extend(gateway.roles_granted(&grants(&policy)).await);
            }
            let project_number = cx.known_number(name.project());
            Ok(Snapshot {
                name,
                service,
                job_uid,
                unread,
                weighs_exposure: needs.service != Use::Effect,
                policy,
                policy_unread,
                existing,
                constraints,
                above,
                roles,
                project_number,
                gone: Vec::new(),
                read_at,
            })
        }
        Err(failure) => Err(lookup::unread_target(cx, name, failure).await),
    }
}
