//! Service accounts: existence and creation.

use google_cloud_iam_admin_v1::model::ServiceAccount;
use http::Method;
use serde_json::json;

use super::api::Api;
use super::failure::Failure;
use super::failure_kind::FailureKind;
use super::gateway::Gateway;
use super::request::{Read, parsed, written};
use crate::domain::difference::Etags;
use crate::domain::target::{AccountName, Existing};

impl Gateway {
    /// Reads whether a service account exists, and its unique ID.
    pub async fn account(&self, account: &AccountName) -> Result<Existing, Failure> {
        let address = &account.address;
        let call = format!("read the service account `{address}`");
        let path = format!("/v1/projects/{}/serviceAccounts/{address}", account.project);
        match self.ask(Read::of(Api::Iam, &call, &path)).await {
            Ok(body) => {
                let found: ServiceAccount = parsed(&call, &body)?;
                if found.unique_id.is_empty() {
                    return Err(Failure::malformed(&call));
                }
                let (address, unique_id) = (address.clone(), found.unique_id);
                Ok(Existing::Account { address, unique_id })
            }
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(Existing::Nothing),
            Err(failure) => Err(failure),
        }
    }

    /// Creates a service account. Fails if it exists.
    pub(super) async fn create_account(
        &self,
        account: &AccountName,
        display_name: &str,
        call: &str,
    ) -> Result<Etags, Failure> {
        let (id, _) = account.address.split_once('@').unwrap_or_default();
        let made = json!({"accountId": id, "serviceAccount": {"displayName": display_name}});
        let body = Some(written(&made, call)?);
        let path = accounts_path(account);
        let made = self.write(Api::Iam, call, Method::POST, &path, body).await?;
        let made: ServiceAccount = parsed(call, &made)?;
        if made.unique_id.is_empty() {
            return Err(Failure::malformed(call));
        }
        Ok(Etags { service: Some(made.unique_id), ..Etags::default() })
    }
}

/// The path of a project's service accounts.
pub(super) fn accounts_path(account: &AccountName) -> String {
    format!("/v1/projects/{}/serviceAccounts", account.project)
}

/// The path of a service account, by its address.
pub(super) fn account_path(account: &AccountName) -> String {
    format!("{}/{}", accounts_path(account), account.address)
}
