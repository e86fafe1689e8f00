//! Who calls a service in another's stead: Google's own callers, whose token it is, and what they need
//! beside the invoker role.

use super::member::Member;

/// The role by which a federated identity acts as a service account (documented).
pub const WORKLOAD_IDENTITY_USER: &str = "roles/iam.workloadIdentityUser";
/// The role that lets its members have ID tokens of a service account, and nothing more.
pub const TOKEN_CREATOR: &str = "roles/iam.serviceAccountOpenIdTokenCreator";

/// A service of Google's that calls with the ID token of an account of one's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    Eventarc,
    PubSub,
    Scheduler,
    Tasks,
    Workflows,
}

impl Via {
    /// What it is called.
    pub fn title(self) -> &'static str {
        match self {
            Self::Eventarc => "Eventarc",
            Self::PubSub => "Pub/Sub",
            Self::Scheduler => "Cloud Scheduler",
            Self::Tasks => "Cloud Tasks",
            Self::Workflows => "Workflows",
        }
    }

    /// The account of Google's that makes the tokens, by the number of the project where subscriptions,
    /// jobs, queues or workflows are. Scheduler's and Workflows' are documented, Pub/Sub's and Tasks'
    /// background knowledge; that Eventarc's triggers deliver through Pub/Sub is documented for its
    /// standard edition.
    pub fn agent(self, number: &str) -> Member {
        let domain = match self {
            Self::Eventarc | Self::PubSub => "gcp-sa-pubsub",
            Self::Scheduler => "gcp-sa-cloudscheduler",
            Self::Tasks => "gcp-sa-cloudtasks",
            Self::Workflows => "gcp-sa-workflows",
        };
        Member::of_account(&format!("service-{number}@{domain}.iam.gserviceaccount.com"))
    }

    /// What whoever sets it up must hold, or the account beside the invoker role, that no grant of this
    /// program's gives (documented).
    pub fn also_needs(self, account: &str) -> String {
        match self {
            Self::Eventarc => format!(
                "the trigger needs `roles/eventarc.eventReceiver` for `{account}` on the project, and \
                 whoever creates it `iam.serviceAccounts.actAs` on that account"
            ),
            Self::PubSub => format!(
                "whoever creates the subscription needs `iam.serviceAccounts.actAs` on `{account}`"
            ),
            Self::Scheduler => {
                format!("whoever creates the job needs `iam.serviceAccounts.actAs` on `{account}`")
            }
            Self::Tasks => format!(
                "whoever adds tasks needs `iam.serviceAccounts.actAs` on `{account}`, the program that \
                 does so too"
            ),
            Self::Workflows => format!(
                "the workflow must run as `{account}`, and whoever deploys it needs \
                 `iam.serviceAccounts.actAs` on that account"
            ),
        }
    }
}

/// From where a caller's requests come, as ingress sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallsFrom {
    /// From inside: what is said of it.
    Inside(&'static str),
    /// From the internet: why.
    Internet(String),
    /// It is not known where it runs.
    Unknown,
}

/// Whether an account is the one that services and machines run as if none is named: it often holds
/// the editor role on the whole project (documented).
pub fn is_default_compute(address: &str) -> bool {
    address.ends_with("-compute@developer.gserviceaccount.com")
}

/// The id of an account that a service may be given: its own name, made as long as an id must be.
pub fn account_id(service: &str) -> String {
    // From 6 to 30 characters (documented).
    let id: String = service.chars().take(30).collect();
    let id = id.trim_end_matches('-').to_owned();
    if id.len() < 6 { format!("{id}-run-as") } else { id }
}

/// Whether an id is one that an account can have (documented).
pub fn is_account_id(id: &str) -> bool {
    (6..=30).contains(&id.len())
        && id.starts_with(|c: char| c.is_ascii_lowercase())
        && id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !id.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_accounts_are_good() {
        for service in
            ["a", "hello", "storefront", &"x".repeat(49), "a-234567890123456789012345678-x"]
        {
            let id = account_id(service);
            assert!(is_account_id(&id), "{id}");
        }
        for id in ["short", "Upper-case", "9lives-x", "ends-with-", &"x".repeat(31), "spa ces"] {
            assert!(!is_account_id(id), "{id}");
        }
    }

    #[test]
    fn agents_go_by_the_number() {
        let address = |via: Via| via.agent("12").address().to_owned();
        assert_eq!(address(Via::Tasks), "service-12@gcp-sa-cloudtasks.iam.gserviceaccount.com");
        assert_eq!(address(Via::Eventarc), address(Via::PubSub));
        assert!(is_default_compute("12-compute@developer.gserviceaccount.com"));
        assert!(!is_default_compute("compute@p.iam.gserviceaccount.com"));
    }
}
