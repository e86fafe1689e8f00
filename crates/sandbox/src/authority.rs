//! Who may do what with the APIs: allow policies of a resource and of all above it, by the
//! domain's own engine.

use std::time::Duration;

use serde_json::Value;
use time::OffsetDateTime;

use crate::dialect::api_error::ApiError;
use crate::records::deny::{self, DENY_POLICIES};
use crate::records::policies::{bindings, policy_at};
use crate::records::world::{Collection, FOLDERS, ORGANIZATIONS, World};
use crate::records::{boundaries, groups, roles, tags};
use runaccess_domain::access::{Attached, Caller, Hierarchy, Knowledge, Outcome, permitted};
use runaccess_domain::condition::{Attributes, Condition, Tags, asks_for_tags};
use runaccess_domain::deny::DenyRule;
use runaccess_domain::invokers::Grant;
use runaccess_domain::member::{Member, MemberKind};
use runaccess_domain::principal::project_in;

/// The maximal depth of an organization (documented: ten levels of folders).
const DEEPEST: usize = 13;

/// The resources from which a resource inherits grants, itself first, as policies are kept by.
pub(crate) fn lineage(world: &World<'_>, resource: &str) -> Result<Vec<String>, ApiError> {
    let mut lineage = vec![resource.to_owned()];
    while let Some(above) = parent(world, lineage.last().map_or("", String::as_str))? {
        lineage.push(above);
        if lineage.len() == DEEPEST {
            break;
        }
    }
    Ok(lineage)
}

/// The project that a resource is in; `None` for one that is in none, and for a project itself.
fn project_of(resource: &str) -> Option<&str> {
    let (end, _) = resource.strip_prefix("projects/")?.match_indices('/').next()?;
    Some(&resource[..end + "projects/".len()])
}

/// What a resource is right below.
fn parent(world: &World<'_>, resource: &str) -> Result<Option<String>, ApiError> {
    if let Some(project) = project_of(resource) {
        return Ok(Some(project.to_owned()));
    }
    let above = match resource.split_once('/') {
        Some(("projects", id)) => world.project(id)?.map(|project| project.parent),
        Some((FOLDERS, id)) => {
            let found = world.resource(Collection::global(FOLDERS), id)?;
            found.and_then(|folder| folder["parent"].as_str().map(str::to_owned))
        }
        // An organisation has nothing above it.
        _ => None,
    };
    Ok(above.filter(|above| !above.is_empty()))
}

/// The grants of a resource's own policy.
pub(crate) fn grants(world: &World<'_>, resource: &str) -> Result<Vec<Grant>, ApiError> {
    Ok(world.policy(resource)?.map(|policy| grants_in(&policy)).unwrap_or_default())
}

/// The grants of a resource's own policy, as a front end that learns of a change after `delay` sees
/// it.
pub(crate) fn grants_seen(
    world: &World<'_>,
    resource: &str,
    now: OffsetDateTime,
    delay: Duration,
) -> Result<Vec<Grant>, ApiError> {
    if !delay.is_zero() {
        let delay = time::Duration::try_from(delay).unwrap_or(time::Duration::MAX);
        let seen = now.checked_sub(delay).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let policy = policy_at(world, resource, seen)?;
        return Ok(policy.map(|policy| grants_in(&policy)).unwrap_or_default());
    }
    grants(world, resource)
}

fn grants_in(policy: &Value) -> Vec<Grant> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut grants = Vec::new();
    for binding in bindings(policy) {
        let condition = binding.get("condition").filter(|c| c.is_object()).map(|c| Condition {
            title: text(&c["title"]),
            description: text(&c["description"]),
            expression: text(&c["expression"]),
        });
        let members = binding["members"].as_array().into_iter().flatten();
        grants.extend(members.map(|member| Grant {
            role: text(&binding["role"]),
            member: Member::from_policy(text(member)),
            condition: condition.clone(),
        }));
    }
    grants
}

/// Every rule of a deny policy that is about a permission, with the resource that it is attached to.
pub(crate) fn rules_on(
    world: &World<'_>,
    permission: &str,
) -> Result<Vec<(String, DenyRule)>, ApiError> {
    let mut rules = Vec::new();
    // Most are about something else, which their text shows before it is taken apart.
    let named = permission.split_once('.').map_or(permission, |(_, rest)| rest);
    for (resource, policy) in world.resources_that_say(DENY_POLICIES, [named, "*"])? {
        let of_policy = deny::rules(&policy).into_iter();
        let covering = of_policy.filter(|rule| rule.covers(permission));
        rules.extend(covering.map(|rule| (resource.clone(), rule)));
    }
    Ok(rules)
}

/// What the world knows beside its policies, for the domain's engine.
pub(crate) struct Lore<'a> {
    world: &'a World<'a>,
    place: Hierarchy,
    tags: Option<Tags>,
}

impl<'a> Lore<'a> {
    /// Of a resource with these above it, itself first. Tags are looked up where a condition asks
    /// for them.
    pub(crate) fn new(
        world: &'a World<'a>,
        lineage: &[String],
        asks_for_tags: bool,
    ) -> Result<Self, ApiError> {
        let mut place = Hierarchy::default();
        for resource in lineage {
            match resource.split_once('/') {
                Some(("projects", id)) if !id.contains('/') => {
                    place.number = world.project(id)?.map(|project| project.number);
                    id.clone_into(&mut place.project);
                }
                Some((FOLDERS, _)) => place.above.push(resource.clone()),
                Some((ORGANIZATIONS, id)) => {
                    place.above.push(resource.clone());
                    let found = world.resource(Collection::global(ORGANIZATIONS), id)?;
                    let text = |value: &Value| value.as_str().map(str::to_owned);
                    place.customer = found.and_then(|found| {
                        Some((text(&found["directoryCustomerId"])?, text(&found["displayName"])?))
                    });
                }
                _ => {}
            }
        }
        let tags = if asks_for_tags { Some(tags::effective(world, lineage)?) } else { None };
        Ok(Self { world, place, tags })
    }

    /// The same, with where the project of an account stands, if that is another.
    pub(crate) fn with_home_of(mut self, who: &Member) -> Result<Self, ApiError> {
        let home = home_of(self.world, who)?;
        self.place.homes.extend(home.filter(|home| home.project != self.place.project));
        Ok(self)
    }

    /// Where the resource stands, and the tags in force on it if they were looked up.
    pub(crate) fn into_parts(self) -> (Hierarchy, Option<Tags>) {
        (self.place, self.tags)
    }

    /// Where the resource stands.
    pub(crate) fn place(&self) -> &Hierarchy {
        &self.place
    }

    /// Hands it to the engine.
    pub(crate) fn with<T>(&self, work: impl FnOnce(Knowledge<'_>) -> T) -> T {
        // What the store does not tell gives nothing: whoever asks is not let in by it.
        work(Knowledge {
            carries: &|role, permission| roles::carries(self.world, role, permission).ok(),
            holds: &|group, member| groups::holds(self.world, group, member).ok(),
            place: &self.place,
            tags: self.tags.as_ref(),
        })
    }
}

/// Where the project of a service account stands; `None` for anybody else.
pub(crate) fn home_of(world: &World<'_>, who: &Member) -> Result<Option<Hierarchy>, ApiError> {
    let project = project_in(who.address()).filter(|_| who.kind() == MemberKind::ServiceAccount);
    let Some(project) = project.map(|of| world.project(of)).transpose()?.flatten() else {
        return Ok(None);
    };
    let above = lineage(world, &format!("projects/{}", project.id))?.split_off(1);
    let number = Some(project.number);
    Ok(Some(Hierarchy { project: project.id, number, above, ..Hierarchy::default() }))
}

/// Whether a principal holds a permission on a resource, by its policy or one above it, and no deny
/// policy takes it away.
pub(crate) fn holds(
    world: &World<'_>,
    who: &Member,
    resource: &str,
    permission: &str,
    now: OffsetDateTime,
) -> Result<bool, ApiError> {
    if boundaries::may_keep_out(permission) {
        let lore = Lore::new(world, &lineage(world, resource)?, false)?.with_home_of(who)?;
        if boundaries::keep_out(world, who, lore.place())? {
            return Ok(false);
        }
    }
    let rules = rules_on(world, permission)?;
    let gives = |allow: &[(&str, Vec<Grant>)], lineage: &[String]| -> Result<bool, ApiError> {
        let in_force = rules.iter().filter(|(at, _)| lineage.contains(at));
        let in_force: Vec<(&str, &[DenyRule])> =
            in_force.map(|(at, rule)| (at.as_str(), std::slice::from_ref(rule))).collect();
        let deny: Vec<_> = in_force
            .iter()
            .map(|(resource, rules)| Attached { resource, read: Ok(rules) })
            .collect();
        let granted = allow.iter().flat_map(|(_, grants)| grants);
        let conditions = granted.filter_map(|grant| grant.condition.as_ref());
        let conditions =
            conditions.chain(rules.iter().filter_map(|(_, rule)| rule.condition.as_ref()));
        let asks = conditions.into_iter().any(|condition| asks_for_tags(&condition.expression));
        let lore = Lore::new(world, lineage, asks)?.with_home_of(who)?;
        let allow: Vec<_> = allow
            .iter()
            .map(|(resource, grants)| Attached { resource, read: Ok(grants.as_slice()) })
            .collect();
        // A call of an API has neither path nor host, so that a condition on them is not met.
        let attributes = Attributes { path: None, host: None, time: now, tags: lore.tags.as_ref() };
        let outcome = lore.with(|known| {
            permitted(&allow, &deny, Caller::Verified(who), permission, &attributes, known)
        });
        Ok(outcome == Outcome::Pass)
    };
    // Most grants are the project's: it is asked first, and what is above it only at last.
    let project =
        project_of(resource).or_else(|| resource.strip_prefix("projects/").map(|_| resource));
    if let Some(project) = project.map(str::to_owned)
        && rules.is_empty()
    {
        let is_tagged = |grant: &Grant| {
            grant.condition.as_ref().is_some_and(|condition| asks_for_tags(&condition.expression))
        };
        // A tag may be bound to what is above, and to the resource itself.
        let alone = [project];
        let granted = grants(world, &alone[0])?;
        let is_tagged = granted.iter().any(is_tagged);
        if !is_tagged && gives(&[(&alone[0], granted)], &alone)? {
            return Ok(true);
        }
    }
    let lineage = lineage(world, resource)?;
    let mut allow = Vec::new();
    for above in &lineage {
        allow.push((above.as_str(), grants(world, above)?));
    }
    gives(&allow, &lineage)
}

/// Refuses who does not hold a permission on a resource.
pub(crate) fn require(
    world: &World<'_>,
    who: &Member,
    resource: &str,
    permission: &str,
    now: OffsetDateTime,
) -> Result<(), ApiError> {
    if holds(world, who, resource, permission, now)? {
        return Ok(());
    }
    Err(ApiError::lacks(permission, resource))
}

/// A request of somebody's, outside any one project's services.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visit<'a> {
    pub(crate) world: &'a World<'a>,
    pub(crate) who: &'a Member,
    pub(crate) now: OffsetDateTime,
}

impl Visit<'_> {
    /// Refuses who does not hold a permission on a resource.
    pub(crate) fn require(&self, permission: &str, resource: &str) -> Result<(), ApiError> {
        require(self.world, self.who, resource, permission, self.now)
    }
}
