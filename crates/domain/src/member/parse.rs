//! What a user may type for a principal.

use thiserror::Error;

use super::{
    ALL_AUTHENTICATED_USERS, ALL_USERS, EVERYONE, Member, has_known_host, is_of_known_host,
};

const PREFIXES: [&str; 9] = [
    "user",
    "serviceAccount",
    "group",
    "domain",
    "principal",
    "principalSet",
    "projectOwner",
    "projectEditor",
    "projectViewer",
];

/// The longest address that mail can be sent to (RFC 5321).
const LONGEST_ADDRESS: usize = 254;

/// What a user typed where a principal is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberArg {
    /// A principal, written as IAM wants it.
    Member(Member),
    /// `me`: the account that acts.
    Me,
    /// `service:NAME`: the identity that this service runs as.
    RuntimeOf(String),
    /// What no principal is written like, but a policy may hold, letter for letter; with why not.
    Held { member: Member, error: MemberError },
}

/// Why a text cannot name a principal, with the right spelling if there is one.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{typed}` is not a principal: {why}")]
pub struct MemberError {
    pub typed: String,
    pub why: &'static str,
    pub instead: Option<String>,
}

impl MemberArg {
    /// Parses a principal where one that a policy holds is meant: what cannot be granted may be held.
    pub fn parse_held(typed: &str) -> Self {
        Self::parse(typed)
            .unwrap_or_else(|error| Self::Held { member: Member::from_policy(typed), error })
    }

    /// Parses a principal as the command line takes it.
    pub fn parse(typed: &str) -> Result<Self, MemberError> {
        let fail = |why, instead: Option<String>| {
            Err(MemberError { typed: typed.to_owned(), why, instead })
        };
        if typed.is_empty() {
            return fail("it is empty", None);
        }
        if typed.chars().any(|c| c.is_whitespace() || c.is_control()) {
            let joined: String = typed.split_whitespace().collect();
            let instead = (joined != typed && Self::parse(&joined).is_ok()).then_some(joined);
            return fail("it holds white space or control characters", instead);
        }
        if typed == "me" {
            return Ok(Self::Me);
        }
        for public in [ALL_USERS, ALL_AUTHENTICATED_USERS] {
            if typed == public {
                return Ok(Self::Member(Member(public.to_owned())));
            }
            if typed.eq_ignore_ascii_case(public) {
                return fail("its spelling matters", Some(public.to_owned()));
            }
        }
        for (form, prefix) in [
            ("principal://goog/subject/", "user:"),
            ("principalSet://goog/group/", "group:"),
            ("principal://iam.googleapis.com/projects/-/serviceAccounts/", "serviceAccount:"),
        ] {
            if let Some(address) = typed.strip_prefix(form) {
                let why = "deny policies alone write it so";
                return fail(why, Some(format!("{prefix}{address}")));
            }
        }
        if typed.starts_with("principal://goog/") || typed.starts_with("principalSet://goog/") {
            let instead = (typed == EVERYONE).then(|| ALL_USERS.to_owned());
            return fail("deny policies alone take it", instead);
        }
        if let Some(name) = typed.strip_prefix("service:") {
            return if name.is_empty() {
                fail("`service:` wants the name of a service behind it", None)
            } else {
                Ok(Self::RuntimeOf(name.to_owned()))
            };
        }
        match typed.split_once(':') {
            Some((prefix, value)) => parse_prefixed(typed, prefix, value),
            None if typed.contains('@') => match check_address(typed) {
                Ok(()) => Ok(Self::Member(Member::of_account(typed))),
                Err(why) => fail(why, None),
            },
            None if looks_like_domain(typed) => {
                fail("a bare domain needs its prefix", Some(format!("domain:{typed}")))
            }
            None => fail("write an address, or a prefix as in `group:team@example.com`", None),
        }
    }
}

fn parse_prefixed(typed: &str, prefix: &str, value: &str) -> Result<MemberArg, MemberError> {
    let fail =
        |why, instead: Option<String>| Err(MemberError { typed: typed.to_owned(), why, instead });
    let taken = || Ok(MemberArg::Member(Member(typed.to_owned())));
    match prefix {
        "user" | "serviceAccount" | "group" => {
            let address = value.strip_suffix(']').map_or(value, |_| {
                // `serviceAccount:PROJECT.svc.id.goog[namespace/name]` is GKE's form.
                value.split('[').next().unwrap_or(value)
            });
            if address.len() < value.len() {
                let kubernetes = prefix == "serviceAccount" && address.ends_with(".svc.id.goog");
                return if kubernetes { taken() } else { fail("its address is ill-formed", None) };
            }
            match check_address(value) {
                Ok(()) if prefix == "user" && Member::of_account(value).0 != typed => fail(
                    "this address is a service account",
                    Some(format!("serviceAccount:{value}")),
                ),
                Ok(()) => taken(),
                Err(why) => fail(why, None),
            }
        }
        "domain" if looks_like_domain(value) => taken(),
        "domain" => fail("a domain has the form `example.com`", None),
        "principal" | "principalSet" if has_known_host(value) => taken(),
        // One of tomorrow's: it is for IAM to judge, and asked about.
        "principal" | "principalSet" if has_host_and_path(value) && !is_of_known_host(value) => {
            taken()
        }
        "principal" | "principalSet" => {
            fail("a federated principal has the form `principal://iam.googleapis.com/…`", None)
        }
        "projectOwner" | "projectEditor" | "projectViewer" if !value.is_empty() => taken(),
        "deleted" => {
            let has_id = |rest: &str| {
                rest.split_once("?uid=").is_some_and(|(of, id)| !of.is_empty() && !id.is_empty())
            };
            let is_account = ["user:", "serviceAccount:", "group:"]
                .iter()
                .any(|kind| value.strip_prefix(kind).is_some_and(has_id));
            // Federated ones have no number of their own (documented).
            let is_federated =
                value.strip_prefix("principal:").is_some_and(|rest| !rest.is_empty());
            if is_account || is_federated {
                taken()
            } else {
                fail("a deleted principal has the form `deleted:user:ADDRESS?uid=ID`", None)
            }
        }
        _ => {
            let right = PREFIXES.iter().find(|known| known.eq_ignore_ascii_case(prefix));
            let near = || {
                let close = |known: &&&str| strsim::damerau_levenshtein(known, prefix) <= 2;
                PREFIXES.iter().filter(|known| known.len() > 3).find(close)
            };
            let right = right.or_else(near);
            let right = right.map(|known| format!("{known}:{value}")).or_else(|| {
                matches!(prefix.to_ascii_lowercase().as_str(), "sa" | "serviceaccounts")
                    .then(|| format!("serviceAccount:{value}"))
            });
            match right {
                // One that is written right has nothing behind it.
                Some(right) if right != typed && MemberArg::parse(&right).is_ok() => {
                    fail("the prefix is written differently", Some(right))
                }
                None if may_be_a_kind(prefix, value) => taken(),
                _ => fail("its prefix is not known to IAM", None),
            }
        }
    }
}

fn has_host_and_path(value: &str) -> bool {
    let rest = value.strip_prefix("//").and_then(|rest| rest.split_once('/'));
    rest.is_some_and(|(host, path)| host.contains('.') && !path.is_empty())
}

/// Whether a prefix may be that of a kind of principal which this version does not know.
fn may_be_a_kind(prefix: &str, value: &str) -> bool {
    let is_word = prefix.len() > 2 && prefix.chars().all(|c| c.is_ascii_alphabetic());
    let is_url = prefix.starts_with("http") || prefix == "ftp";
    // In front of an address it is most likely a slip.
    let is_slip =
        value.is_empty() || value.contains('@') || value.chars().all(|c| c.is_ascii_digit());
    is_word && !is_url && !is_slip
}

fn check_address(address: &str) -> Result<(), &'static str> {
    match address.split_once('@') {
        _ if address.is_empty() => Err("its address is empty"),
        Some(_) if address.len() > LONGEST_ADDRESS => Err("its address is too long"),
        Some((local, _)) if !local.chars().all(is_local) => {
            Err("its address holds a character that none has")
        }
        Some((local, domain)) if !local.is_empty() && looks_like_domain(domain) => Ok(()),
        Some(("", _)) => Err("its address has nothing before `@`"),
        Some((_, "")) => Err("its address has nothing after `@`"),
        Some(_) => Err("its address has an ill-formed domain"),
        None => Err("its address has no `@`"),
    }
}

/// Whether an address may hold this before its `@`: what RFC 5322 takes without quotes. Google's
/// accounts are plain ASCII, and look-alikes are not to be granted in passing.
fn is_local(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c)
}

fn looks_like_domain(text: &str) -> bool {
    text.contains('.')
        && text.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        })
}
