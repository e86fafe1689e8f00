//! Principals: how they are typed, written and compared.
//!
//! The forms are those of the IAM `Binding.members` documentation. Type prefixes are
//! case-sensitive; addresses are compared without regard to case and federated principals
//! (`principal:`, `principalSet:`) with regard to it, as Google's own Terraform provider does.

mod parse;

use std::fmt;

pub use self::parse::{MemberArg, MemberError};
use super::error::CommandError;

/// Everyone on the internet.
pub const ALL_USERS: &str = "allUsers";
/// Everyone with any Google account or service account.
pub const ALL_AUTHENTICATED_USERS: &str = "allAuthenticatedUsers";

/// Everyone on the internet, as deny policies write it.
pub const EVERYONE: &str = "principalSet://goog/public:all";
/// Everyone of one of Google's customers, as deny policies write it.
pub const CUSTOMER: &str = "principalSet://goog/cloudIdentityCustomerId/";
/// Accounts of a project, a folder or an organisation.
pub const OF_A_PLACE: &str = "principalSet://cloudresourcemanager.googleapis.com/";

/// The prefixes of principals whose addresses are compared without regard to case. Every other
/// text, of a kind that is not known too, is compared letter for letter.
const ADDRESSED: [&str; 4] = ["user:", "serviceAccount:", "group:", "domain:"];

/// The hosts of federated principals that are known (IAM's binding documentation).
const HOSTS: [&str; 2] = ["//iam.googleapis.com/", "//cloudresourcemanager.googleapis.com/"];
/// How the trust domains of agent identities begin and end (documented for Cloud Run, in preview).
const AGENTS: (&str, &str) = ("//agents.global.", ".system.id.goog");

/// A principal as a policy holds it, such as `user:dev@x.com`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member(String);

/// What sort of principal a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberKind {
    AllAuthenticatedUsers,
    AllUsers,
    Deleted,
    Domain,
    Group,
    Principal,
    PrincipalSet,
    ServiceAccount,
    User,
    /// A form that this program does not know; kept and shown unchanged.
    Other,
}

impl Member {
    /// Takes a member as a policy holds it, whatever it is.
    pub fn from_policy(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// `allUsers`.
    pub fn all_users() -> Self {
        Self(ALL_USERS.to_owned())
    }

    /// `allAuthenticatedUsers`.
    pub fn any_account() -> Self {
        Self(ALL_AUTHENTICATED_USERS.to_owned())
    }

    /// The member of an account's bare address: a service account by its domain, else a user.
    pub fn of_account(address: &str) -> Self {
        let domain = address.rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
        if domain.ends_with("gserviceaccount.com") {
            Self(format!("serviceAccount:{address}"))
        } else {
            Self(format!("user:{address}"))
        }
    }

    /// The text, as in a policy.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What sort of principal this is.
    pub fn kind(&self) -> MemberKind {
        // Called for every member of every policy, several times: the most common kind first.
        let text = self.0.as_str();
        match text.as_bytes().first() {
            Some(b'u') if text.starts_with("user:") => MemberKind::User,
            Some(b's') if text.starts_with("serviceAccount:") => MemberKind::ServiceAccount,
            Some(b'g') if text.starts_with("group:") => MemberKind::Group,
            Some(b'd') if text.starts_with("domain:") => MemberKind::Domain,
            Some(b'd') if text.starts_with("deleted:") => MemberKind::Deleted,
            Some(b'p') if text.starts_with("principal:") => MemberKind::Principal,
            // One predicate for all that means everyone, whoever wrote it.
            Some(b'p') if text == EVERYONE => MemberKind::AllUsers,
            Some(b'p') if text.starts_with("principalSet:") => MemberKind::PrincipalSet,
            Some(b'a') if text == ALL_USERS => MemberKind::AllUsers,
            Some(b'a') if text == ALL_AUTHENTICATED_USERS => MemberKind::AllAuthenticatedUsers,
            _ => MemberKind::Other,
        }
    }

    /// Whether two texts name the same principal.
    pub fn same_as(&self, other: &Self) -> bool {
        if self.0 == other.0 {
            return true;
        }
        if !(self.0.is_ascii() && other.0.is_ascii()) {
            return self.key() == other.key();
        }
        // In ASCII, case changes no length.
        if self.0.len() != other.0.len() {
            return false;
        }
        // As by their keys, with nothing copied: this is asked of every member of every policy.
        let (prefix, value) = self.0.split_at(self.kept_prefix());
        let (other_prefix, other_value) = other.0.split_at(other.kept_prefix());
        prefix == other_prefix && value.eq_ignore_ascii_case(other_value)
    }

    /// How much of the text is compared with regard to case: the prefix of one with an address,
    /// else all of it.
    fn kept_prefix(&self) -> usize {
        let deleted = self.0.strip_prefix("deleted:").map_or(0, |_| "deleted:".len());
        let prefix = ADDRESSED.iter().find(|prefix| self.0[deleted..].starts_with(**prefix));
        prefix.map_or(self.0.len(), |prefix| deleted + prefix.len())
    }

    /// Whether its form is one that this version knows.
    pub fn is_known_form(&self) -> bool {
        let value = self.0.split_once(':').map_or("", |(_, value)| value);
        match self.kind() {
            MemberKind::Other => ["projectOwner:", "projectEditor:", "projectViewer:"]
                .iter()
                .any(|prefix| self.0.starts_with(prefix)),
            MemberKind::Principal | MemberKind::PrincipalSet => has_known_host(value),
            _ => true,
        }
    }

    /// Whether it is written in a form that deny policies alone take (documented).
    pub fn is_of_deny_policies(&self) -> bool {
        self.0.starts_with("principalSet://goog/") || self.0.starts_with("principal://goog/")
    }

    /// The account that this names, in the form of allow or of deny policies.
    pub fn named_account(&self) -> Option<Self> {
        let forms = [
            "principal://goog/subject/",
            "principal://iam.googleapis.com/projects/-/serviceAccounts/",
        ];
        if self.is_account() {
            return Some(self.clone());
        }
        forms.iter().find_map(|form| self.0.strip_prefix(form)).map(Self::of_account)
    }

    /// Whether this names that account, in the form of allow or of deny policies.
    pub fn names(&self, account: &Self) -> bool {
        account.is_account() && self.named_account().is_some_and(|named| named.same_as(account))
    }

    /// Whether it is an identity of a pool's or an agent's, which has no Google account.
    pub fn is_federated(&self) -> bool {
        let value = self.0.split_once(':').map_or("", |(_, value)| value);
        let of_pool = ["/workforcePools/", "/workloadIdentityPools/"];
        matches!(self.kind(), MemberKind::Principal | MemberKind::PrincipalSet)
            && (of_pool.iter().any(|pool| value.contains(pool)) || trust_domain(value).is_some())
    }

    /// Whether it is the identity of an agent, or of several.
    pub fn is_agent(&self) -> bool {
        let value = self.0.split_once(':').map_or("", |(_, value)| value);
        matches!(self.kind(), MemberKind::Principal | MemberKind::PrincipalSet)
            && trust_domain(value).is_some()
    }

    /// The address of an account or a group, or the name of a domain: what stands behind the
    /// prefix.
    pub fn address(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, address)| address)
    }

    /// Whether this stands for everyone, or for everyone with a Google account.
    pub fn is_public(&self) -> bool {
        matches!(self.kind(), MemberKind::AllUsers | MemberKind::AllAuthenticatedUsers)
    }

    /// Whether this stands for a whole pool of federated identities
    /// (`principalSet://…/workloadIdentityPools/P/*`).
    pub fn is_whole_pool(&self) -> bool {
        self.kind() == MemberKind::PrincipalSet && self.0.ends_with("/*")
    }

    /// Whether this is broad: everyone, a domain, a customer, a whole pool, or all accounts of a resource.
    pub fn is_broad(&self) -> bool {
        let is_set = |begin: &str| self.0.starts_with(begin);
        self.is_public()
            || self.kind() == MemberKind::Domain
            || self.is_whole_pool()
            || is_set(CUSTOMER)
            || is_set(OF_A_PLACE)
    }

    /// Whether this is one account: a person's or a service account.
    pub fn is_account(&self) -> bool {
        matches!(self.kind(), MemberKind::User | MemberKind::ServiceAccount)
    }

    /// Whether anything granted to `self` also reaches `other`, as far as the texts tell:
    /// the same principal, `allUsers`, `allAuthenticatedUsers` for an account, or the domain of
    /// an account's address.
    pub fn reaches(&self, other: &Self) -> bool {
        match self.kind() {
            MemberKind::AllUsers => other.kind() != MemberKind::Deleted,
            MemberKind::AllAuthenticatedUsers if other.is_account() => true,
            MemberKind::Domain if other.is_account() => {
                let domain = other.0.rsplit('@').next().unwrap_or_default();
                self.address().eq_ignore_ascii_case(domain)
            }
            _ => self.same_as(other),
        }
    }

    /// The text by which members are compared: lower case, but for the prefix and for the forms
    /// that keep their case.
    pub fn key(&self) -> String {
        let (prefix, value) = self.0.split_at(self.kept_prefix());
        format!("{prefix}{}", value.to_lowercase())
    }
}

/// Whether it is at a host that is known, whatever it names there.
fn is_of_known_host(value: &str) -> bool {
    HOSTS.iter().any(|host| value.starts_with(host))
}

/// Whether the value of a federated principal is at a host that is known, and names something there.
fn has_known_host(value: &str) -> bool {
    let rest = HOSTS.iter().find_map(|host| value.strip_prefix(host));
    let known = rest.is_some_and(|rest| {
        let parts: Vec<&str> = rest.split('/').collect();
        let pool = parts.iter().position(|part| part.ends_with("Pools"));
        // A pool is named with what of it is meant (IAM's binding documentation).
        let is_whole = match pool {
            Some(at) => parts.len() > at + 2,
            None if matches!(parts[0], "projects" | "locations") => {
                parts.len() > 3 && parts.contains(&"serviceAccounts")
            }
            None => true,
        };
        is_whole && parts.iter().all(|part| !part.is_empty())
    });
    known || trust_domain(value).is_some()
}

/// The trust domain of an agent's identity.
pub fn trust_domain(value: &str) -> Option<&str> {
    let (begin, end) = AGENTS;
    let (host, rest) = value.strip_prefix("//")?.split_once('/')?;
    let is_it = value.starts_with(begin) && host.ends_with(end) && !rest.is_empty();
    is_it.then_some(host)
}

serialized_as_words!(Member);

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<MemberError> for CommandError {
    fn from(error: MemberError) -> Self {
        Self::usage(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(typed: &str) -> String {
        match MemberArg::parse(typed) {
            Ok(MemberArg::Member(member)) => member.0,
            Ok(other) => format!("{other:?}"),
            Err(error) => match &error.instead {
                Some(instead) => format!("{error}; {instead}"),
                None => error.to_string(),
            },
        }
    }

    #[test]
    fn takes_what_iam_takes() {
        for (typed, expected) in [
            ("dev@x.com", "user:dev@x.com"),
            ("ci@p.iam.gserviceaccount.com", "serviceAccount:ci@p.iam.gserviceaccount.com"),
            ("p@appspot.gserviceaccount.com", "serviceAccount:p@appspot.gserviceaccount.com"),
            (
                "1-compute@developer.gserviceaccount.com",
                "serviceAccount:1-compute@developer.gserviceaccount.com",
            ),
            ("group:team@example.com", "group:team@example.com"),
            ("domain:example.com", "domain:example.com"),
            ("allUsers", "allUsers"),
            ("allAuthenticatedUsers", "allAuthenticatedUsers"),
            ("deleted:user:a@x.com?uid=1", "deleted:user:a@x.com?uid=1"),
            ("serviceAccount:p.svc.id.goog[ns/ksa]", "serviceAccount:p.svc.id.goog[ns/ksa]"),
            ("me", "Me"),
            ("service:orders", "RuntimeOf(\"orders\")"),
            (
                "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/P/*",
                "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/P/*",
            ),
        ] {
            assert_eq!(written(typed), expected);
        }
    }

    #[test]
    fn refuses_with_the_right_spelling() {
        for (typed, instead) in [
            ("example.com", "domain:example.com"),
            ("User:dev@x.com", "user:dev@x.com"),
            (
                "serviceaccount:a@p.iam.gserviceaccount.com",
                "serviceAccount:a@p.iam.gserviceaccount.com",
            ),
            ("user:a@p.iam.gserviceaccount.com", "serviceAccount:a@p.iam.gserviceaccount.com"),
            ("allusers", "allUsers"),
            ("ALLAUTHENTICATEDUSERS", "allAuthenticatedUsers"),
            ("dev @x.com", "dev@x.com"),
        ] {
            let error = MemberArg::parse(typed).unwrap_err();
            assert_eq!(error.instead.as_deref(), Some(instead), "{typed}");
        }
        for typed in [
            "",
            "user:",
            "dev@",
            "@x.com",
            "dev@x",
            "a@b@c.com",
            "user:dev",
            "group:",
            "domain:",
            "projectOwner:",
            "projectowner:",
            "domain:x",
            "principalSet://foo",
            "dev\u{1b}[31m@x.com",
            "\u{7}",
            "dev\u{200b}@x.com",
            "d\u{e9}v@x.com",
            "a,b@x.com",
            "principal://",
            "principal:x",
            "frob:dev@x.com",
            "deleted:dev@x.com",
            "orders",
            "service:",
            "user:a[b/c]",
        ] {
            assert!(MemberArg::parse(typed).is_err(), "{typed:?} was taken");
        }
    }

    #[test]
    fn compares_as_google_does() {
        let same = |a: &str, b: &str| Member::from_policy(a).same_as(&Member::from_policy(b));
        assert!(same("user:Dev@X.com", "user:dev@x.com"));
        assert!(same("deleted:user:Dev@X.com?uid=1", "deleted:user:dev@x.com?uid=1"));
        assert!(!same("user:dev@x.com", "group:dev@x.com"));
        assert!(!same("user:dev@x.com", "deleted:user:dev@x.com?uid=1"));
        assert!(!same("principalSet://p/A", "principalSet://p/a"));
        assert!(!same("deleted:principal://p/A", "deleted:principal://p/a"));
    }

    #[test]
    fn says_whom_a_grant_reaches() {
        let reaches = |a: &str, b: &str| Member::from_policy(a).reaches(&Member::from_policy(b));
        assert!(reaches("allUsers", "group:g@x.com"));
        assert!(reaches("allAuthenticatedUsers", "user:a@x.com"));
        assert!(!reaches("allAuthenticatedUsers", "principal://p/a"));
        assert!(reaches("domain:x.com", "user:a@X.com"));
        assert!(!reaches("domain:x.com", "user:a@sub.x.com"));
        assert!(!reaches("group:g@x.com", "user:a@x.com"));
    }

    proptest! {
        #[test]
        fn comparing_copies_nothing_and_says_what_the_keys_say(
            prefix in prop::sample::select(vec![
                "user:", "deleted:user:", "group:", "principal://", "deleted:principal://",
                "principalSet:", "allUsers", "", "deleted:",
            ]),
            other_prefix in prop::sample::select(vec!["user:", "User:", "deleted:user:", "principal://", ""]),
            text in "[aAbB:é]{0,4}",
            other in "[aAbB:é]{0,4}",
        ) {
            for (a, b) in [
                (format!("{prefix}{text}"), format!("{prefix}{other}")),
                (format!("{prefix}{text}"), format!("{other_prefix}{text}")),
            ] {
                let (a, b) = (Member::from_policy(a), Member::from_policy(b));
                prop_assert_eq!(a.same_as(&b), a.key() == b.key(), "{} {}", a, b);
            }
        }

        #[test]
        fn never_panics_and_keeps_what_it_takes(text in any::<String>()) {
            if let Ok(MemberArg::Member(member)) = MemberArg::parse(&text) {
                prop_assert_eq!(
                    MemberArg::parse(member.as_str()),
                    Ok(MemberArg::Member(member.clone()))
                );
                prop_assert!(member.same_as(&member));
            }
        }
    }
}
