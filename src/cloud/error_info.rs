//! Why an API refuses: `google.rpc.ErrorInfo` in a response, and what each reason means.
//!
//! The reasons are those of `google.api.ErrorReason` (googleapis, `google/api/error_reason.proto`)
//! and IAM's `IAM_PERMISSION_DENIED`. What to do about each is Google's advice if its documents have
//! any, else our own.

use std::collections::BTreeMap;

use serde_json::Value;

use super::failure_kind::FailureKind;
use crate::domain::diagnosis::Signature;
use crate::domain::error::{Hint, quoted};

/// The type of the detail that holds a reason.
const TYPE: &str = "type.googleapis.com/google.rpc.ErrorInfo";
/// The projects of Google's own clients, gcloud's and that of Application Default Credentials: a
/// refusal that names one of them means that the request named no quota project (golang/oauth2#702).
const GOOGLES_CLIENTS: [&str; 2] = ["32555940559", "764086051850"];

/// The reason of a refusal, with the facts that Google gives for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorInfo {
    pub reason: Reason,
    metadata: BTreeMap<String, String>,
    /// Where the quota project of the request was set, and the command that sets another.
    quota: Option<(String, Option<Hint>)>,
}

/// What a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    AccessTokenExpired,
    AccessTokenScopeInsufficient,
    AccessTokenTypeUnsupported,
    AccountStateInvalid,
    BillingDisabled,
    ConsumerInvalid,
    ConsumerSuspended,
    CredentialsMissing,
    IamPermissionDenied,
    LocationPolicyViolated,
    LocationTaxPolicyViolated,
    OrgRestrictionViolation,
    QuotaProjectMissing,
    RateLimitExceeded,
    ResourceQuotaExceeded,
    ResourceUsageRestrictionViolated,
    SecurityPolicyViolated,
    ServiceDisabled,
    ServiceNotVisible,
    UserBlockedByAdmin,
    UserProjectDenied,
}

/// Each reason, by Google's word for it.
const WORDS: [(&str, Reason); 21] = [
    ("ACCESS_TOKEN_EXPIRED", Reason::AccessTokenExpired),
    ("ACCESS_TOKEN_SCOPE_INSUFFICIENT", Reason::AccessTokenScopeInsufficient),
    ("ACCESS_TOKEN_TYPE_UNSUPPORTED", Reason::AccessTokenTypeUnsupported),
    ("ACCOUNT_STATE_INVALID", Reason::AccountStateInvalid),
    ("BILLING_DISABLED", Reason::BillingDisabled),
    ("CONSUMER_INVALID", Reason::ConsumerInvalid),
    ("CONSUMER_SUSPENDED", Reason::ConsumerSuspended),
    ("CREDENTIALS_MISSING", Reason::CredentialsMissing),
    ("GCP_SUSPENDED", Reason::ConsumerSuspended),
    ("IAM_PERMISSION_DENIED", Reason::IamPermissionDenied),
    ("LOCATION_POLICY_VIOLATED", Reason::LocationPolicyViolated),
    ("LOCATION_TAX_POLICY_VIOLATED", Reason::LocationTaxPolicyViolated),
    ("ORG_RESTRICTION_VIOLATION", Reason::OrgRestrictionViolation),
    ("RATE_LIMIT_EXCEEDED", Reason::RateLimitExceeded),
    ("RESOURCE_QUOTA_EXCEEDED", Reason::ResourceQuotaExceeded),
    ("RESOURCE_USAGE_RESTRICTION_VIOLATED", Reason::ResourceUsageRestrictionViolated),
    ("SECURITY_POLICY_VIOLATED", Reason::SecurityPolicyViolated),
    ("SERVICE_DISABLED", Reason::ServiceDisabled),
    ("SERVICE_NOT_VISIBLE", Reason::ServiceNotVisible),
    ("USER_BLOCKED_BY_ADMIN", Reason::UserBlockedByAdmin),
    ("USER_PROJECT_DENIED", Reason::UserProjectDenied),
];

impl ErrorInfo {
    /// Reads the reason in the `error` of a response; `None` if it holds none that is known.
    pub(super) fn read(error: &Value) -> Option<Self> {
        let details = error["details"].as_array()?;
        let detail = details.iter().find(|detail| detail["@type"] == TYPE)?;
        let word = detail["reason"].as_str()?;
        let (_, reason) = *WORDS.iter().find(|(known, _)| *known == word)?;
        let facts = detail["metadata"].as_object().into_iter().flatten();
        let metadata: BTreeMap<String, String> = facts
            .filter_map(|(name, fact)| Some((name.clone(), fact.as_str()?.to_owned())))
            .collect();
        let mut info = Self { reason, metadata, quota: None };
        let names_client = info.consumer().is_some_and(|it| GOOGLES_CLIENTS.contains(&it));
        if reason == Reason::ServiceDisabled && names_client {
            info.reason = Reason::QuotaProjectMissing;
        }
        Some(info)
    }

    fn fact(&self, name: &str) -> Option<&str> {
        self.metadata.get(name).map(String::as_str).filter(|fact| !fact.is_empty())
    }

    /// The project that the request counts for, by number or ID.
    fn consumer(&self) -> Option<&str> {
        let consumer = self.fact("consumer").or(self.fact("containerInfo"))?;
        Some(consumer.strip_prefix("projects/").unwrap_or(consumer))
    }

    /// The permission that is lacking.
    pub(super) fn permission(&self) -> Option<&str> {
        self.fact("permission").filter(|_| self.reason == Reason::IamPermissionDenied)
    }

    /// Adds what is known of the quota project, if the refusal is about that.
    pub(super) fn about_quota(&mut self, cause: impl FnOnce() -> (String, Option<Hint>)) {
        if matches!(self.reason, Reason::QuotaProjectMissing | Reason::UserProjectDenied) {
            self.quota = Some(cause());
        }
    }

    /// Where the quota project was set.
    pub(super) fn quota_source(&self) -> Option<&str> {
        self.quota.as_ref().map(|(source, _)| source.as_str())
    }

    /// The kind of the failure, which decides what a command does next; `None` if the status decides.
    pub(super) fn kind(&self) -> Option<FailureKind> {
        Some(match self.reason {
            Reason::AccessTokenExpired
            | Reason::AccessTokenScopeInsufficient
            | Reason::AccessTokenTypeUnsupported
            | Reason::AccountStateInvalid
            | Reason::CredentialsMissing => FailureKind::Unauthenticated,
            Reason::IamPermissionDenied => return None,
            Reason::RateLimitExceeded => FailureKind::RateLimited,
            Reason::BillingDisabled
            | Reason::ConsumerInvalid
            | Reason::ConsumerSuspended
            | Reason::LocationPolicyViolated
            | Reason::LocationTaxPolicyViolated
            | Reason::OrgRestrictionViolation
            | Reason::QuotaProjectMissing
            | Reason::ResourceQuotaExceeded
            | Reason::ResourceUsageRestrictionViolated
            | Reason::SecurityPolicyViolated
            | Reason::ServiceDisabled
            | Reason::ServiceNotVisible
            | Reason::UserBlockedByAdmin
            | Reason::UserProjectDenied => FailureKind::Refused,
        })
    }

    /// What it means, for a person; `None` if the message says all there is.
    pub(super) fn meaning(&self) -> Option<String> {
        let project =
            self.consumer().map_or("the project".to_owned(), |id| format!("project `{id}`"));
        let service = self.fact("service").unwrap_or("this API");
        Some(match self.reason {
            Reason::AccessTokenExpired => "the access token is expired".to_owned(),
            Reason::AccessTokenScopeInsufficient => {
                format!(
                    "the access token lacks the scope that {service} needs, such as `cloud-platform`"
                )
            }
            Reason::AccessTokenTypeUnsupported => {
                format!("{service} does not take a token of this type: it takes access tokens")
            }
            Reason::AccountStateInvalid => "the account is disabled or deleted".to_owned(),
            Reason::BillingDisabled => format!("billing is off in {project}"),
            Reason::ConsumerInvalid => {
                format!("{project} does not exist, is deleted, or takes no requests")
            }
            Reason::ConsumerSuspended => {
                format!("{project} is suspended: Google's support says why")
            }
            Reason::CredentialsMissing => "the request carried no credential".to_owned(),
            Reason::IamPermissionDenied => return None,
            Reason::LocationPolicyViolated => {
                "an organisation policy forbids this location (`constraints/gcp.resourceLocations`)"
                    .to_owned()
            }
            Reason::LocationTaxPolicyViolated => {
                "Google does not serve this billing account in this location".to_owned()
            }
            Reason::OrgRestrictionViolation => {
                "the organisation restrictions of this network forbid the resource's organisation"
                    .to_owned()
            }
            Reason::QuotaProjectMissing => {
                "this API takes the requests of a person only with a quota project, and none is set"
                    .to_owned()
            }
            Reason::RateLimitExceeded | Reason::ResourceQuotaExceeded => {
                let quota = self.fact("quota_limit").or(self.fact("quota_metric"));
                let quota = quota.map_or("a quota".to_owned(), |name| format!("quota `{name}`"));
                format!("{quota} of {project} is used up")
            }
            Reason::ResourceUsageRestrictionViolated => format!(
                "an organisation policy forbids {service} in {project} \
                 (`constraints/gcp.restrictServiceUsage`)"
            ),
            Reason::SecurityPolicyViolated => match self.fact("uid") {
                Some(id) => format!(
                    "a perimeter of VPC Service Controls refuses it; its administrators find the \
                     violation by the ID `{id}`"
                ),
                None => "a perimeter of VPC Service Controls refuses it".to_owned(),
            },
            Reason::ServiceDisabled => format!("{service} is not enabled in {project}"),
            Reason::ServiceNotVisible => {
                format!("{service} is not open to {project}: it may be a private preview")
            }
            Reason::UserBlockedByAdmin => {
                "an administrator of the organisation blocks the account".to_owned()
            }
            Reason::UserProjectDenied => format!(
                "the account may not use {project} as its quota project, or the project does not \
                 exist (`serviceusage.services.use`, in `roles/serviceusage.serviceUsageConsumer`)"
            ),
        })
    }

    /// The command that helps, if one does.
    pub(super) fn remedy(&self) -> Option<Hint> {
        let project = self.consumer().map(quoted);
        let gcloud = |command: String| Some(Hint::Gcloud(command));
        if let Some((_, hint)) = &self.quota {
            return hint.clone();
        }
        match self.reason {
            Reason::AccessTokenExpired
            | Reason::AccessTokenScopeInsufficient
            | Reason::CredentialsMissing => Some(Hint::Login),
            Reason::AccountStateInvalid | Reason::UserBlockedByAdmin => Some(Hint::Accounts),
            Reason::BillingDisabled => gcloud(format!("billing projects describe {}", project?)),
            Reason::ConsumerInvalid => gcloud("projects list".to_owned()),
            Reason::ServiceDisabled => {
                let service = quoted(self.fact("service")?);
                gcloud(format!("services enable {service} --project={}", project?))
            }
            Reason::LocationPolicyViolated => gcloud(format!(
                "org-policies describe gcp.resourceLocations --effective --project={}",
                project?
            )),
            Reason::ResourceUsageRestrictionViolated => gcloud(format!(
                "org-policies describe gcp.restrictServiceUsage --effective --project={}",
                project?
            )),
            Reason::ResourceQuotaExceeded => {
                let service = quoted(self.fact("service")?);
                gcloud(format!(
                    "beta services quota list --service={service} --consumer=projects/{}",
                    project?
                ))
            }
            Reason::AccessTokenTypeUnsupported
            | Reason::ConsumerSuspended
            | Reason::IamPermissionDenied
            | Reason::LocationTaxPolicyViolated
            | Reason::OrgRestrictionViolation
            | Reason::QuotaProjectMissing
            | Reason::RateLimitExceeded
            | Reason::SecurityPolicyViolated
            | Reason::ServiceNotVisible
            | Reason::UserProjectDenied => None,
        }
    }

    /// What `doctor` calls it; `None` for what says nothing certain of the set-up.
    pub fn signature(&self) -> Option<Signature> {
        Some(match self.reason {
            Reason::AccessTokenExpired => Signature::Expired,
            Reason::AccessTokenScopeInsufficient => Signature::TokenScope,
            Reason::AccessTokenTypeUnsupported
            | Reason::AccountStateInvalid
            | Reason::UserBlockedByAdmin => Signature::TokenNotTaken,
            Reason::CredentialsMissing => Signature::NoCredential,
            Reason::BillingDisabled => Signature::BillingDisabled,
            Reason::ConsumerInvalid | Reason::ServiceNotVisible => Signature::NoProject,
            Reason::ConsumerSuspended => Signature::ProjectSuspended,
            Reason::LocationPolicyViolated
            | Reason::LocationTaxPolicyViolated
            | Reason::OrgRestrictionViolation
            | Reason::ResourceUsageRestrictionViolated => Signature::OrganisationPolicy,
            Reason::QuotaProjectMissing | Reason::UserProjectDenied => Signature::QuotaProject,
            Reason::SecurityPolicyViolated => Signature::ServicePerimeter,
            Reason::ServiceDisabled => Signature::ApiDisabled,
            Reason::IamPermissionDenied
            | Reason::RateLimitExceeded
            | Reason::ResourceQuotaExceeded => return None,
        })
    }
}
