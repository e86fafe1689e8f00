//! OAuth: the token endpoint, the Security Token Service, the public keys.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::dialect::api_error::ApiError;
use crate::records::account_keys::signed_by_key;
use crate::records::accounts;
use crate::records::store::Sandbox;
use crate::request::ApiRequest;
use crate::settings::Settings;
use crate::signing::issuer::{Issuer, Subject, check_times, unique_id};
use runaccess_domain::member::{Member, MemberKind};
use runaccess_ground::jwt::{self, claims};

const REFRESH: &str = "refresh_token";
const ASSERTION: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";
/// How long an assertion may last, in seconds: an hour, and what a client takes off for its clock.
const LONGEST_ASSERTION: i64 = 3600 + 60;
/// What a refresh token of the sandbox starts with; whose it is follows.
pub const REFRESH_TOKEN: &str = "1//sandbox:";

/// An error as OAuth's endpoints answer it (RFC 6749, 5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OauthError {
    pub(crate) code: u16,
    pub(crate) error: &'static str,
    pub(crate) description: String,
}

impl OauthError {
    fn new(error: &'static str, description: impl Into<String>) -> Self {
        Self { code: 400, error, description: description.into() }
    }

    pub(crate) fn envelope(&self) -> Value {
        json!({"error": self.error, "error_description": self.description})
    }
}

impl From<ApiError> for OauthError {
    fn from(error: ApiError) -> Self {
        Self { code: error.code, error: "server_error", description: error.message }
    }
}

/// Whether a request is for one of OAuth's endpoints.
pub(crate) fn is_for_issuer(method: &str, path: &str) -> bool {
    matches!(
        (method, path),
        ("POST", "/token" | "/oauth2/v4/token" | "/v1/oauthtoken" | "/v1/token")
            | (
                "GET",
                "/oauth2/v1/certs"
                    | "/oauth2/v3/certs"
                    | "/tokeninfo"
                    | "/oauth2/v3/tokeninfo"
                    | "/.well-known/openid-configuration"
            )
    )
}

/// Answers one of OAuth's endpoints; `None` for another path.
pub(crate) fn answer(
    sandbox: &Sandbox,
    settings: &Settings,
    request: &ApiRequest,
) -> Option<Result<Value, OauthError>> {
    let issuer = sandbox.issuer();
    let form = || Form::parse(&request.body).with_client(request.authorization.as_deref());
    Some(match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/token" | "/oauth2/v4/token") => token(sandbox, settings, request, &form()),
        // As external accounts of authorised users refresh, by the client's own credentials.
        ("POST", "/v1/oauthtoken") => refreshed(issuer, settings, request, &form()),
        ("POST", "/v1/token") => exchanged(issuer, settings, request),
        ("GET", "/oauth2/v1/certs") => issuer.certificates(request.now).map_err(Into::into),
        ("GET", "/tokeninfo" | "/oauth2/v3/tokeninfo") => token_info(issuer, settings, request),
        ("GET", "/oauth2/v3/certs") => issuer.jwks().map_err(Into::into),
        ("GET", "/.well-known/openid-configuration") => Ok(json!({
            "issuer": "https://accounts.google.com",
            "jwks_uri": format!("{}/oauth2/v3/certs", request.base),
            "token_endpoint": format!("{}/token", request.base),
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
        })),
        _ => return None,
    })
}

#[derive(Debug, Default)]
struct Form(Vec<(String, String)>);

impl Form {
    fn parse(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    /// With the client's own credentials, if they come as HTTP has them (RFC 6749, 2.3.1).
    fn with_client(mut self, authorization: Option<&str>) -> Self {
        let basic = authorization.and_then(|header| header.trim().split_once(' '));
        let basic = basic.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
        let said = basic.and_then(|(_, said)| BASE64_STANDARD.decode(said.trim()).ok());
        let said = said.and_then(|said| String::from_utf8(said).ok());
        if let Some((id, secret)) = said.as_deref().and_then(|said| said.split_once(':')) {
            let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
            for (name, value) in [("client_id", id), ("client_secret", secret)] {
                if self.get(name).is_none() {
                    self.0.push((name.to_owned(), decode(value)));
                }
            }
        }
        self
    }

    /// A form as the standard has it (RFC 8693), or Google's JSON.
    fn parse_either(body: &[u8]) -> Self {
        let Ok(Value::Object(fields)) = serde_json::from_slice(body) else {
            return Self::parse(body);
        };
        let texts = fields.iter().filter_map(|(name, value)| Some((name, value.as_str()?)));
        Self(texts.map(|(name, text)| (snake(name), text.to_owned())).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn need(&self, name: &str) -> Result<&str, OauthError> {
        let missing =
            || OauthError::new("invalid_request", format!("Missing required parameter: {name}"));
        self.get(name).filter(|value| !value.is_empty()).ok_or_else(missing)
    }
}

fn token(
    sandbox: &Sandbox,
    settings: &Settings,
    request: &ApiRequest,
    form: &Form,
) -> Result<Value, OauthError> {
    match form.need("grant_type")? {
        REFRESH => refreshed(sandbox.issuer(), settings, request, form),
        ASSERTION => asserted(sandbox, settings, request, form.need("assertion")?),
        other => {
            Err(OauthError::new("unsupported_grant_type", format!("Invalid grant_type: {other}")))
        }
    }
}

/// A user's tokens by a refresh token; a federated principal's have no ID token.
fn refreshed(
    issuer: &Issuer,
    settings: &Settings,
    request: &ApiRequest,
    form: &Form,
) -> Result<Value, OauthError> {
    let who = form.need("refresh_token")?.strip_prefix(REFRESH_TOKEN).filter(|who| !who.is_empty());
    // Google's text (documented).
    let gone = || OauthError::new("invalid_grant", "Token has been expired or revoked.");
    let who = who.ok_or_else(gone)?;
    let principal = match who.starts_with("principal://") {
        true => Member::from_policy(who),
        false if who.contains('@') => Member::of_account(who),
        false => return Err(gone()),
    };
    let mut answer = bearer(issuer, settings, request, &principal)?;
    if who.contains('@') {
        let id = unique_id(who);
        // A service account of the sandbox's has no client of its own, and names its audience.
        let (audience, client) = match form.get("audience") {
            Some(audience) if principal.kind() == MemberKind::ServiceAccount => (audience, None),
            _ => {
                let client = form.need("client_id")?;
                if !client.ends_with(".apps.googleusercontent.com") {
                    let description = "The OAuth client was not found.".to_owned();
                    return Err(OauthError { code: 401, error: "invalid_client", description });
                }
                (client, Some(client))
            }
        };
        let whose = Subject { id: &id, email: Some(who), authorized_party: client };
        answer["id_token"] =
            Value::from(issuer.id_token(&whose, audience, settings, request.now)?);
    }
    Ok(answer)
}

/// A service account's tokens by an assertion that its key signed.
fn asserted(
    sandbox: &Sandbox,
    settings: &Settings,
    request: &ApiRequest,
    assertion: &str,
) -> Result<Value, OauthError> {
    let refused = |why: &str| OauthError::new("invalid_grant", why);
    let signed = sandbox.read(|world| {
        // By a key that the account has, or by IAM Credentials for it.
        let by_key = signed_by_key(world, assertion)?;
        let signed = by_key.or_else(|| sandbox.issuer().signed_for_account(assertion));
        let Some(signed) = signed else { return Ok(None) };
        let account = world.service_account(&signed.iss)?;
        Ok(Some((signed, account.is_some_and(|account| !accounts::is_off(&account)))))
    })?;
    let (signed, is_on) = signed.ok_or_else(|| refused("Invalid JWT Signature."))?;
    if !is_on {
        // The wording is not certain.
        return Err(refused("Invalid grant: account disabled or not found"));
    }
    // Google's text (observed).
    let lasts = signed.exp.saturating_sub(signed.iat.max(0));
    let in_time = check_times(&signed, settings, request.now).is_ok();
    (in_time && lasts <= LONGEST_ASSERTION).then_some(()).ok_or_else(|| {
        refused(
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable \
             timeframe. Check your iat and exp values in the JWT claim.",
        )
    })?;
    let own = [format!("{}/token", request.base), "https://oauth2.googleapis.com/token".to_owned()];
    // A client may reach it through a forwarder of its own, on this machine.
    let is_near = |audience: &str| {
        audience.ends_with("/token")
            && ["http://127.0.0.1:", "http://localhost:"].iter().any(|at| audience.starts_with(at))
    };
    if !signed.aud.is_some_and(|audience| own.contains(&audience) || is_near(&audience)) {
        return Err(refused("Invalid JWT: Failed audience check."));
    }
    if !signed.sub.is_empty() && signed.sub != signed.iss {
        return Err(OauthError::new(
            "unauthorized_client",
            "Client is unauthorized to retrieve access tokens using this method, or client not \
             authorized for any of the scopes requested.",
        ));
    }
    let asked = claims(assertion).unwrap_or_default();
    let email = signed.iss;
    let issuer = sandbox.issuer();
    match (asked["target_audience"].as_str(), asked["scope"].as_str()) {
        (Some(audience), _) if !audience.is_empty() => {
            let id = sandbox.read(|world| accounts::unique_id_of(world, &email))?;
            let id = id.ok_or_else(|| refused("Invalid grant: account not found"))?;
            let who = Subject { id: &id, email: Some(&email), authorized_party: None };
            let token = issuer.id_token(&who, audience, settings, request.now)?;
            Ok(json!({"id_token": token}))
        }
        (_, Some(scope)) if !scope.is_empty() => {
            bearer(issuer, settings, request, &Member::of_account(&email))
        }
        _ => Err(OauthError::new(
            "invalid_scope",
            "Invalid OAuth scope or ID token audience provided.",
        )),
    }
}

/// What a token of the issuer says, each value a text, as Google's debugging endpoint has it.
fn token_info(
    issuer: &Issuer,
    settings: &Settings,
    request: &ApiRequest,
) -> Result<Value, OauthError> {
    // Google's text (observed).
    let bad = || OauthError::new("invalid_token", "Invalid Value");
    let query = &request.query;
    let token = query.get("idToken").or_else(|| query.get("access_token")).ok_or_else(bad)?;
    let known = issuer.verify(token, settings, request.now).map_err(|_| bad())?;
    let mut said = claims(token).unwrap_or_default();
    if query.get("idToken").is_some() {
        if known.principal.is_some() {
            return Err(bad());
        }
        let header = jwt::header(token).unwrap_or_default();
        for name in ["alg", "kid", "typ"] {
            said[name] = header[name].clone();
        }
    } else {
        let principal = known.principal.ok_or_else(bad)?;
        let lasts = known.exp - request.now.unix_timestamp();
        said = json!({"azp": known.sub, "aud": known.sub, "sub": known.sub, "scope": known.scope,
            "exp": known.exp, "expires_in": lasts, "access_type": "online"});
        let member = Member::from_policy(principal);
        if member.is_account() {
            said["email"] = Value::from(member.address());
            said["email_verified"] = Value::from(true);
        }
    }
    for value in said.as_object_mut().into_iter().flat_map(|said| said.values_mut()) {
        if !value.is_string() {
            *value = Value::from(value.to_string());
        }
    }
    Ok(said)
}

/// A federated principal's access token by what its own provider says of it. The sandbox knows no
/// provider, and so takes the subject as it is said.
fn exchanged(
    issuer: &Issuer,
    settings: &Settings,
    request: &ApiRequest,
) -> Result<Value, OauthError> {
    let form = Form::parse_either(&request.body);
    if form.need("grant_type")? != EXCHANGE {
        return Err(OauthError::new("unsupported_grant_type", "Invalid grant_type."));
    }
    let audience = form.need("audience")?;
    let subject_token = form.need("subject_token")?;
    form.need("subject_token_type")?;
    let pool = audience
        .strip_prefix("//iam.googleapis.com/")
        .and_then(|path| path.split_once("/providers/"))
        .map(|(pool, _)| pool)
        .filter(|pool| {
            pool.contains("/workloadIdentityPools/") || pool.contains("/workforcePools/")
        });
    let pool = pool.ok_or_else(|| {
        OauthError::new("invalid_request", format!("Invalid value for \"audience\": {audience}"))
    })?;
    let said = claims(subject_token).and_then(|claims| claims["sub"].as_str().map(str::to_owned));
    let subject = said.unwrap_or_else(|| subject_token.trim().to_owned());
    let principal = format!("principal://iam.googleapis.com/{pool}/subject/{subject}");
    let mut answer = bearer(issuer, settings, request, &Member::from_policy(principal))?;
    answer["issued_token_type"] = Value::from(ACCESS);
    Ok(answer)
}

fn bearer(
    issuer: &Issuer,
    settings: &Settings,
    request: &ApiRequest,
    principal: &Member,
) -> Result<Value, OauthError> {
    Ok(json!({
        "access_token": issuer.access_token(principal, settings, request.now)?,
        "expires_in": settings.token_lifetime.as_secs(),
        "scope": "https://www.googleapis.com/auth/cloud-platform openid",
        "token_type": "Bearer",
    }))
}

/// `subject_token` of `subjectToken`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}
