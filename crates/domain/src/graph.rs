//! Who may call whom in a project: services, the accounts that they run as, and what each of those, and
//! everybody else, may invoke.

use time::OffsetDateTime;

use super::evidence::{PolicyLayer, Roles, carries};
use super::invokers::Grant;
use super::member::{Member, MemberKind};
use super::resource::ServiceName;
use super::role::INVOKE;

/// A service, with the account that it runs as if that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub name: ServiceName,
    pub account: Option<Member>,
    pub invoker_check: bool,
    /// The grants of its own policy, or why they were not read.
    pub grants: Result<Vec<Grant>, String>,
}

/// Somebody who may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The principal, as a policy names it; `allUsers` if no permission is asked.
    pub caller: Member,
    /// The services that run as it.
    pub runs: Vec<ServiceName>,
    /// Whom it may call; `None` for every service below `resource`.
    pub service: Option<ServiceName>,
    /// What says so: the resource of the grant, and the grant; none if the check is off.
    pub resource: String,
    pub grant: Option<Grant>,
}

/// The graph of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    pub edges: Vec<Edge>,
    /// What could not be read, and why.
    pub unknown: Vec<(String, String)>,
}

/// Puts the graph together from what was read: services with their policies, and the policies above.
pub fn graph(
    nodes: &[Node],
    above: &[PolicyLayer<Grant>],
    roles: &Roles,
    now: OffsetDateTime,
) -> Graph {
    let mut graph = Graph::default();
    let runs = |member: &Member| -> Vec<ServiceName> {
        let own = |node: &&Node| node.account.as_ref().is_some_and(|own| own.same_as(member));
        nodes.iter().filter(own).map(|node| node.name.clone()).collect()
    };
    let mut add = |service: Option<&ServiceName>, resource: &str, grants: &[Grant]| {
        for grant in grants.iter().filter(|grant| grant.counts(now)) {
            match carries(roles, &grant.role, INVOKE) {
                Some(false) => {}
                Some(true) => graph.edges.push(Edge {
                    caller: grant.member.clone(),
                    runs: runs(&grant.member),
                    service: service.cloned(),
                    resource: resource.to_owned(),
                    grant: Some(grant.clone()),
                }),
                None => {
                    let what = format!("role {}", grant.role);
                    let why = format!(
                        "whether it can invoke is not known; held by {} on {resource}",
                        grant.member
                    );
                    graph.unknown.push((what, why));
                }
            }
        }
    };
    for node in nodes {
        let resource = node.name.to_string();
        if let Ok(grants) = &node.grants {
            add(Some(&node.name), &resource, grants);
        }
    }
    for layer in above {
        if let Ok(grants) = &layer.read {
            add(None, &layer.resource, grants);
        }
    }
    for node in nodes {
        if !node.invoker_check {
            graph.edges.push(Edge {
                caller: Member::all_users(),
                runs: Vec::new(),
                service: Some(node.name.clone()),
                resource: node.name.to_string(),
                grant: None,
            });
        }
        if let Err(why) = &node.grants {
            graph.unknown.push((format!("the policy of {}", node.name), why.clone()));
        }
    }
    for layer in above {
        if let Err(why) = &layer.read {
            graph.unknown.push((format!("the policy of {}", layer.resource), why.clone()));
        }
    }
    graph.unknown.dedup();
    // By whom is called, then by who calls; what holds for all comes last.
    graph.edges.sort_by(|a, b| {
        let key = |edge: &Edge| {
            let service = edge.service.as_ref().map(|name| {
                let (service, region) = name.list_order();
                (service.to_owned(), region.to_owned())
            });
            (service.is_none(), service, rank(&edge.caller), edge.caller.key())
        };
        key(a).cmp(&key(b))
    });
    graph
}

/// The public first, then accounts, then people and the rest.
fn rank(member: &Member) -> u8 {
    match member.kind() {
        _ if member.is_public() => 0,
        MemberKind::ServiceAccount => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn node(service: &str, account: &str, grants: &[(&str, &str)]) -> Node {
        let grant = |(role, member): &(&str, &str)| Grant {
            role: (*role).to_owned(),
            member: Member::from_policy(*member),
            condition: None,
        };
        Node {
            name: ServiceName::new("p", "us-central1", service),
            account: Some(Member::of_account(account)),
            invoker_check: service != "open",
            grants: Ok(grants.iter().map(grant).collect()),
        }
    }

    #[test]
    fn callers_are_told_by_what_runs_as_them() {
        let front = "front@p.iam.gserviceaccount.com";
        let as_front = format!("serviceAccount:{front}");
        let mut nodes = vec![
            node("front", front, &[("roles/run.invoker", "allUsers")]),
            node(
                "orders",
                "orders@p.iam.gserviceaccount.com",
                &[
                    ("roles/run.invoker", &as_front),
                    ("roles/run.viewer", "user:v@x.com"),
                    ("projects/p/roles/odd", "user:o@x.com"),
                    ("roles/run.invoker", "deleted:user:d@x.com?uid=1"),
                ],
            ),
            node("open", front, &[]),
        ];
        let above = [
            PolicyLayer {
                resource: "projects/p".to_owned(),
                read: Ok(vec![Grant {
                    role: "roles/editor".to_owned(),
                    member: Member::from_policy("user:e@x.com"),
                    condition: None,
                }]),
            },
            PolicyLayer { resource: "folders/1".to_owned(), read: Err("refused".to_owned()) },
        ];
        nodes.push(Node { grants: Err("refused".to_owned()), ..node("hidden", front, &[]) });
        let found = graph(&nodes, &above, &Roles::new(), datetime!(2026-11-26 12:00 UTC));
        let said: Vec<String> = found
            .edges
            .iter()
            .map(|edge| {
                let to = edge.service.as_ref().map_or(edge.resource.as_str(), ServiceName::service);
                let runs: Vec<&str> = edge.runs.iter().map(ServiceName::service).collect();
                format!("{} [{}] -> {to}", edge.caller, runs.join(" "))
            })
            .collect();
        assert_eq!(
            said,
            [
                "allUsers [] -> front",
                "allUsers [] -> open",
                "serviceAccount:front@p.iam.gserviceaccount.com [front open hidden] -> orders",
                "user:e@x.com [] -> projects/p",
            ]
        );
        let unknown: Vec<&str> = found.unknown.iter().map(|(what, _)| what.as_str()).collect();
        assert_eq!(
            unknown,
            [
                "role projects/p/roles/odd",
                "the policy of projects/p/locations/us-central1/services/hidden",
                "the policy of folders/1",
            ]
        );
    }
}
