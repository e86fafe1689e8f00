//! Whether a caller holds a permission: what deny policies take away, and what allow policies give.

use super::super::boundary::Boundary;
use super::super::condition::{self, Attributes, Condition, Doubt, Truth};
use super::super::deny::DenyRule;
use super::super::invokers::Grant;
use super::super::member::{Member, MemberKind};
use super::super::permission::Permission;
use super::super::principal::{Caller, covers, reaches};
use super::boundaries::bounded;
use super::fallback::unread;
use super::{Attached, Decision, Knowledge, Layer, Outcome, Source, Step, Uncertainty, verdict};

/// Why a caller is allowed by Cloud Run's own answer.
const TOLD: &str =
    "Cloud Run says that the caller holds the permission, groups and what is inherited weighed";

/// The name of the layer for everything above a resource with an unknown parent.
pub const ABOVE: &str = "what is above ";

/// A question to policies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) caller: Caller<'a>,
    pub(super) permission: Permission<'a>,
    pub(super) attributes: &'a Attributes<'a>,
    pub(super) known: Knowledge<'a>,
}

/// Whether a caller has a permission by these policies, as an API call needs it.
pub fn permitted<'a>(
    allow: &[Attached<'a, Grant>],
    deny: &[Attached<'a, DenyRule>],
    caller: Caller<'_>,
    permission: &str,
    attributes: &Attributes<'_>,
    known: Knowledge<'_>,
) -> Outcome {
    let asked = Asked { caller, permission: permission.into(), attributes, known };
    match allowed(allow, asked).outcome {
        Outcome::Block => Outcome::Block,
        outcome => match denied(deny, asked).outcome {
            Outcome::Pass => outcome,
            denied => denied,
        },
    }
}

/// Decides whether a caller has a permission on a resource without a front end, such as a job: only policies count.
/// `boundaries` are those of a job; `None` for resources that they are not known to affect.
pub fn decide_permission<'a>(
    (allow, deny): (&[Attached<'a, Grant>], &[Attached<'a, DenyRule>]),
    boundaries: Option<&[Attached<'a, Boundary>]>,
    (caller, permission): (Caller<'_>, Permission<'_>),
    attributes: &Attributes<'_>,
    known: Knowledge<'_>,
    told: Option<bool>,
) -> Decision<'a> {
    let asked = Asked { caller, permission, attributes, known };
    let (denied, allowed) = with_told(told, denied(deny, asked), allowed(allow, asked));
    let bounded = boundaries.map(|boundaries| match told {
        // It weighs them, too.
        Some(true) => Step::new(Layer::Boundary, Outcome::Pass, TOLD),
        _ => bounded(boundaries, caller, known.place),
    });
    let steps: Vec<_> = bounded.into_iter().chain([denied, allowed]).collect();
    Decision { verdict: verdict(&steps), steps }
}

/// Whether deny policies deny a permission to everyone in `caller`, whatever is granted; used for exposure.
pub fn says_of_the_public(
    deny: &[Attached<'_, DenyRule>],
    caller: Caller<'_>,
    permission: Permission<'_>,
    attributes: &Attributes<'_>,
    known: Knowledge<'_>,
) -> Outcome {
    denied(deny, Asked { caller, permission, attributes, known }).outcome
}

/// The deny layer.
pub(super) fn denied<'a>(deny: &[Attached<'a, DenyRule>], asked: Asked<'_>) -> Step<'a> {
    if let Some(each) = asked.permission.each() {
        let steps = each.map(|permission| denied(deny, Asked { permission, ..asked }));
        return whichever(steps, asked.permission);
    }
    let mut doubts = Vec::new();
    let mut doubted = None;
    for policy in deny {
        let resource = policy.resource;
        let rules = match policy.read {
            Ok(rules) => rules,
            Err(why) => {
                doubts.push(unread("the deny policies", resource, why));
                continue;
            }
        };
        for rule in rules.iter().filter(|rule| rule.covers(asked.permission.as_str())) {
            let (truth, member) = hits(rule, asked);
            let source = member.map(|member| Source {
                resource,
                role: None,
                member,
                condition: rule.condition.as_ref(),
            });
            match (truth, source) {
                (Truth::True, Some(source)) => {
                    let why = format!("the deny policy `{}` takes it away", rule.policy_id());
                    return Step::new(Layer::Deny, Outcome::Block, why).with(source);
                }
                (Truth::Unknown(doubt), source) => {
                    doubts.push(Uncertainty { what: resource, doubt });
                    doubted = doubted.or(source);
                }
                _ => {}
            }
        }
    }
    if doubts.is_empty() {
        let none = deny.iter().all(|policy| policy.read.is_ok_and(<[DenyRule]>::is_empty));
        let why =
            if none { "there is no deny policy" } else { "no deny policy reaches the caller" };
        return Step::new(Layer::Deny, Outcome::Pass, why);
    }
    Step::open(Layer::Deny, (Outcome::Block, Outcome::Pass), doubted, doubts)
}

/// Whether a rule applies to the caller, and by which of its principals.
fn hits<'a>(rule: &'a DenyRule, asked: Asked<'_>) -> (Truth, Option<&'a Member>) {
    let (denied, member) = any_reaches(&rule.denied_principals, asked);
    // A caller that includes every account includes the denied ones, too.
    let of_all = matches!(asked.caller, Caller::Verified(caller)
        if caller.kind() == MemberKind::AllAuthenticatedUsers);
    // A domain is denied if one of its members is.
    if let Caller::Verified(domain) = asked.caller
        && domain.kind() == MemberKind::Domain
        && denied != Truth::True
    {
        let is_of_it = |member: &&Member| {
            member.named_account().is_some_and(|account| {
                domain.reaches(&account)
                    && !rule.exception_principals.iter().any(|one| one.names(&account))
            })
        };
        if let Some(member) = rule.denied_principals.iter().find(is_of_it) {
            return (under(rule.condition.as_ref(), asked.attributes), Some(member));
        }
    }
    let (denied, member) = match rule.denied_principals.first() {
        Some(first) if of_all && denied == Truth::False => {
            let why = format!(
                "`allAuthenticatedUsers` stands for several, and `{first}` for some of them"
            );
            (Truth::Unknown(Doubt::undecidable(why)), Some(first))
        }
        _ => (denied, member),
    };
    if denied == Truth::False {
        return (Truth::False, None);
    }
    let excepted = || any_reaches(&rule.exception_principals, asked).0.not();
    let condition = || under(rule.condition.as_ref(), asked.attributes);
    (denied.and(excepted).and(condition), member)
}

/// Whether any of these principals includes the caller, and which does, or may.
fn any_reaches<'a>(members: &'a [Member], asked: Asked<'_>) -> (Truth, Option<&'a Member>) {
    let mut found = (Truth::False, None);
    for member in members {
        let of = reaches(member, asked.caller, asked.known.holds, asked.known.place);
        if of.is_true() {
            return (of, Some(member));
        }
        if of != Truth::False {
            found = (found.0.or(|| of), found.1.or(Some(member)));
        }
    }
    found
}

/// The outcome of a layer if one of two permissions is asked for, and it is not known which.
fn whichever<'a>([one, other]: [Step<'a>; 2], asked: Permission<'_>) -> Step<'a> {
    match (one.outcome, other.outcome) {
        (a, b) if a == b => one,
        (Outcome::Unknown, _) => one,
        (_, Outcome::Unknown) => other,
        _ => {
            let source = one.source.or(other.source);
            let what = source.map_or("", |source| source.resource);
            let doubt = Doubt::undecidable(format!(
                "this turns on whether {asked} is asked for, on which Google's own texts disagree"
            ));
            let (layer, doubts) = (one.layer, vec![Uncertainty { what, doubt }]);
            Step::open(layer, (Outcome::Unknown, Outcome::Unknown), source, doubts)
        }
    }
}

/// The allow layer.
pub(super) fn allowed<'a>(allow: &[Attached<'a, Grant>], asked: Asked<'_>) -> Step<'a> {
    if let Some(each) = asked.permission.each() {
        let steps = each.map(|permission| allowed(allow, Asked { permission, ..asked }));
        return whichever(steps, asked.permission);
    }
    let mut doubts = Vec::new();
    let mut doubted = None;
    let mut missed: Option<Source<'a>> = None;
    let mut rests_on_request = false;
    for policy in allow {
        let resource = policy.resource;
        let grants = match policy.read {
            Ok(grants) => grants,
            Err(why) => {
                doubts.push(unread("the policy", resource, why));
                continue;
            }
        };
        for grant in grants {
            // Most grants are for others: check that first, because it is cheap.
            let is_of = stands_for(grant, allow, asked);
            if is_of == Truth::False {
                continue;
            }
            let carries = (asked.known.carries)(&grant.role, asked.permission.as_str());
            if carries == Some(false) {
                continue;
            }
            let source = Source {
                resource,
                role: Some(&grant.role),
                member: &grant.member,
                condition: grant.condition.as_ref(),
            };
            let carries = carries.map_or_else(
                || {
                    Truth::Unknown(Doubt::unread(format!(
                        "what `{}` carries is not known",
                        grant.role
                    )))
                },
                |_| Truth::True,
            );
            let condition = || under(grant.condition.as_ref(), asked.attributes);
            match is_of.and(condition).and(|| carries) {
                Truth::True => {
                    let why = if grant.condition.is_some() {
                        "a role that carries the permission is granted, under a condition that holds"
                    } else {
                        "a role that carries the permission is granted"
                    };
                    return Step::new(Layer::Allow, Outcome::Pass, why).with(source);
                }
                Truth::False => missed = missed.or(Some(source)),
                Truth::Unknown(doubt) => {
                    let under = grant.condition.as_ref().map(|under| under.expression.as_str());
                    rests_on_request |= under.is_some_and(condition::rests_on_request);
                    doubts.push(Uncertainty { what: resource, doubt });
                    doubted = doubted.or(Some(source));
                }
            }
        }
    }
    if doubts.is_empty() {
        return match missed {
            Some(source) => Step::new(
                Layer::Allow,
                Outcome::Block,
                "a grant reaches the caller, and its condition does not hold",
            )
            .with(source),
            None => Step::new(Layer::Allow, Outcome::Block, "no grant reaches the caller"),
        };
    }
    let step = Step::open(Layer::Allow, (Outcome::Pass, Outcome::Block), doubted, doubts);
    Step { rests_on_request, ..step }
}

/// Both layers, with Cloud Run's own answer about the caller. That answer decides, unless it is no and a grant allows
/// this request by its path or host, which Cloud Run was not told.
pub(super) fn with_told<'a>(
    told: Option<bool>,
    denied: Step<'a>,
    allowed: Step<'a>,
) -> (Step<'a>, Step<'a>) {
    match told {
        None => (denied, allowed),
        Some(true) => {
            let settled = |step: Step<'a>| match step.outcome {
                Outcome::Pass => step,
                _ => Step::new(step.layer, Outcome::Pass, TOLD),
            };
            (settled(denied), settled(allowed))
        }
        // It was not told path and host: a grant that depends on them keeps its result.
        Some(false) if rests_on_request(&allowed) => (denied, allowed),
        Some(false) if allowed.outcome == Outcome::Pass => {
            if denied.outcome == Outcome::Block {
                return (denied, allowed);
            }
            let doubt = Doubt::undecidable(
                "Cloud Run says that the caller does not hold the permission, although a grant \
                 reaches it: a change that is still spreading, or a policy that was not read",
            );
            let what = allowed.source.map_or("", |source| source.resource);
            let doubts = vec![Uncertainty { what, doubt }];
            let either = (Outcome::Pass, Outcome::Block);
            (denied, Step::open(Layer::Allow, either, allowed.source, doubts))
        }
        Some(false) => {
            let why = match allowed.outcome {
                Outcome::Block => allowed.reason,
                _ => "Cloud Run says that the caller does not hold the permission, groups and what is \
                      inherited weighed"
                    .into(),
            };
            let source = allowed.source.filter(|_| allowed.outcome == Outcome::Block);
            let step = Step::new(Layer::Allow, Outcome::Block, why);
            (denied, Step { source, ..step })
        }
    }
}

/// Whether the outcome of the allow layer depends, or may depend, on a grant with a condition on path or host.
fn rests_on_request(allowed: &Step<'_>) -> bool {
    let open = matches!(allowed.outcome, Outcome::Pass | Outcome::Unknown);
    let condition = allowed.source.and_then(|source| source.condition);
    let by_source = condition.is_some_and(|under| condition::rests_on_request(&under.expression));
    open && (by_source || allowed.rests_on_request)
}

/// Whether a grant's member includes the caller.
fn stands_for(grant: &Grant, allow: &[Attached<'_, Grant>], asked: Asked<'_>) -> Truth {
    match (grant.member.kind(), asked.caller) {
        (MemberKind::Other, Caller::Verified(_)) => holder_of_basic(&grant.member, allow, asked)
            .unwrap_or_else(|| {
                reaches(&grant.member, asked.caller, asked.known.holds, asked.known.place)
            }),
        // For a domain or a pool only grants count that include all of it.
        (_, Caller::Verified(caller))
            if matches!(caller.kind(), MemberKind::Domain | MemberKind::PrincipalSet) =>
        {
            covers(&grant.member, asked.caller, asked.known.holds, asked.known.place)
        }
        _ => reaches(&grant.member, asked.caller, asked.known.holds, asked.known.place),
    }
}

/// Whether the caller is one of `projectOwner:P` and the like: those who have that basic role on
/// the project, whose policy must be among those read (documented for Cloud Storage).
fn holder_of_basic(
    member: &Member,
    allow: &[Attached<'_, Grant>],
    asked: Asked<'_>,
) -> Option<Truth> {
    let (prefix, project) = member.as_str().split_once(':')?;
    let role = match prefix {
        "projectOwner" => "roles/owner",
        "projectEditor" => "roles/editor",
        "projectViewer" => "roles/viewer",
        _ => return None,
    };
    let is_it = |resource: &str| resource.strip_prefix("projects/") == Some(project);
    let policy = allow.iter().find(|policy| is_it(policy.resource))?;
    let members: Vec<Member> = policy
        .read
        .ok()?
        .iter()
        .filter(|grant| grant.role == role && grant.member.kind() != MemberKind::Other)
        .map(|grant| grant.member.clone())
        .collect();
    Some(any_reaches(&members, asked).0)
}

fn under(condition: Option<&Condition>, attributes: &Attributes<'_>) -> Truth {
    condition.map_or(Truth::True, |under| condition::evaluate(&under.expression, attributes))
}
