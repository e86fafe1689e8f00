//! Obtains tokens with one request each: by refresh token, service account key, federation,
//! metadata server or impersonation.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use google_cloud_auth::credentials::{external_account, service_account};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Uri};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::{sleep, timeout};

use super::credential::{Credential, Impersonated, ServiceAccount, User};
use super::federation::{self, Source};
use super::{AuthError, SCOPE};
use crate::jwt::expiry;
use crate::transport::{Answer, Endpoint, Network, Transport, chain, encoded};

const ATTEMPTS: u32 = 3;
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// A metadata server answers quickly or does not exist; a busy machine gets more time at each try.
const METADATA_PATIENCE: Duration = Duration::from_secs(1);
/// Assumed lifetime of a federated token: the official client does not return the real one, which
/// is usually an hour.
const FEDERATED: time::Duration = time::Duration::minutes(10);
/// Longest assumed lifetime of a token, in seconds.
const LONGEST: i64 = 24 * 3600;
const ASSERTION: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const FORM: &str = "application/x-www-form-urlencoded";

/// A token and its expiry.
pub(super) struct Minted {
    pub(super) token: String,
    pub(super) expires: OffsetDateTime,
}

/// The tokens of one response.
#[derive(Default)]
pub(super) struct Brought {
    pub(super) access: Option<Minted>,
    pub(super) id: Option<Minted>,
}

/// Obtains tokens. `place` is the credential's name in errors.
pub(super) struct Mint<'a> {
    pub(super) place: &'a str,
    /// The command that logs the account in again.
    pub(super) login: Option<&'a str>,
    pub(super) now: OffsetDateTime,
    pub(super) network: &'a Network,
}

impl Mint<'_> {
    /// An access token, and an ID token if the response holds one.
    pub(super) async fn access(&self, credential: &Credential) -> Result<Brought, AuthError> {
        Ok(match credential {
            Credential::Bearer(token) => {
                Brought { access: Some(self.lasting(token.text())), id: None }
            }
            Credential::User(user) => self.refreshed(user, None).await?,
            Credential::ServiceAccount(account) => {
                let scopes = service_account::AccessSpecifier::from_scopes([SCOPE]);
                let builder = service_account::Builder::new(account.file.clone());
                let built = builder.with_access_specifier(scopes).build_access_token_credentials();
                // The error's text is omitted on purpose: it may quote the key.
                let damaged = "its `private_key` is damaged: it is no RSA key in PEM";
                let built = built.map_err(|_| self.unusable(damaged))?;
                let token = built.access_token().await.map_err(|_| self.unusable(damaged))?;
                Brought { access: Some(self.by_its_word(token.token)), id: None }
            }
            Credential::External(file) => self.federated(file).await?,
            Credential::Metadata { host } => {
                let path = format!("instance/service-accounts/default/token?scopes={SCOPE}");
                let answer = self.metadata(host, &path).await?;
                Brought {
                    access: Some(self.access_of(&parsed(&answer.body), "access_token")?),
                    id: None,
                }
            }
            Credential::Impersonated(impersonated) => {
                let body = json!({"scope": [SCOPE], "lifetime": "3600s"});
                let answer = self.as_account(impersonated, "generateAccessToken", body).await?;
                let end = answer["expireTime"].as_str();
                let expires = end.and_then(|end| OffsetDateTime::parse(end, &Rfc3339).ok());
                let (Some(token), Some(expires)) = (answer["accessToken"].as_str(), expires) else {
                    return Err(self.unusable("IAM Credentials answered without a token"));
                };
                Brought { access: Some(Minted { token: token.to_owned(), expires }), id: None }
            }
        })
    }

    /// Exchanges another provider's token.
    async fn federated(&self, file: &Value) -> Result<Brought, AuthError> {
        let source = federation::source(file).map_err(|why| self.unusable(&why))?;
        if matches!(source, Source::Official) {
            return self.federated_by_official_client(file).await;
        }
        let subject = federation::subject_token(&source, self.place, self.network).await?;
        let pairs = federation::exchange(file, &subject, SCOPE);
        let pairs: Vec<(&str, &str)> =
            pairs.iter().map(|(name, value)| (*name, &**value)).collect();
        let mut headers = HeaderMap::new();
        if let Some(client) = file["client_id"].as_str() {
            let secret_of = file["client_secret"].as_str().unwrap_or_default();
            let pair = BASE64_STANDARD.encode(format!("{client}:{secret_of}"));
            headers.insert(AUTHORIZATION, secret(&format!("Basic {pair}")));
        }
        let url = file["token_url"].as_str().unwrap_or_default();
        let answer = self.post(url, headers, FORM, encoded(&pairs), &Asker::Federation).await?;
        Ok(Brought { access: Some(self.access_of(&answer, "access_token")?), id: None })
    }

    /// The same for an executable and for AWS, which the official client asks.
    async fn federated_by_official_client(&self, file: &Value) -> Result<Brought, AuthError> {
        if !self.network.is_usual() {
            return Err(self.unusable(
                "an executable's and AWS's tokens are exchanged by a library that takes neither \
                 `core/custom_ca_certs_file` nor `proxy/*`: `SSL_CERT_FILE` and `HTTPS_PROXY` do",
            ));
        }
        let is_executable = file["credential_source"].get("executable").is_some();
        let builder = external_account::Builder::new(file.clone()).with_scopes([SCOPE]);
        let built = builder.build_access_token_credentials();
        let built = built.map_err(|_| self.unusable("it is not a whole `external_account`"))?;
        let token = built.access_token().await.map_err(|error| AuthError::Refused {
            place: self.place.to_owned(),
            why: federated(&chain(&error), is_executable),
        })?;
        let minted = Minted { token: token.token, expires: self.now + FEDERATED };
        Ok(Brought { access: Some(minted), id: None })
    }

    /// An ID token for an audience; without an audience, for the credential's own client.
    pub(super) async fn id(
        &self,
        credential: &Credential,
        audience: Option<&str>,
    ) -> Result<Brought, AuthError> {
        let needed = || audience.ok_or(AuthError::AudienceNeeded);
        let none = || AuthError::NoIdToken { place: self.place.to_owned() };
        let token = match credential {
            Credential::Bearer(_) | Credential::External(_) => return Err(none()),
            Credential::User(user) if user.is_federated => return Err(none()),
            Credential::User(user) if user.chooses_audience => {
                return self.refreshed(user, Some(needed()?)).await;
            }
            Credential::User(user) => {
                if let Some(audience) = audience {
                    return Err(AuthError::AudienceNotChosen { audience: audience.to_owned() });
                }
                return self.refreshed(user, None).await;
            }
            Credential::ServiceAccount(account) => self.asserted(account, needed()?).await?,
            Credential::Metadata { host } => {
                let audience: String =
                    form_urlencoded::byte_serialize(needed()?.as_bytes()).collect();
                // Without `format=full` the token has no `email` claim (observed).
                let path = format!(
                    "instance/service-accounts/default/identity?audience={audience}&format=full"
                );
                let answer = self.metadata(host, &path).await?;
                String::from_utf8_lossy(&answer.body).trim().to_owned()
            }
            Credential::Impersonated(impersonated) => {
                let body = json!({"audience": needed()?, "includeEmail": true});
                let answer = self.as_account(impersonated, "generateIdToken", body).await?;
                answer["token"].as_str().unwrap_or_default().to_owned()
            }
        };
        if expiry(&token).is_none() {
            return Err(self.unusable("what came back is not an ID token"));
        }
        Ok(Brought { access: None, id: Some(self.by_its_word(token)) })
    }

    /// Uses the refresh token: returns an access token, and for a Google account an ID token too.
    async fn refreshed(&self, user: &User, audience: Option<&str>) -> Result<Brought, AuthError> {
        let mut pairs =
            vec![("grant_type", "refresh_token"), ("refresh_token", &user.refresh_token)];
        let mut headers = HeaderMap::new();
        if user.is_federated {
            let pair = format!("{}:{}", user.client_id, user.client_secret);
            let basic = format!("Basic {}", BASE64_STANDARD.encode(pair));
            headers.insert(AUTHORIZATION, secret(&basic));
        } else {
            pairs.push(("client_id", &user.client_id));
            pairs.push(("client_secret", &user.client_secret));
        }
        pairs.extend(audience.map(|audience| ("audience", audience)));
        let sent = encoded(&pairs);
        let answer = self.post(&user.token_uri, headers, FORM, sent, &Asker::User).await?;
        let id = answer["id_token"].as_str().filter(|token| expiry(token).is_some());
        Ok(Brought {
            access: Some(self.access_of(&answer, "access_token")?),
            id: id.map(|token| self.by_its_word(token.to_owned())),
        })
    }

    /// An ID token, obtained with an assertion that is signed with the account's key.
    async fn asserted(
        &self,
        account: &ServiceAccount,
        audience: &str,
    ) -> Result<String, AuthError> {
        let now = self.now.unix_timestamp();
        let claims = json!({"iss": account.email, "sub": account.email, "aud": account.token_uri,
            "target_audience": audience, "iat": now, "exp": now + 3600});
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(account.key_id.clone());
        let key = EncodingKey::from_rsa_pem(account.private_key.as_bytes());
        let key = key
            .map_err(|_| self.unusable("its `private_key` is damaged: it is no RSA key in PEM"))?;
        let assertion = jsonwebtoken::encode(&header, &claims, &key);
        let assertion = assertion.map_err(|_| self.unusable("its key does not sign"))?;
        let form = encoded(&[("grant_type", ASSERTION), ("assertion", &assertion)]);
        let asker = Asker::Key(&account.email);
        let answer = self.post(&account.token_uri, HeaderMap::new(), FORM, form, &asker).await?;
        Ok(answer["id_token"].as_str().unwrap_or_default().to_owned())
    }

    /// Calls IAM Credentials for an account, as the source credential.
    async fn as_account(
        &self,
        it: &Impersonated,
        verb: &str,
        mut body: Value,
    ) -> Result<Value, AuthError> {
        if !it.delegates.is_empty() {
            let full = |account: &String| format!("projects/-/serviceAccounts/{account}");
            body["delegates"] = it.delegates.iter().map(full).collect();
        }
        let url = format!("{}/v1/projects/-/serviceAccounts/{}:{verb}", it.endpoint, it.target);
        let body = body.to_string();
        let ask = async |token: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, secret(&format!("Bearer {token}")));
            self.post(&url, headers, "application/json", body.clone(), &Asker::Account).await
        };
        if let Some(token) = &it.at_hand {
            match ask(token.text()).await {
                // The access token may have been revoked; the source can obtain another.
                Err(AuthError::Unauthenticated { .. }) => {}
                answer => return answer.map_err(|error| self.not_impersonated(it, error)),
            }
        }
        let brought = Box::pin(self.access(&it.source)).await?;
        let token = brought.access.ok_or_else(|| self.unusable("it gives no access token"))?;
        ask(&token.token).await.map_err(|error| self.not_impersonated(it, error))
    }

    fn not_impersonated(&self, it: &Impersonated, error: AuthError) -> AuthError {
        match error {
            AuthError::Refused { why, .. } => {
                AuthError::NotImpersonated { target: it.target.clone(), why }
            }
            AuthError::Unauthenticated { why } => {
                AuthError::Refused { place: self.place.to_owned(), why }
            }
            other => other,
        }
    }

    async fn metadata(&self, host: &str, path: &str) -> Result<Answer, AuthError> {
        let mut headers = HeaderMap::new();
        headers.insert("metadata-flavor", HeaderValue::from_static("Google"));
        let uri = format!("http://{host}/computeMetadata/v1/{path}");
        let uri = Uri::try_from(uri).map_err(|_| self.unusable("its host is no address"))?;
        let transport = Transport::plain();
        let mut attempt = 0;
        loop {
            attempt += 1;
            let asked = transport.get(uri.clone(), headers.clone());
            let why = match timeout(METADATA_PATIENCE * attempt, asked).await {
                Ok(Ok(answer)) if answer.status.is_success() => return Ok(answer),
                // The server's own words: it says what IAM answered (observed).
                Ok(Ok(answer)) if answer.status.is_client_error() => {
                    return Err(AuthError::Refused {
                        place: self.place.to_owned(),
                        why: in_its_words(&answer),
                    });
                }
                Ok(Ok(answer)) => format!("HTTP {}", answer.status.as_u16()),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer in time".to_owned(),
            };
            if attempt == ATTEMPTS {
                return Err(AuthError::Unreachable { url: format!("http://{host}"), why });
            }
            sleep(FIRST_WAIT).await;
        }
    }

    /// Sends a token request; retries it if that may help.
    async fn post(
        &self,
        url: &str,
        headers: HeaderMap,
        kind: &'static str,
        body: String,
        asker: &Asker<'_>,
    ) -> Result<Value, AuthError> {
        let unreachable = |why: String| AuthError::Unreachable { url: url.to_owned(), why };
        let endpoint = Endpoint::parse(url).map_err(|error| unreachable(error.to_string()))?;
        let transport = Transport::to(&endpoint, self.network)
            .map_err(|error| unreachable(error.to_string()))?;
        let uri = Uri::try_from(url).map_err(|error| unreachable(error.to_string()))?;
        let body = Bytes::from(body);
        let mut attempt = 0;
        loop {
            attempt += 1;
            let mut head = headers.clone();
            head.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            let sent = transport.send(Method::POST, uri.clone(), head, body.clone()).await;
            let failure = match sent {
                Ok(answer) if answer.status.is_success() => return Ok(parsed(&answer.body)),
                Ok(answer) if answer.status.is_server_error() => {
                    unreachable(format!("HTTP {}", answer.status.as_u16()))
                }
                // A 4xx is an answer, and asking again would get the same.
                Ok(answer) if answer.status.as_u16() == 429 => {
                    return Err(unreachable("HTTP 429: too many requests".to_owned()));
                }
                Ok(answer) => return Err(self.refused(&answer, &headers, &body, asker)),
                Err(error) => unreachable(error.to_string()),
            };
            if attempt == ATTEMPTS {
                return Err(failure);
            }
            let pause = FIRST_WAIT * (1 << (attempt - 1));
            sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        }
    }

    /// The error in a response, in the server's own words (RFC 6749, or Google's error format),
    /// with secrets removed. For any other response, only the status.
    fn refused(
        &self,
        answer: &Answer,
        sent: &HeaderMap,
        form: &[u8],
        asker: &Asker<'_>,
    ) -> AuthError {
        let without = |text: &str| without_secrets(text, sent, form);
        let body = parsed(&answer.body);
        let (code, subtype) = (body["error"].as_str(), body["error_subtype"].as_str());
        let description = body["error_description"].as_str();
        let place = self.place.to_owned();
        if let Some(code) = code {
            let why = description.map_or_else(|| code.to_owned(), |text| format!("{code}: {text}"));
            let why = without(&why);
            let why = match asker {
                Asker::Federation => {
                    let status = answer.status.as_u16();
                    format!("the Security Token Service answers HTTP {status}: {why}")
                }
                Asker::Account | Asker::Key(_) | Asker::User => why,
            };
            // `invalid_rapt` is an error or a subtype: the user must log in again.
            let is_gone = code == "invalid_grant"
                || code == "invalid_rapt"
                || subtype == Some("invalid_rapt");
            return match asker {
                Asker::User if is_gone => {
                    AuthError::LoginNeeded { place, why, login: self.login.map(str::to_owned) }
                }
                Asker::Key(email) if is_gone => AuthError::KeyRefused {
                    place,
                    is_clock: self.is_clock_off(answer) || says_clock(description),
                    why,
                    email: (*email).to_owned(),
                },
                _ => AuthError::Refused { place, why },
            };
        }
        let message = body["error"]["message"].as_str();
        let status = answer.status.as_u16();
        let why = message.map_or_else(|| format!("HTTP {status}"), without);
        if status == 401 {
            AuthError::Unauthenticated { why }
        } else {
            AuthError::Refused { place, why }
        }
    }

    /// Whether the server's clock is too far from this machine's for an assertion.
    fn is_clock_off(&self, answer: &Answer) -> bool {
        let theirs = answer.date();
        theirs.is_some_and(|theirs| (theirs - self.now).abs() > time::Duration::minutes(5))
    }

    fn access_of(&self, answer: &Value, name: &str) -> Result<Minted, AuthError> {
        let token = answer[name].as_str().filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| self.unusable("the answer holds no access token"))?;
        let seconds = answer["expires_in"].as_i64().unwrap_or_default().clamp(0, LONGEST);
        Ok(Minted { token: token.to_owned(), expires: self.now + time::Duration::seconds(seconds) })
    }

    /// A JWT with the expiry in its `exp`.
    fn by_its_word(&self, token: String) -> Minted {
        let expires = expiry(&token).unwrap_or(self.now);
        Minted { token, expires }
    }

    fn lasting(&self, token: &str) -> Minted {
        Minted { token: token.to_owned(), expires: self.now }
    }

    fn unusable(&self, why: &str) -> AuthError {
        let login = self.login.map(str::to_owned);
        AuthError::Unusable { place: self.place.to_owned(), why: why.to_owned(), login }
    }
}

/// A text without the secrets that were sent: the form's values and the header's value.
fn without_secrets(text: &str, sent: &HeaderMap, form: &[u8]) -> String {
    /// Shorter values are words such as a grant type, or could occur in any text.
    const SECRET: usize = 6;
    let mut clean = text.to_owned();
    let header = sent.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let carried = header.and_then(|value| value.split_once(' ')).map(|(_, token)| token.to_owned());
    let named = ["refresh_token", "client_secret", "assertion", "subject_token"];
    let values = form_urlencoded::parse(form)
        .filter(|(name, _)| named.contains(&name.as_ref()))
        .map(|(_, value)| value.into_owned());
    for secret in values.chain(carried).filter(|secret| secret.len() >= SECRET) {
        let escaped: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        clean = clean.replace(&secret, "…").replace(&escaped, "…");
    }
    clean
}

/// Who asks for a token, which decides what a refusal means.
enum Asker<'a> {
    /// A credential that acts as a service account.
    Account,
    Federation,
    /// A service account's key.
    Key(&'a str),
    User,
}

/// Whether Google says that an assertion's times are wrong (its text, observed: no code tells it from
/// a key that is gone).
fn says_clock(description: Option<&str>) -> bool {
    description.is_some_and(|text| text.contains("must be a short-lived token"))
}

/// A refusal of a server that answers in plain text: its first line, if it is not a page.
fn in_its_words(answer: &Answer) -> String {
    const LONGEST: usize = 300;
    let status = answer.status.as_u16();
    let text = String::from_utf8_lossy(&answer.body);
    let line = text.trim().lines().next().unwrap_or_default().trim();
    if line.is_empty() || line.starts_with('<') {
        return format!("HTTP {status}");
    }
    let line: String = line.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
    format!("HTTP {status}: {line}")
}

/// The error of a federation that the official client failed at. The client's own text may hold the
/// subject token, or all that an executable printed.
fn federated(said: &str, is_executable: bool) -> String {
    let codes = [
        "invalid_grant",
        "invalid_target",
        "invalid_client",
        "invalid_request",
        "invalid_scope",
        "unauthorized_client",
        "access_denied",
    ];
    let source = if is_executable { "the executable" } else { "AWS" };
    match codes.iter().find(|code| said.contains(*code)) {
        Some(code) => format!("the Security Token Service says {code}"),
        None => format!("{source} gave no token, or the Security Token Service did not take it"),
    }
}

fn parsed(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

fn secret(text: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}
