//! Whom a principal of a policy stands for: itself, a group's members, everyone of a domain, of a
//! pool or of a place, in the forms of allow policies and of deny policies.

mod account;

pub use self::account::{agent_of, is_service_agent, project_in};
use self::account::{may_be_agent, number_in, of_the_project};
use super::condition::{Doubt, Truth};
use super::member::{CUSTOMER, Member, MemberKind, OF_A_PLACE, trust_domain};

/// The caller.
#[derive(Clone, Copy, Debug)]
pub enum Caller<'a> {
    /// A caller without a credential.
    Anonymous,
    /// The principal whose credential was verified.
    Verified(&'a Member),
}

impl<'a> Caller<'a> {
    /// The caller of a member; `allUsers` is a caller without a credential.
    pub fn of(member: &'a Member) -> Self {
        match member.kind() {
            MemberKind::AllUsers => Self::Anonymous,
            _ => Self::Verified(member),
        }
    }
}

/// The position of a resource in the hierarchy, and its owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hierarchy {
    /// The project's id.
    pub project: String,
    /// The project's number, if it is known.
    pub number: Option<String>,
    /// The folders and the organisation above it, nearest first, as far as they are known.
    pub above: Vec<String>,
    /// The organisation's customer, such as `C03xgje4y`, with the name of its domain.
    pub customer: Option<(String, String)>,
    /// The hierarchies of callers' own projects, if they differ and were looked up.
    pub homes: Vec<Hierarchy>,
}

/// Whether a group, by its address, contains a principal, directly or indirectly; `None` if it was not, or cannot be,
/// read.
pub type GroupHolds<'a> = &'a dyn Fn(&str, &Member) -> Option<bool>;

const GROUP: &str = "principalSet://goog/group/";
const ORGANIZATION: &str = "organizations/";
const POOLS: [&str; 2] = ["/workforcePools/", "/workloadIdentityPools/"];

/// Whether what holds for `set` holds for the caller. `place` is that of the resource. A caller that
/// itself stands for several (a group, a domain, a set) is reached where all of it is for certain;
/// where some of it may be, it cannot be told.
pub fn reaches(
    set: &Member,
    caller: Caller<'_>,
    holds: GroupHolds<'_>,
    place: &Hierarchy,
) -> Truth {
    let one = covers(set, caller, holds, place);
    let Caller::Verified(member) = caller else { return one };
    // Of those that a caller stands for, some may be reached though not all are for certain.
    let several =
        matches!(member.kind(), MemberKind::Domain | MemberKind::Group | MemberKind::PrincipalSet);
    let holds_some = set.kind() != MemberKind::Deleted && set.kind() != MemberKind::AllUsers;
    if one == Truth::False && several && holds_some && may_overlap(set, member) {
        return Truth::Unknown(Doubt::undecidable(format!(
            "`{member}` stands for several, and `{set}` may reach some of them"
        )));
    }
    one
}

/// Whether what holds for `set` holds for all of the caller: what is granted to some of a domain or of a
/// pool does not let it in.
pub fn covers(set: &Member, caller: Caller<'_>, holds: GroupHolds<'_>, place: &Hierarchy) -> Truth {
    let member = match caller {
        Caller::Verified(member) if set.as_str() == member.as_str() => {
            return if member.is_known_form() {
                (member.kind() != MemberKind::Deleted).into()
            } else {
                Truth::Unknown(stranger(member))
            };
        }
        Caller::Verified(member) => Some(member),
        Caller::Anonymous => None,
    };
    let kind = set.kind();
    let member = match (kind, member) {
        (MemberKind::AllUsers, _) => return Truth::True,
        (_, None) | (MemberKind::Deleted, _) => return Truth::False,
        (_, Some(member)) => member,
    };
    let one = match kind {
        MemberKind::User | MemberKind::ServiceAccount => set.same_as(member).into(),
        MemberKind::Group => in_group(set.address(), member, holds),
        MemberKind::Principal => (set.same_as(member) || set.names(member)).into(),
        MemberKind::PrincipalSet if set.same_as(member) => Truth::True,
        MemberKind::PrincipalSet => in_set(set.as_str(), member, holds, place),
        MemberKind::AllAuthenticatedUsers if holds_accounts(member) => Truth::True,
        _ if set.reaches(member) => Truth::True,
        MemberKind::Other => {
            Truth::Unknown(Doubt::undecidable(format!("who `{set}` is, is not known")))
        }
        _ => Truth::False,
    };
    if one == Truth::False && member.kind() == MemberKind::Other {
        return Truth::Unknown(stranger(member));
    }
    one
}

/// A kind of principal that this version does not know: it is unknown whether anybody can call as it.
fn stranger(member: &Member) -> Doubt {
    Doubt::undecidable(format!("who `{member}` stands for is not known"))
}

/// Whether all that a member stands for have Google accounts.
fn holds_accounts(member: &Member) -> bool {
    matches!(member.kind(), MemberKind::Domain | MemberKind::Group)
}

/// Whether a set may reach some of those for whom a member stands.
fn may_overlap(set: &Member, member: &Member) -> bool {
    // An address is of one domain.
    if (set.kind(), member.kind()) == (MemberKind::Domain, MemberKind::Domain) {
        return false;
    }
    match (pool_of(set.as_str()), pool_of(member.as_str())) {
        (Some(one), Some(other)) => one == other,
        (Some(_), None) | (None, Some(_)) => false,
        // Groups hold accounts of any domain; a domain's accounts are in any group. One account of
        // them is no more than that.
        (None, None) => {
            matches!(set.kind(), MemberKind::Domain | MemberKind::Group | MemberKind::PrincipalSet)
        }
    }
}

fn in_group(group: &str, member: &Member, holds: GroupHolds<'_>) -> Truth {
    // `allUsers` is in no group.
    if member.is_public() {
        return Truth::False;
    }
    if member.kind() == MemberKind::Group && member.address().eq_ignore_ascii_case(group) {
        return Truth::True;
    }
    if !matches!(member.kind(), MemberKind::User | MemberKind::ServiceAccount | MemberKind::Group) {
        return holds(group, member).map_or(Truth::False, Truth::from);
    }
    holds(group, member).map_or_else(
        || Truth::Unknown(Doubt::unread(format!("who is in `group:{group}` is not known"))),
        Truth::from,
    )
}

fn in_set(set: &str, member: &Member, holds: GroupHolds<'_>, place: &Hierarchy) -> Truth {
    if let Some(group) = set.strip_prefix(GROUP) {
        return in_group(group, member, holds);
    }
    if let Some(customer) = set.strip_prefix(CUSTOMER) {
        return of_customer(customer, member, place);
    }
    if let Some(rest) = set.strip_prefix(OF_A_PLACE) {
        return of_place(rest, member, place);
    }
    // What is left is of a pool, and a pool holds its own identities only.
    let Some(pool) = pool_of(set) else {
        return Truth::Unknown(Doubt::undecidable(format!("who `{set}` is, is not known")));
    };
    let federated = matches!(member.kind(), MemberKind::Principal | MemberKind::PrincipalSet);
    if !federated || pool_of(member.as_str()) != Some(pool) {
        return Truth::False;
    }
    if set.ends_with("/*") {
        return Truth::True;
    }
    // Of a set of identities, others have another token.
    if member.kind() == MemberKind::PrincipalSet {
        return Truth::False;
    }
    Truth::Unknown(Doubt::undecidable(format!(
        "whether `{member}` is of `{set}` stands in its token alone"
    )))
}

/// The part of a federated principal that names its pool, with what it is in.
pub(super) fn pool_of(text: &str) -> Option<&str> {
    let start = text.find("://")? + "://".len();
    if let Some(domain) = trust_domain(&text[start - 2..]) {
        return Some(domain);
    }
    let (at, kind) = POOLS.iter().find_map(|kind| Some((text[start..].find(kind)?, kind)))?;
    let id = start + at + kind.len();
    let end = text[id..].find('/').map_or(text.len(), |slash| id + slash);
    Some(&text[start..end])
}

/// Whether an account is of a customer of Google's: of the organisation's own, by the name of its
/// domain. A customer may have other domains too.
fn of_customer(customer: &str, member: &Member, place: &Hierarchy) -> Truth {
    let domain = member.address().rsplit('@').next().unwrap_or_default();
    match (&place.customer, member.kind()) {
        (_, MemberKind::User) if is_consumer(domain) => Truth::False,
        (Some((id, own)), MemberKind::User | MemberKind::Domain)
            if id == customer && own.eq_ignore_ascii_case(domain) =>
        {
            Truth::True
        }
        (
            _,
            MemberKind::User | MemberKind::ServiceAccount | MemberKind::Group | MemberKind::Domain,
        ) => Truth::Unknown(Doubt::undecidable(format!(
            "whether `{member}` is of the customer `{customer}` is not known"
        ))),
        _ => Truth::False,
    }
}

/// Whether addresses of this domain are nobody's but their owner's (background knowledge).
pub fn is_consumer(domain: &str) -> bool {
    domain.eq_ignore_ascii_case("gmail.com") || domain.eq_ignore_ascii_case("googlemail.com")
}

/// Whether an account is one of the service accounts, or of the service agents, of a project, or of
/// all projects below a folder or an organisation: `projects/N/type/ServiceAccount`.
fn of_place(set: &str, member: &Member, place: &Hierarchy) -> Truth {
    let parts = set.rsplit_once("/type/");
    let (Some((of, kind)), MemberKind::ServiceAccount) = (parts, member.kind()) else {
        return Truth::False;
    };
    let address = member.address();
    let is_at = |place: &&Hierarchy| of_the_project(address, place) == Some(true);
    let home = std::iter::once(place).chain(&place.homes).find(is_at);
    if may_be_agent(address) && home.is_none() {
        return unknown_home(member);
    }
    if (kind == "ServiceAgent") != is_service_agent(address) {
        return Truth::False;
    }
    match of.split_once('/') {
        Some(("projects", number)) => {
            let own = home.and_then(|home| home.number.as_deref());
            match number_in(address).or(own) {
                Some(own) => (own == number).into(),
                // Of whichever project it is, it is not of the resource's.
                None if place.number.as_deref() == Some(number)
                    && of_the_project(address, place) == Some(false) =>
                {
                    Truth::False
                }
                None => unknown_home(member),
            }
        }
        // All that is above is known if the organisation is.
        Some(_) => match home {
            Some(home) if home.above.iter().any(|above| above == of) => Truth::True,
            Some(home) if home.above.iter().any(|above| above.starts_with(ORGANIZATION)) => {
                Truth::False
            }
            _ => unknown_home(member),
        },
        None => unknown_home(member),
    }
}

fn unknown_home(member: &Member) -> Truth {
    Truth::Unknown(Doubt::unread(format!("where the project of `{member}` stands is not known")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `yes`, `no`, or why it cannot be told.
    fn told(set: &str, caller: &str) -> String {
        let place = Hierarchy {
            project: "p".to_owned(),
            number: Some("12".to_owned()),
            above: vec!["folders/34".to_owned(), "organizations/56".to_owned()],
            customer: Some(("C01".to_owned(), "x.com".to_owned())),
            homes: Vec::new(),
        };
        let holds = |group: &str, member: &Member| match (group, member.as_str()) {
            ("team@x.com", "user:dev@x.com") => Some(true),
            ("hidden@x.com", _) => None,
            _ => Some(false),
        };
        let member = Member::from_policy(caller);
        let caller = if caller.is_empty() { Caller::Anonymous } else { Caller::Verified(&member) };
        match reaches(&Member::from_policy(set), caller, &holds, &place) {
            Truth::True => "yes".to_owned(),
            Truth::False => "no".to_owned(),
            Truth::Unknown(doubt) => doubt.why.into_owned(),
        }
    }

    #[test]
    fn an_account_of_another_project_is_of_that_ones_place() {
        let other = Hierarchy {
            project: "q".to_owned(),
            number: Some("77".to_owned()),
            above: vec!["folders/9".to_owned(), "organizations/56".to_owned()],
            ..Hierarchy::default()
        };
        let here = Hierarchy {
            project: "p".to_owned(),
            number: Some("12".to_owned()),
            above: vec!["folders/34".to_owned(), "organizations/56".to_owned()],
            ..Hierarchy::default()
        };
        let looked_up = Hierarchy { homes: vec![other], ..here.clone() };
        let account = Member::from_policy("serviceAccount:a@q.iam.gserviceaccount.com");
        let told = |set: &str, place: &Hierarchy| {
            let set = Member::from_policy(format!("{OF_A_PLACE}{set}/type/ServiceAccount"));
            match reaches(&set, Caller::Verified(&account), &|_, _| None, place) {
                Truth::True => Some(true),
                Truth::False => Some(false),
                Truth::Unknown(_) => None,
            }
        };
        for (set, known) in [
            ("projects/12", Some(false)),
            ("projects/77", Some(true)),
            ("folders/9", Some(true)),
            ("folders/34", Some(false)),
            ("organizations/56", Some(true)),
        ] {
            assert_eq!(told(set, &looked_up), known, "{set}");
        }
        // Not looked up, only what its address tells is known.
        assert_eq!(told("projects/12", &here), Some(false));
        assert_eq!(told("folders/34", &here), None);
    }

    #[test]
    fn the_forms_of_deny_policies_stand_for_what_is_documented() {
        let (dev, robot) = ("user:dev@x.com", "serviceAccount:a@p.iam.gserviceaccount.com");
        let agent = "serviceAccount:service-12@gcp-sa-iap.iam.gserviceaccount.com";
        let compute = "serviceAccount:12-compute@developer.gserviceaccount.com";
        let foreign = "serviceAccount:a@q.iam.gserviceaccount.com";
        let of = "principalSet://cloudresourcemanager.googleapis.com";
        let where_is =
            "where the project of `serviceAccount:a@q.iam.gserviceaccount.com` stands is not known";
        // Whose project that is, Google's or anybody's, its name does not say.
        let unlisted = "serviceAccount:service-12@dataproc-accounts.iam.gserviceaccount.com";
        let where_else = "where the project of `serviceAccount:service-12@dataproc-accounts.iam.gserviceaccount.com` stands is not known";
        let hidden = "who is in `group:hidden@x.com` is not known";
        let customer = "whether `user:dev@y.com` is of the customer `C01` is not known";
        for (set, caller, expected) in [
            ("principalSet://goog/public:all", "", "yes"),
            ("principalSet://goog/public:all", dev, "yes"),
            ("principal://goog/subject/Dev@x.com", dev, "yes"),
            ("principal://goog/subject/dev@x.com", "user:other@x.com", "no"),
            ("principal://goog/subject/dev@x.com", "", "no"),
            (
                "principal://iam.googleapis.com/projects/-/serviceAccounts/a@p.iam.gserviceaccount.com",
                robot,
                "yes",
            ),
            ("principalSet://goog/group/team@x.com", dev, "yes"),
            ("principalSet://goog/group/team@x.com", robot, "no"),
            ("principalSet://goog/group/hidden@x.com", dev, hidden),
            (&format!("{of}/projects/12/type/ServiceAgent"), unlisted, where_else),
            (&format!("{of}/projects/12/type/ServiceAccount"), unlisted, where_else),
            ("principalSet://goog/cloudIdentityCustomerId/C01", dev, "yes"),
            ("principalSet://goog/cloudIdentityCustomerId/C01", "user:dev@y.com", customer),
            ("principalSet://goog/cloudIdentityCustomerId/C01", "user:dev@gmail.com", "no"),
            ("deleted:principal://goog/subject/dev@x.com?uid=1", dev, "no"),
            (&format!("{of}/projects/12/type/ServiceAccount"), robot, "yes"),
            (&format!("{of}/projects/12/type/ServiceAccount"), compute, "yes"),
            (&format!("{of}/projects/12/type/ServiceAccount"), agent, "no"),
            (&format!("{of}/projects/12/type/ServiceAgent"), agent, "yes"),
            (&format!("{of}/projects/12/type/ServiceAccount"), dev, "no"),
            (&format!("{of}/projects/12/type/ServiceAccount"), foreign, "no"),
            (&format!("{of}/projects/99/type/ServiceAccount"), robot, "no"),
            (&format!("{of}/projects/99/type/ServiceAccount"), foreign, where_is),
            (&format!("{of}/folders/34/type/ServiceAccount"), robot, "yes"),
            (&format!("{of}/folders/99/type/ServiceAccount"), robot, "no"),
            (&format!("{of}/organizations/56/type/ServiceAgent"), agent, "yes"),
            (&format!("{of}/organizations/56/type/ServiceAccount"), foreign, where_is),
        ] {
            assert_eq!(told(set, caller), expected, "{set} {caller}");
        }
    }

    #[test]
    fn a_pool_holds_its_own_identities() {
        let pool = "//iam.googleapis.com/projects/12/locations/global/workloadIdentityPools/ci";
        let bot = &format!("principal:{pool}/subject/bot");
        let set = |rest: &str| format!("principalSet:{pool}{rest}");
        let token =
            |rest: &str| format!("whether `{bot}` is of `{}` stands in its token alone", set(rest));
        for (set, caller, expected) in [
            (bot.clone(), bot.as_str(), "yes".to_owned()),
            (set("/*"), bot, "yes".to_owned()),
            (set("/group/team"), bot, token("/group/team")),
            (set("/attribute.repository/a"), bot, token("/attribute.repository/a")),
            (set("/*"), "user:dev@x.com", "no".to_owned()),
            (set("/*"), "", "no".to_owned()),
            (set("2/*"), bot, "no".to_owned()),
            (
                "principalSet://iam.googleapis.com/locations/global/workforcePools/w/*".to_owned(),
                bot,
                "no".to_owned(),
            ),
            (
                "principalSet://iam.googleapis.com/new/kind".to_owned(),
                bot,
                "who `principalSet://iam.googleapis.com/new/kind` is, is not known".to_owned(),
            ),
        ] {
            assert_eq!(told(&set, caller), expected, "{set} {caller}");
        }
    }
}
