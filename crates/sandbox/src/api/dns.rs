//! The public DNS as Google's resolver tells it in JSON (documented for `https://dns.google/resolve`):
//! what the sandbox's own domains lead to, and nothing of any other.

use serde_json::{Value, json};

use crate::dialect::api_error::ApiError;
use crate::dialect::query::Query;
use crate::records::world::{Collection, World};

const ZONE: &str = "dns";
const PATH: &str = "/resolve";
/// Below this domain every name leads to Cloud Run.
const READY: &str = ".run.example.com";
/// Where a mapped subdomain must lead (documented).
pub(crate) const HOSTED: &str = "ghs.googlehosted.com.";
const TTL: u32 = 300;
const NO_SUCH_NAME: u32 = 3;

/// Whether a request is for the resolver, which takes no credential.
pub(crate) fn is_for_resolver(method: &str, path: &str) -> bool {
    method == "GET" && path == PATH
}

/// Answers for one name and type of record.
pub(crate) fn resolve(world: &World<'_>, query: &Query) -> Result<Value, ApiError> {
    let name = query.get("name").unwrap_or_default().trim_end_matches('.').to_lowercase();
    if name.is_empty() {
        return Err(ApiError::invalid("The name is missing."));
    }
    let wanted = match query.get("type").unwrap_or("A") {
        "A" | "a" | "1" => "A",
        "AAAA" | "aaaa" | "28" => "AAAA",
        "CNAME" | "cname" | "5" => "CNAME",
        "CAA" | "caa" | "257" => "CAA",
        other => return Err(ApiError::not_implemented(&format!("records of the type {other}"))),
    };
    let records = records(world, &name)?;
    // An alias is part of the answer, whatever was asked for.
    let answers = records.iter().filter(|(kind, _)| kind == wanted || kind == "CNAME");
    let number = |kind: &str| match kind {
        "A" => 1,
        "CNAME" => 5,
        "CAA" => 257,
        _ => 28,
    };
    let answers: Vec<Value> = answers
        .map(|(kind, data)| {
            json!({"name": format!("{name}."), "type": number(kind), "TTL": TTL, "data": data})
        })
        .collect();
    let mut answer = json!({
        "Status": if records.is_empty() { NO_SUCH_NAME } else { 0 },
        "TC": false, "RD": true, "RA": true, "AD": false, "CD": false,
        "Question": [{"name": format!("{name}."), "type": number(wanted)}],
    });
    if !answers.is_empty() {
        answer["Answer"] = Value::Array(answers);
    }
    Ok(answer)
}

/// Whether a domain leads to where a mapping asks for it to.
pub(crate) fn leads_here(world: &World<'_>, domain: &str) -> Result<bool, ApiError> {
    let records = records(world, domain)?;
    Ok(records.iter().any(|(kind, data)| kind == "CNAME" && data == HOSTED))
}

/// Puts a record into the zone.
pub(crate) fn put(world: &World<'_>, name: &str, kind: &str, data: &str) -> rusqlite::Result<()> {
    world.put_resource(Collection::global(ZONE), name, &json!([[kind, data]]))
}

fn records(world: &World<'_>, name: &str) -> rusqlite::Result<Vec<(String, String)>> {
    if name.ends_with(READY) {
        return Ok(vec![("CNAME".to_owned(), HOSTED.to_owned())]);
    }
    let kept = world.resource(Collection::global(ZONE), name)?.unwrap_or_default();
    Ok(serde_json::from_value(kept).unwrap_or_default())
}
