//! Of which project a service account is, and whether it is one of Google's own, by its address.

use super::Hierarchy;

/// The projects of Google's own in which service agents live, beside those that begin with `gcp-sa-`
/// (documented).
const AGENTS: [&str; 8] = [
    "cloud-redis",
    "cloudcomposer-accounts",
    "compute-system",
    "container-engine-robot",
    "containerregistry",
    "dataflow-service-producer-prod",
    "gcf-admin-robot",
    "serverless-robot-prod",
];

/// Whether an address is one of Google's own accounts for a project: a service agent, or the APIs'
/// account (documented). Anybody may call an account of theirs `service-1`; its domain tells.
pub fn is_service_agent(address: &str) -> bool {
    let (name, domain) = address.split_once('@').unwrap_or_default();
    let of_google = domain
        .strip_suffix(".iam.gserviceaccount.com")
        .is_some_and(|project| project.starts_with("gcp-sa-") || AGENTS.contains(&project));
    of_google || (is_number(name) && domain == "cloudservices.gserviceaccount.com")
}

/// Of which API an address is the service agent, and of which project's number, if its domain says
/// so: `service-N@gcp-sa-API.iam.gserviceaccount.com` (documented).
pub fn agent_of(address: &str) -> Option<(&str, &str)> {
    let (name, domain) = address.split_once('@')?;
    let number = name.strip_prefix("service-").filter(|number| is_number(number))?;
    let api = match domain.strip_suffix(".iam.gserviceaccount.com")? {
        "serverless-robot-prod" => "run",
        "gcf-admin-robot" => "cloudfunctions",
        other => other.strip_prefix("gcp-sa-")?,
    };
    Some((api, number))
}

/// Whether an address has the form of a service agent's in a project that is not known to be Google's:
/// there are more of those than are listed anywhere.
pub(super) fn may_be_agent(address: &str) -> bool {
    let (name, domain) = address.split_once('@').unwrap_or_default();
    let is_numbered = name.strip_prefix("service-").is_some_and(is_number);
    is_numbered && domain.ends_with(".iam.gserviceaccount.com") && !is_service_agent(address)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The number of its project, if an account's address holds it.
pub(super) fn number_in(address: &str) -> Option<&str> {
    let (name, domain) = address.split_once('@')?;
    let number = match domain {
        "developer.gserviceaccount.com" => name.strip_suffix("-compute")?,
        "cloudservices.gserviceaccount.com" | "cloudbuild.gserviceaccount.com" => name,
        _ if is_service_agent(address) => name.strip_prefix("service-")?,
        _ => return None,
    };
    is_number(number).then_some(number)
}

/// The id or number of a service account's project, if its address holds it.
pub fn project_in(address: &str) -> Option<&str> {
    let (name, domain) = address.split_once('@')?;
    number_in(address).or_else(|| match domain.strip_suffix(".iam.gserviceaccount.com") {
        Some(id) if !id.contains('.') && !is_service_agent(address) && !may_be_agent(address) => {
            Some(id)
        }
        None if domain == "appspot.gserviceaccount.com" => Some(name),
        _ => None,
    })
}

/// Whether a service account is of the place's project, by the id or number that its address
/// holds; `None` if it holds neither that can be compared.
pub(super) fn of_the_project(address: &str, place: &Hierarchy) -> Option<bool> {
    if let Some(number) = number_in(address) {
        return place.number.as_deref().map(|own| own == number);
    }
    let (name, domain) = address.split_once('@')?;
    let id = match domain.strip_suffix(".iam.gserviceaccount.com") {
        // An agent's domain is Google's own; that of a project below a domain is the other way round.
        Some(id) if is_service_agent(address) || id.contains('.') => return None,
        Some(id) => id,
        None if domain == "appspot.gserviceaccount.com" => name,
        None => return None,
    };
    Some(id == place.project)
}
