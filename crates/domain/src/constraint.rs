//! Organisation policies that bear on who may be let in: read before a change, they tell what would be
//! refused.

use super::member::{Member, MemberKind};
use super::principal::is_consumer;

/// Only members of these customers may be given roles (documented: Domain restricted sharing).
pub const MEMBER_DOMAINS: &str = "iam.allowedPolicyMemberDomains";
/// Its managed successor.
pub const POLICY_MEMBERS: &str = "iam.managed.allowedPolicyMembers";
/// The invoker check may not be turned off (documented).
pub const REQUIRE_INVOKER: &str = "run.managed.requireInvokerIam";
/// Which values ingress may have (documented).
pub const ALLOWED_INGRESS: &str = "run.allowedIngress";

/// Every constraint that is read.
pub const ALL: [&str; 4] = [MEMBER_DOMAINS, POLICY_MEMBERS, REQUIRE_INVOKER, ALLOWED_INGRESS];

/// One constraint, as in force on a project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effective {
    pub constraint: &'static str,
    /// Whether it restricts anything without a condition on tags.
    pub is_enforced: bool,
    /// Whether a rule has a condition on tags, so that it may not hold for every service.
    pub is_conditional: bool,
    /// What a list allows, and the members and sets of them that the managed constraint does.
    pub allowed: Vec<String>,
    /// What a list denies. One that allows nothing by name allows all else.
    pub denied: Vec<String>,
}

/// The constraints in force on a project, as far as they could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Constraints {
    pub effective: Vec<Effective>,
    /// The domain of the active account, which is assumed to be the organization's.
    pub own_domain: Option<String>,
}

/// Whether a change would be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    Open,
    /// By this constraint, for certain.
    Forbidden(&'static str),
    /// Perhaps, by this constraint.
    Doubtful(&'static str),
}

impl Constraints {
    fn of(&self, constraint: &str) -> Option<&Effective> {
        let found = self.effective.iter().find(|one| one.constraint == constraint);
        found.filter(|one| one.is_enforced)
    }

    /// Whether a member may be given a role.
    pub fn rule_on(&self, member: &Member) -> Ruling {
        let mut ruling = Ruling::Open;
        for constraint in [MEMBER_DOMAINS, POLICY_MEMBERS] {
            let Some(one) = self.of(constraint) else { continue };
            let is_it = |allowed: &String| Member::from_policy(allowed.as_str()).same_as(member);
            if one.allowed.iter().any(is_it) {
                continue;
            }
            match self.is_foreign(member) {
                Some(false) => {}
                Some(true) if !one.is_conditional => return Ruling::Forbidden(one.constraint),
                Some(true) | None => ruling = Ruling::Doubtful(one.constraint),
            }
        }
        ruling
    }

    /// Whether a member is of no customer that could be allowed. Addresses of the domain of who asks
    /// are taken to be at home; of another domain's it is not known whose they are. Service accounts
    /// are of their project's organisation, which is most often the same.
    fn is_foreign(&self, member: &Member) -> Option<bool> {
        let domain = match member.kind() {
            MemberKind::AllUsers | MemberKind::AllAuthenticatedUsers => return Some(true),
            MemberKind::User | MemberKind::Group => {
                member.address().rsplit('@').next().unwrap_or_default()
            }
            MemberKind::Domain => member.address(),
            _ => return Some(false),
        };
        if is_consumer(domain) {
            return Some(true);
        }
        let at_home = self.own_domain.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(domain));
        if at_home { Some(false) } else { None }
    }

    /// Whether the invoker check may be turned off.
    pub fn rule_on_no_check(&self) -> Ruling {
        match self.of(REQUIRE_INVOKER) {
            None => Ruling::Open,
            Some(one) if one.is_conditional => Ruling::Doubtful(one.constraint),
            Some(one) => Ruling::Forbidden(one.constraint),
        }
    }

    /// The values that ingress may have, if these leave the internet out.
    pub fn without_internet(&self) -> Option<&[String]> {
        let one = self.of(ALLOWED_INGRESS)?;
        let is_all = |value: &String| value.trim_start_matches("is:") == "all";
        let denies = one.denied.iter().any(is_all);
        let names_others = !one.allowed.is_empty() && !one.allowed.iter().any(is_all);
        (denies || names_others).then_some(one.allowed.as_slice())
    }
}

/// Whether a member's right to be in a policy may rest on an organisation policy, seen from an account
/// of this domain: then it is worth asking. If that is not known, only who is foreign everywhere is.
pub fn is_worth_asking(member: &Member, own_domain: Option<&str>) -> bool {
    let constraints =
        Constraints { effective: Vec::new(), own_domain: own_domain.map(str::to_owned) };
    match constraints.is_foreign(member) {
        Some(is_foreign) => is_foreign,
        None => own_domain.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_refused_is_told_from_what_may_be() {
        let domains = |is_conditional| Effective {
            constraint: MEMBER_DOMAINS,
            is_enforced: true,
            is_conditional,
            allowed: vec!["C01".to_owned()],
            denied: Vec::new(),
        };
        let managed = Effective {
            constraint: POLICY_MEMBERS,
            is_enforced: true,
            allowed: vec!["user:Friend@gmail.com".to_owned()],
            ..Effective::default()
        };
        let of = |effective: Vec<Effective>| Constraints {
            effective,
            own_domain: Some("x.com".to_owned()),
        };
        let (forbidden, doubtful) =
            (Ruling::Forbidden(MEMBER_DOMAINS), Ruling::Doubtful(MEMBER_DOMAINS));
        for (constraints, member, ruling) in [
            (of(vec![]), "allUsers", Ruling::Open),
            (of(vec![domains(false)]), "allUsers", forbidden),
            (of(vec![domains(true)]), "allUsers", doubtful),
            (of(vec![domains(false)]), "allAuthenticatedUsers", forbidden),
            (of(vec![domains(false)]), "user:dev@X.com", Ruling::Open),
            (of(vec![domains(false)]), "user:dev@gmail.com", forbidden),
            (of(vec![domains(false)]), "group:team@y.com", doubtful),
            (of(vec![domains(false)]), "domain:y.com", doubtful),
            (of(vec![domains(false)]), "serviceAccount:a@q.iam.gserviceaccount.com", Ruling::Open),
            (of(vec![managed.clone()]), "user:friend@gmail.com", Ruling::Open),
            (of(vec![managed.clone()]), "allUsers", Ruling::Forbidden(POLICY_MEMBERS)),
            (
                of(vec![Effective { is_enforced: false, ..domains(false) }]),
                "allUsers",
                Ruling::Open,
            ),
        ] {
            assert_eq!(constraints.rule_on(&Member::from_policy(member)), ruling, "{member}");
        }
        let check = |is_conditional| {
            let constraint = REQUIRE_INVOKER;
            let one =
                Effective { constraint, is_enforced: true, is_conditional, ..Effective::default() };
            of(vec![one]).rule_on_no_check()
        };
        assert_eq!(check(false), Ruling::Forbidden(REQUIRE_INVOKER));
        assert_eq!(check(true), Ruling::Doubtful(REQUIRE_INVOKER));
        assert_eq!(of(vec![]).rule_on_no_check(), Ruling::Open);
        let ingress = |allowed: &[&str]| {
            let allowed = allowed.iter().map(|text| (*text).to_owned()).collect();
            let one = Effective {
                constraint: ALLOWED_INGRESS,
                is_enforced: true,
                allowed,
                ..Effective::default()
            };
            of(vec![one]).without_internet().is_some()
        };
        assert!(ingress(&["internal"]) && !ingress(&["is:all", "internal"]) && !ingress(&[]));
    }

    #[test]
    fn only_what_may_be_foreign_is_worth_a_question() {
        for (member, worth) in [
            ("allUsers", true),
            ("user:dev@x.com", false),
            ("user:dev@y.com", true),
            ("serviceAccount:a@p.iam.gserviceaccount.com", false),
            ("domain:x.com", false),
        ] {
            assert_eq!(is_worth_asking(&Member::from_policy(member), Some("x.com")), worth);
        }
        assert!(!is_worth_asking(&Member::from_policy("user:dev@x.com"), None));
        assert!(is_worth_asking(&Member::from_policy("user:dev@gmail.com"), None));
    }
}
