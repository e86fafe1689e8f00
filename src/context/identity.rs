//! The active account, from the command line and gcloud's configuration.

use super::{Context, now};
use crate::auth::{self, Identity, IdentityRequest, TokenOptions};
use crate::domain::error::CommandError;
use crate::domain::member::{Member, MemberArg, MemberKind};
use crate::sandbox;

impl Context {
    /// The account that the command line or gcloud's configuration sets.
    pub fn account_that_is_set(&self) -> Option<String> {
        let of_gcloud = || self.properties.as_ref()?.value("core", "account").ok().flatten();
        let set = self.settings.account.clone();
        set.or_else(|| of_gcloud().map(|property| property.value))
    }

    /// The domain of the active account, if the account belongs to a person: usually the
    /// organization's domain.
    pub fn own_domain(&self) -> Option<String> {
        let account = self.identity().ok()?.account.clone()?;
        let member = Member::of_account(&account);
        let domain = account.rsplit('@').next().map(str::to_lowercase);
        domain.filter(|_| member.kind() == MemberKind::User)
    }

    /// The access token file that the command line or gcloud's configuration sets.
    pub fn token_file_that_is_set(&self) -> Option<String> {
        let of_gcloud =
            || self.properties.as_ref()?.value("auth", "access_token_file").ok().flatten();
        let set = self.settings.access_token_file.as_ref().map(|path| path.display().to_string());
        set.or_else(|| of_gcloud().map(|property| property.value))
    }

    /// The active credential.
    pub fn identity(&self) -> Result<&Identity, CommandError> {
        if let Some(identity) = self.identity.get() {
            return Ok(identity);
        }
        let identity = self.identified(&self.settings.impersonate)?;
        Ok(self.identity.get_or_init(|| identity))
    }

    /// A service account that the active credential impersonates.
    pub fn identity_as(&self, account: &str) -> Result<Identity, CommandError> {
        let mut chain = self.settings.impersonate.clone();
        chain.push(account.to_owned());
        self.identified(&chain)
    }

    fn identified(&self, impersonate: &[String]) -> Result<Identity, CommandError> {
        let request = IdentityRequest {
            access_token_file: self.settings.access_token_file.clone(),
            account: self.settings.account.clone(),
            impersonate: impersonate.to_vec(),
        };
        let cache = self.settings.token_cache.then(|| self.state_folder().join("tokens"));
        let options = TokenOptions { cache, clock: now, network: self.network.clone() };
        Ok(match &self.properties {
            None => {
                for account in request.account.iter().chain(&request.impersonate) {
                    let known = MemberArg::parse(account);
                    if !account.contains('@')
                        || account.contains(':')
                        || !matches!(known, Ok(MemberArg::Member(_)))
                    {
                        return Err(CommandError::usage(format!(
                            "`{account}` is not an account's address"
                        )));
                    }
                }
                let endpoint = self.endpoint()?;
                auth::identify_in_sandbox(
                    &request,
                    endpoint.as_str(),
                    sandbox::DEFAULT_ACCOUNT,
                    sandbox::REFRESH_TOKEN,
                    &options,
                )?
            }
            Some(properties) => auth::identify(&request, properties, &options)?,
        })
    }
}
