//! For whom a token must be meant to be taken at a service, and whose it is.

use crate::dialect::api_error::ApiError;
use crate::records::accounts;
use crate::records::store::Sandbox;
use crate::settings::Settings;
use crate::signing::issuer::Claims;
use runaccess_domain::member::Member;
use runaccess_domain::service::Service;

/// gcloud's own client, whose tokens Cloud Run takes from users (documented by the command
/// `gcloud auth print-identity-token`).
const GCLOUD: &str = "32555940559.apps.googleusercontent.com";
/// The client of `gcloud auth application-default login`.
const ADC: &str = "764086051850-6qr4p6gpi6hn506pt8ejuq83di341hur.apps.googleusercontent.com";

/// Whether an audience is that of a client rather than of a service.
pub(crate) fn is_client(audience: &str) -> bool {
    audience == GCLOUD || audience == ADC
}

/// Whether a token for this audience is taken at the service: its own URLs, its custom
/// audiences, and the clients of users (all documented but for the settings' part).
pub(crate) fn is_taken(service: &Service, audience: &str, settings: &Settings) -> bool {
    if is_client(audience) {
        return audience == GCLOUD || settings.adc_client_id;
    }
    let same = |known: &str| {
        known == audience
            || (settings.audience_slash
                && known.trim_end_matches('/') == audience.trim_end_matches('/'))
    };
    let tags = service.tags.iter().filter_map(|tag| tag.url.as_deref());
    service.urls.iter().any(|url| same(url))
        || service.custom_audiences.iter().any(|custom| custom == audience)
        || (settings.tag_audience && tags.into_iter().any(same))
}

/// Whose a verified token is; `None` if it does not say.
pub(crate) fn principal(
    sandbox: &Sandbox,
    claims: &Claims,
    settings: &Settings,
) -> Result<Option<Member>, ApiError> {
    if let Some(email) = &claims.email {
        return Ok(Some(Member::of_account(email)));
    }
    let agent = Member::from_policy(claims.sub.as_str());
    if agent.is_agent() {
        return Ok(settings.agent_identity.then_some(agent));
    }
    if !settings.token_without_email {
        return Ok(None);
    }
    let account = sandbox.read(|world| accounts::email_of(world, &claims.sub))?;
    Ok(account.map(|email| Member::of_account(&email)))
}
