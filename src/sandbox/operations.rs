//! Long-running operations. A mutation's answer is still under way; the first look at the
//! operation finds it done, so that every client's waiting is put to use.

use serde_json::{Value, json};

use super::api_error::ApiError;
use super::world::World;
use crate::domain::resource::ServiceName;

const TYPE: &str = "type.googleapis.com/google.cloud.run.v2.Service";

/// Keeps a finished operation on a service, and returns it as it looks before it is done.
pub(super) fn start(
    world: &World<'_>,
    target: &ServiceName,
    service: &Value,
) -> Result<Value, ApiError> {
    let id = format!("{:032x}", fastrand::u128(..));
    let name =
        format!("projects/{}/locations/{}/operations/{id}", target.project(), target.region());
    let any = typed(service);
    let done = json!({"name": name, "metadata": any, "done": true, "response": any});
    world.put_operation(&name, &done)?;
    Ok(json!({"name": name, "metadata": any}))
}

/// An operation that nobody need wait for: a request that was only to be checked.
pub(super) fn checked(target: &ServiceName, service: &Value) -> Value {
    let name = format!("projects/{}/locations/{}/operations/0", target.project(), target.region());
    json!({"name": name, "done": true, "response": typed(service)})
}

/// Looks an operation up.
pub(super) fn get(world: &World<'_>, name: &str) -> Result<Value, ApiError> {
    world
        .operation(name)?
        .ok_or_else(|| ApiError::not_found(format!("Requested entity was not found: {name}")))
}

fn typed(service: &Value) -> Value {
    let mut any = json!({"@type": TYPE});
    for (field, value) in service.as_object().into_iter().flatten() {
        any[field] = value.clone();
    }
    any
}
