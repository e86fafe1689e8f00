//! Principal access boundaries (IAM v3): to which resources some principals are kept, whatever they are
//! granted.
//!
//! A binding ties a policy to a set of principals, and stands in the project, the folder or the
//! organisation of that set. Whoever is in the set is kept to what the policies that are bound to it name
//! (documented). Of Cloud Run they are known to bear on the running of jobs; that they bear on the
//! invoking of services is not documented.

use super::access::Hierarchy;
use super::condition::Condition;
use super::member::{Member, MemberKind};
use super::principal::{is_consumer, pool_of, project_in};

/// What the full names of projects, folders and organisations begin with.
pub const RESOURCE_MANAGER: &str = "//cloudresourcemanager.googleapis.com/";
/// What the sets of all accounts of a customer of Google's begin with.
const WORKSPACE: &str = "//iam.googleapis.com/locations/global/workspace/";

/// A policy, and the principals that it is bound to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Boundary {
    /// The policy's name, such as `organizations/1/locations/global/principalAccessBoundaryPolicies/home`.
    pub policy: String,
    /// The full resource name of a set of principals, such as
    /// `//cloudresourcemanager.googleapis.com/projects/12`.
    pub principal_set: String,
    /// Of the binding: it narrows the set.
    pub condition: Option<Condition>,
    /// The full names of the projects, folders and organisations that the policy names.
    pub resources: Vec<String>,
}

impl Boundary {
    /// The policy's own id.
    pub fn policy_id(&self) -> &str {
        self.policy.rsplit('/').next().unwrap_or_default()
    }

    /// Whether it lets whoever it binds get at what is at this place.
    pub fn spans(&self, place: &Hierarchy) -> bool {
        let mut at = names_of(place).chain(place.above.iter().cloned());
        at.any(|at| {
            self.resources.iter().any(|known| known.strip_prefix(RESOURCE_MANAGER) == Some(&at))
        })
    }

    /// Whether one of those whom boundaries at `at` may bind is in its set, whatever its condition says.
    fn holds(&self, member: &Member, at: &str, home: &Hierarchy) -> bool {
        let set = self.principal_set.as_str();
        if let Some(customer) = set.strip_prefix(WORKSPACE) {
            let own = home.customer.as_ref().map(|(id, _)| id.as_str());
            return member.kind() == MemberKind::User && own == Some(customer);
        }
        match set.strip_prefix(RESOURCE_MANAGER) {
            // A binding stands where its set is: all whom it may bind are in it.
            Some(place) if place.starts_with("projects/") => {
                at.starts_with("projects/") && names_of(home).any(|own| own == place)
            }
            Some(place) => place == at,
            None => {
                let pool = |name: &str| {
                    let name = name.trim_start_matches("//").split_once('/')?.1;
                    Some(name.to_owned())
                };
                let own = pool_of(member.as_str()).and_then(pool);
                own.is_some() && own == pool(set)
            }
        }
    }
}

/// A project by its ID and by its number.
fn names_of(place: &Hierarchy) -> impl Iterator<Item = String> {
    let both = [Some(place.project.as_str()), place.number.as_deref()];
    both.into_iter().flatten().map(|project| format!("projects/{project}"))
}

/// A place's project and what is above it, by its number if that is known.
pub fn places_of(place: &Hierarchy) -> Vec<String> {
    let project = place.number.as_ref().unwrap_or(&place.project);
    std::iter::once(format!("projects/{project}")).chain(place.above.iter().cloned()).collect()
}

/// Where the boundaries stand that may bind somebody: those resources, and the place that they are of.
/// `None` if that is not known. People are of an organisation, accounts and pools of a project.
pub fn bound_at<'a>(member: &Member, place: &'a Hierarchy) -> Option<(&'a Hierarchy, Vec<String>)> {
    let below = |home: &'a Hierarchy| (home, places_of(home));
    let is_of = |home: &&Hierarchy, project: &str| {
        home.project == project || home.number.as_deref() == Some(project)
    };
    let home_of = |project: &str| {
        let all = std::iter::once(place).chain(&place.homes);
        all.into_iter().find(|home| is_of(home, project))
    };
    match member.kind() {
        MemberKind::User => {
            let domain = member.address().rsplit('@').next().unwrap_or_default();
            let own = place.customer.as_ref().map(|(_, domain)| domain);
            if is_consumer(domain) {
                return Some((place, Vec::new()));
            }
            let organization =
                place.above.last().filter(|last| last.starts_with("organizations/"))?;
            let is_own = own.is_some_and(|own| own.eq_ignore_ascii_case(domain));
            is_own.then(|| (place, vec![organization.clone()]))
        }
        MemberKind::ServiceAccount => Some(below(home_of(project_in(member.address())?)?)),
        MemberKind::Principal => {
            let pool = pool_of(member.as_str())?.split_once("projects/")?.1;
            Some(below(home_of(pool.split('/').next()?)?))
        }
        // Whoever they are, those of the resource's own organisation count.
        MemberKind::Group | MemberKind::Domain | MemberKind::PrincipalSet => Some(below(place)),
        _ => None,
    }
}

/// Whether a boundary binds somebody, by where it stands: `None` if that cannot be told.
pub fn binds(boundary: &Boundary, member: &Member, at: &str, home: &Hierarchy) -> Option<bool> {
    match member.kind() {
        MemberKind::Group | MemberKind::Domain | MemberKind::PrincipalSet => None,
        _ if !boundary.holds(member, at, home) => Some(false),
        // What its condition asks of is the principal, by forms that are not weighed here.
        _ => boundary.condition.is_none().then_some(true),
    }
}
