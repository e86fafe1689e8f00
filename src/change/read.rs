//! Reads the snapshot of a plan, and reads it again after a conflict.

use std::time::Duration;

use tokio::time::timeout;

use crate::cloud::{Ancestors, Failure, Gateway, why};
use crate::context::Context;
use crate::domain::constraint::Constraints;
use crate::domain::error::CommandError;
use crate::domain::invokers::grants;
use crate::domain::plan::{Needs, Use};
use crate::domain::policy::{self, Policy};
use crate::domain::service::Service;
use crate::domain::snapshot::Snapshot;
use crate::domain::target::{Existing, Target};
use crate::lookup;

/// Time limit for reading a service that is only displayed.
const PATIENCE: Duration = Duration::from_secs(3);

/// Reads the facts that a plan depends on: the policy and the other needed facts, in parallel.
/// Facts of the whole project are read once.
pub(super) async fn read(
    cx: &Context,
    name: &Target,
    needs: Needs,
) -> Result<Snapshot, CommandError> {
    let gateway = cx.gateway().await?;
    // Boxed: the future is large, and every change would carry it.
    match Box::pin(snapshot(cx, name, needs, gateway)).await {
        Ok(snapshot) => Ok(snapshot),
        Err(failure) => Err(lookup::unread_target(cx, name, failure).await),
    }
}

async fn snapshot(
    cx: &Context,
    name: &Target,
    needs: Needs,
    gateway: &Gateway,
) -> Result<Snapshot, Failure> {
    let workload_uid = async {
        let Target::Workload(_) = name else { return Ok(None) };
        let read = timeout(PATIENCE, gateway.uid_of(name)).await;
        Ok(read.ok().and_then(Result::ok).flatten())
    };
    let existing = async {
        match name {
            Target::Account(account) => gateway.account(account).await.map(Some),
            Target::Mapping(mapping) => gateway.mapping(mapping).await.map(Some),
            Target::Service(_) | Target::Workload(_) => Ok(None),
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
    let (service, workload_uid, existing, policy, constraints, above) = tokio::try_join!(
        service(gateway, name, needs),
        workload_uid,
        existing,
        policy(gateway, name, needs),
        constraints,
        above
    )?;
    let (service, unread) = match service {
        Ok(service) => (service, None),
        Err(why) => (None, Some(why)),
    };
    let (policy, policy_unread) = match (policy, &existing) {
        (Ok(Some(policy)), _) => (policy, None),
        (Err(why), _) => (policy::none(), Some(why)),
        (Ok(None), Some(Existing::Nothing) | None) => (policy::none(), None),
        (Ok(None), Some(_)) => (gateway.policy_of(name).await?, None),
    };
    let (name, read_at) = (name.clone(), cx.now());
    let Ancestors { allow: above, mut roles, .. } = above;
    if needs.roles {
        roles.extend(gateway.roles_granted(&grants(&policy)).await);
    }
    Ok(Snapshot {
        project_number: cx.known_number(name.project()),
        name,
        service,
        workload_uid,
        unread,
        weighs_exposure: needs.service != Use::Effect,
        policy,
        policy_unread,
        existing,
        constraints,
        above,
        roles,
        gone: Vec::new(),
        read_at,
    })
}

/// Reads the service. If the plan does not depend on it, a failure returns the reason.
async fn service(
    gateway: &Gateway,
    name: &Target,
    needs: Needs,
) -> Result<Result<Option<Service>, String>, Failure> {
    let Target::Service(service) = name else { return Ok(Ok(None)) };
    if needs.ingress {
        return Box::pin(gateway.service_as_set(service)).await.map(|read| Ok(Some(read)));
    }
    if needs.service == Use::Needed {
        return gateway.service(service).await.map(|read| Ok(Some(read)));
    }
    Ok(match timeout(PATIENCE, gateway.service(service)).await {
        Ok(Ok(read)) => Ok(Some(read)),
        // If the service does not exist, reading its policy reports that.
        Ok(Err(failure)) => Err(why(&failure)),
        Err(_) => Err("it did not answer in time".to_owned()),
    })
}

/// Reads the policy. If the plan does not depend on it, a failure returns the reason. An account's
/// policy is read only after the account is known to exist.
async fn policy(
    gateway: &Gateway,
    name: &Target,
    needs: Needs,
) -> Result<Result<Option<Policy>, String>, Failure> {
    match name {
        Target::Account(_) => Ok(Ok(None)),
        _ if needs.settings_only => {
            Ok(gateway.policy_of(name).await.map(Some).map_err(|failure| why(&failure)))
        }
        _ => gateway.policy_of(name).await.map(|policy| Ok(Some(policy))),
    }
}
