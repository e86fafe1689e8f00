//! Why a request to a service was refused: from what came back, what stands in the token and what
//! could be read, to one verdict.
//!
//! The signatures are those that were observed of Google's front end; where two causes look alike
//! from outside, what could be read decides between them, and where nothing could, it is said.

use time::OffsetDateTime;

use super::access::{Decision, Layer, Outcome, Verdict, is_reserved};
use super::resource::TAG_SIGN;

serialized_as_words!(Health);

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The application answered, with this status.
    Application(u16),
    /// Google's page for what never reaches a service.
    Branded,
    /// The front end's 403: no credential, or no permission.
    Forbidden,
    /// Identity-Aware Proxy refused, with this status.
    IapRefused(u16),
    /// Identity-Aware Proxy asks to sign in.
    IapSignIn,
    /// The front end's 500 or 503: no instance of the service answered.
    NoInstance(u16),
    /// There was none, and why.
    Nothing(String),
    /// The front end's 404: no such host, or not to be reached from here.
    NotFound,
    /// The front end's 401: the token is not taken.
    TokenRefused,
    /// The front end's 413.
    TooLarge,
}

/// What came with the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// None could be had, and why.
    None(String),
    /// Something that is no ID token: most often an access token.
    Opaque,
    IdToken(TokenFacts),
}

/// What an ID token says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenFacts {
    pub issuer: String,
    pub audience: String,
    pub expires: Option<OffsetDateTime>,
}

/// Everything that a verdict rests on.
#[derive(Clone, Debug)]
pub struct Symptoms<'a> {
    /// Whether the request is a browser's question before another (`OPTIONS`), which never carries a
    /// credential.
    pub is_preflight: bool,
    pub path: &'a str,
    pub now: OffsetDateTime,
    pub credential: Credential,
    /// With the credential; `None` if that was not tried.
    pub with: Option<Reply>,
    /// Without any.
    pub without: Option<Reply>,
    /// The audiences that the service takes; `None` if that is not known.
    pub audiences: Option<Vec<String>>,
    /// What Cloud Run answered when it was asked whether the caller may invoke.
    pub told: Option<bool>,
    /// Whether somebody was let in from this machine a short while ago.
    pub granted_lately: bool,
    /// What is decided by what could be read; `None` if that is too little.
    pub decision: Option<&'a Decision<'a>>,
    /// Whether the service has a URL, as far as is known.
    pub has_url: bool,
    /// Whether the service, as it was read, is open at this address to the internet; `None` if it
    /// was not read.
    pub is_reachable: Option<bool>,
    pub default_url_off: bool,
    /// Whether there is a service at this address, as far as could be read.
    pub exists: Option<bool>,
}

/// What is wrong, in a word for scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    AccessToken,
    ApiDisabled,
    Application401,
    Application403,
    BillingDisabled,
    Clock,
    DefaultUrlOff,
    DenyPolicy,
    Expired,
    ForeignIssuer,
    IapAgent,
    IapDenied,
    IapRedirect,
    IapToken,
    Ingress,
    NoCredential,
    NoInstance,
    NoPermission,
    NoProject,
    NoSuchService,
    NoSuchServiceOrIngress,
    OrganisationPolicy,
    Preflight,
    ProjectSuspended,
    Propagation,
    QuotaProject,
    ReservedPath,
    ServicePerimeter,
    TagAudience,
    TokenNotTaken,
    TokenScope,
    TooLarge,
    Unreachable,
    WrongAudience,
}

impl Signature {
    /// Every signature, for the documentation.
    pub const ALL: [Self; 34] = [
        Self::AccessToken,
        Self::ApiDisabled,
        Self::Application401,
        Self::Application403,
        Self::BillingDisabled,
        Self::Clock,
        Self::DefaultUrlOff,
        Self::DenyPolicy,
        Self::Expired,
        Self::ForeignIssuer,
        Self::IapAgent,
        Self::IapDenied,
        Self::IapRedirect,
        Self::IapToken,
        Self::Ingress,
        Self::NoCredential,
        Self::NoInstance,
        Self::NoPermission,
        Self::NoProject,
        Self::NoSuchService,
        Self::NoSuchServiceOrIngress,
        Self::OrganisationPolicy,
        Self::Preflight,
        Self::ProjectSuspended,
        Self::Propagation,
        Self::QuotaProject,
        Self::ReservedPath,
        Self::ServicePerimeter,
        Self::TagAudience,
        Self::TokenNotTaken,
        Self::TokenScope,
        Self::TooLarge,
        Self::Unreachable,
        Self::WrongAudience,
    ];

    /// Its word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "access-token",
            Self::ApiDisabled => "api-disabled",
            Self::Application401 => "application-401",
            Self::Application403 => "application-403",
            Self::BillingDisabled => "billing-disabled",
            Self::Clock => "clock",
            Self::DefaultUrlOff => "default-url-off",
            Self::DenyPolicy => "deny-policy",
            Self::Expired => "expired",
            Self::ForeignIssuer => "foreign-issuer",
            Self::IapAgent => "iap-agent",
            Self::IapDenied => "iap-denied",
            Self::IapRedirect => "iap-redirect",
            Self::IapToken => "iap-token",
            Self::Ingress => "ingress",
            Self::NoCredential => "no-credential",
            Self::NoInstance => "no-instance",
            Self::NoPermission => "no-permission",
            Self::NoProject => "no-project",
            Self::NoSuchService => "no-such-service",
            Self::NoSuchServiceOrIngress => "no-such-service-or-ingress",
            Self::OrganisationPolicy => "organisation-policy",
            Self::Preflight => "preflight",
            Self::ProjectSuspended => "project-suspended",
            Self::Propagation => "propagation",
            Self::QuotaProject => "quota-project",
            Self::ReservedPath => "reserved-path",
            Self::ServicePerimeter => "service-perimeter",
            Self::TagAudience => "tag-audience",
            Self::TokenNotTaken => "token-not-taken",
            Self::TokenScope => "token-scope",
            Self::TooLarge => "too-large",
            Self::Unreachable => "unreachable",
            Self::WrongAudience => "wrong-audience",
        }
    }

    /// The layer that refuses.
    pub fn layer(self) -> Option<&'static str> {
        Some(match self {
            Self::AccessToken
            | Self::Clock
            | Self::Expired
            | Self::ForeignIssuer
            | Self::NoCredential
            | Self::QuotaProject
            | Self::TagAudience
            | Self::TokenNotTaken
            | Self::TokenScope
            | Self::WrongAudience => "credential",
            Self::ApiDisabled
            | Self::BillingDisabled
            | Self::NoProject
            | Self::OrganisationPolicy
            | Self::ProjectSuspended
            | Self::ServicePerimeter => "project",
            Self::Application401 | Self::Application403 | Self::NoInstance => "application",
            Self::DefaultUrlOff
            | Self::Ingress
            | Self::NoSuchService
            | Self::NoSuchServiceOrIngress
            | Self::ReservedPath
            | Self::TooLarge => "reachability",
            Self::DenyPolicy => "deny",
            Self::IapDenied | Self::IapRedirect | Self::IapToken => "iap",
            Self::IapAgent | Self::NoPermission | Self::Preflight | Self::Propagation => "allow",
            Self::Unreachable => return None,
        })
    }

    /// What it means, for a person.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::AccessToken => {
                "the token is an access token, and was refused: Google's pages agree on ID tokens alone"
            }
            Self::ApiDisabled => "the Cloud Run Admin API is not enabled in the project",
            Self::Application401 => {
                "the request got through, and the application itself answered 401"
            }
            Self::Application403 => {
                "the request got through, and the application itself answered 403"
            }
            Self::BillingDisabled => "billing is off in the project",
            Self::OrganisationPolicy => "an organisation policy forbids what the API was asked for",
            Self::ProjectSuspended => "the project is suspended",
            Self::QuotaProject => {
                "the quota project of the requests is missing, or the account may not use it"
            }
            Self::ServicePerimeter => "a perimeter of VPC Service Controls keeps the request out",
            Self::TokenScope => "the access token lacks the scope that the API takes",
            Self::NoInstance => {
                "the front end answered in place of the service: no instance of it did"
            }
            Self::TooLarge => "the request is larger than Cloud Run takes",
            Self::Clock => "this machine's clock is off, so that tokens look expired or too young",
            Self::DefaultUrlOff => "the service's default URL is turned off",
            Self::DenyPolicy => "a deny policy takes the permission to invoke away",
            Self::Expired => "the token is expired",
            Self::ForeignIssuer => "the token is not one of Google's",
            Self::IapAgent => {
                "Identity-Aware Proxy's own account may not invoke the service, so nobody gets through"
            }
            Self::IapDenied => "Identity-Aware Proxy does not let this caller by",
            Self::IapRedirect => "Identity-Aware Proxy is on, and asks to sign in with a browser",
            Self::IapToken => "Identity-Aware Proxy is on, and does not take this token",
            Self::Ingress => "the service's ingress lets nothing in from the internet",
            Self::NoCredential => "the service is private, and the request carries no credential",
            Self::NoPermission => "the caller may not invoke the service",
            Self::NoProject => "there is no project to work in",
            Self::NoSuchService => "there is no service at this address",
            Self::NoSuchServiceOrIngress => {
                "there is no service at this address, or its ingress lets nothing in from here: from \
                 outside both look alike"
            }
            Self::Preflight => {
                "a browser asks OPTIONS before a request across origins and sends no credential with \
                 it, so a private service refuses"
            }
            Self::Propagation => {
                "Cloud Run says that the caller may invoke the service, and the front end does not \
                 know it yet: a change of access takes minutes to spread"
            }
            Self::ReservedPath => "Google's front end keeps this path for itself",
            Self::TagAudience => "the token's audience is a traffic tag's URL, which is not taken",
            Self::TokenNotTaken => "the token is not taken, and nothing that stands in it says why",
            Self::Unreachable => "the address could not be reached",
            Self::WrongAudience => "the token is meant for somebody else than this service",
        }
    }
}

/// What comes of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    Ok,
    Refused,
    Unknown,
}

impl Health {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

/// What is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The request gets through to the application.
    Ok,
    Refused(Signature),
    /// No request was made, and what was read does not tell.
    Undetermined,
    /// It cannot be told for certain; the likeliest.
    Unknown(Signature),
}

impl Finding {
    /// Whether the request gets through.
    pub fn health(self) -> Health {
        match self {
            Self::Ok => Health::Ok,
            Self::Refused(_) => Health::Refused,
            Self::Undetermined | Self::Unknown(_) => Health::Unknown,
        }
    }

    /// What is wrong, or most likely is.
    pub fn signature(self) -> Option<Signature> {
        match self {
            Self::Ok | Self::Undetermined => None,
            Self::Refused(signature) | Self::Unknown(signature) => Some(signature),
        }
    }

    /// What it means, for a person; `is_made` is whether a request was made.
    pub fn headline(self, is_made: bool) -> String {
        match self {
            Self::Ok if is_made => "the request gets through to the application".to_owned(),
            Self::Ok => "a request would get through, by what could be read".to_owned(),
            Self::Undetermined => {
                "no request was made, and what could be read does not tell".to_owned()
            }
            Self::Refused(signature) => signature.meaning().to_owned(),
            Self::Unknown(signature) => format!("most likely: {}", signature.meaning()),
        }
    }
}

/// The issuer of Google's ID tokens, in its two spellings (documented).
const ISSUERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];
/// The clients whose tokens are taken from users: gcloud's (documented) and that of Application
/// Default Credentials (reported both ways). An arbitrary one is not.
const CLIENTS: [&str; 2] = [
    "32555940559.apps.googleusercontent.com",
    "764086051850-6qr4p6gpi6hn506pt8ejuq83di341hur.apps.googleusercontent.com",
];

impl Symptoms<'_> {
    /// The first layer that blocks by what could be read, once the service is reached.
    fn blocked_by(&self) -> Option<Layer> {
        let steps = &self.decision?.steps;
        let mut blocking = steps.iter().filter(|step| step.outcome == Outcome::Block);
        blocking.find(|step| step.layer != Layer::Reachability).map(|step| step.layer)
    }
}

/// Finds what is wrong: from what came back, else from what could be read.
pub fn diagnose(symptoms: &Symptoms<'_>) -> Finding {
    let found = by_reply(symptoms).unwrap_or_else(|| by_reading(symptoms));
    let is_iap = symptoms.decision.is_some_and(|decision| decision.asks(Layer::Iap));
    match found {
        // Behind Identity-Aware Proxy a 403 of Cloud Run's own is about that one's account.
        Finding::Refused(Signature::NoPermission | Signature::NoCredential) if is_iap => {
            Finding::Refused(match symptoms.blocked_by() {
                Some(Layer::Iap) => Signature::IapDenied,
                _ => Signature::IapAgent,
            })
        }
        other => other,
    }
}

/// What the verdict is if no request was made.
fn by_reading(symptoms: &Symptoms<'_>) -> Finding {
    if symptoms.exists == Some(false) {
        return Finding::Refused(Signature::NoSuchService);
    }
    let Some(decision) = symptoms.decision else { return Finding::Undetermined };
    if !symptoms.has_url && symptoms.default_url_off {
        return Finding::Refused(Signature::DefaultUrlOff);
    }
    match (decision.verdict, decision.blocked_by()) {
        (Verdict::Allowed, _) => Finding::Ok,
        (Verdict::Denied, Some(layer)) => Finding::Refused(match layer {
            Layer::Reachability if is_reserved(symptoms.path) => Signature::ReservedPath,
            Layer::Reachability if symptoms.default_url_off => Signature::DefaultUrlOff,
            Layer::Reachability => Signature::Ingress,
            Layer::Iap => Signature::IapDenied,
            Layer::Boundary | Layer::Deny => Signature::DenyPolicy,
            Layer::InvokerCheck | Layer::Allow => match symptoms.credential {
                Credential::None(_) => Signature::NoCredential,
                _ => Signature::NoPermission,
            },
        }),
        _ => Finding::Undetermined,
    }
}

/// What is wrong by what came back; `None` if no request was made.
fn by_reply(symptoms: &Symptoms<'_>) -> Option<Finding> {
    use Finding::{Ok, Refused, Unknown};
    // A browser's question before another carries no credential, whoever asks.
    let reply = match (&symptoms.with, &symptoms.without) {
        (_, Some(without)) if symptoms.is_preflight => without,
        (Some(with), _) => with,
        (None, Some(without)) => without,
        (None, None) => return None,
    };
    Some(match reply {
        Reply::Nothing(_) => Unknown(Signature::Unreachable),
        Reply::Application(401) => Refused(Signature::Application401),
        Reply::Application(403) => Refused(Signature::Application403),
        Reply::Application(_) => Ok,
        Reply::Branded => Refused(Signature::ReservedPath),
        Reply::IapSignIn => Refused(Signature::IapRedirect),
        Reply::IapRefused(401) => Refused(Signature::IapToken),
        Reply::IapRefused(_) => Refused(Signature::IapDenied),
        Reply::NoInstance(_) => Refused(Signature::NoInstance),
        Reply::NotFound => not_found(symptoms),
        Reply::TokenRefused => Refused(in_token(symptoms)),
        Reply::TooLarge => Refused(Signature::TooLarge),
        Reply::Forbidden => forbidden(symptoms),
    })
}

fn not_found(symptoms: &Symptoms<'_>) -> Finding {
    use Finding::{Refused, Unknown};
    match (symptoms.exists, symptoms.is_reachable) {
        (Some(false), _) => Refused(Signature::NoSuchService),
        _ if is_reserved(symptoms.path) => Refused(Signature::ReservedPath),
        _ if symptoms.default_url_off => Refused(Signature::DefaultUrlOff),
        (_, Some(false)) => Refused(Signature::Ingress),
        _ => Unknown(Signature::NoSuchServiceOrIngress),
    }
}

/// What is wrong with a token that was refused.
fn in_token(symptoms: &Symptoms<'_>) -> Signature {
    let token = match &symptoms.credential {
        Credential::None(_) => return Signature::NoCredential,
        Credential::Opaque => return Signature::AccessToken,
        Credential::IdToken(token) => token,
    };
    if !ISSUERS.contains(&token.issuer.as_str()) {
        return Signature::ForeignIssuer;
    }
    if token.expires.is_some_and(|end| end <= symptoms.now) {
        return Signature::Expired;
    }
    if CLIENTS.contains(&token.audience.as_str()) {
        return Signature::TokenNotTaken;
    }
    let bare = |text: &str| text.trim_end_matches('/').to_owned();
    let known = symptoms.audiences.as_ref();
    if known.is_some_and(|known| known.iter().any(|known| bare(known) == bare(&token.audience))) {
        return Signature::TokenNotTaken;
    }
    let host = token.audience.split_once("://").map_or("", |(_, rest)| rest);
    if host.split('/').next().is_some_and(|host| host.contains(TAG_SIGN)) {
        return Signature::TagAudience;
    }
    Signature::WrongAudience
}

fn forbidden(symptoms: &Symptoms<'_>) -> Finding {
    use Finding::{Refused, Unknown};
    if symptoms.is_preflight {
        return Refused(Signature::Preflight);
    }
    if symptoms.with.is_none() {
        return Refused(Signature::NoCredential);
    }
    match (symptoms.told, symptoms.blocked_by()) {
        (_, Some(Layer::Deny)) => Refused(Signature::DenyPolicy),
        (Some(true), _) => Refused(Signature::Propagation),
        // Who needs no credential needs no grant: only a deny policy keeps somebody out of there.
        _ if matches!(symptoms.without, Some(Reply::Application(_))) => {
            if symptoms.granted_lately {
                Unknown(Signature::Propagation)
            } else {
                Refused(Signature::DenyPolicy)
            }
        }
        (Some(false), _) | (None, Some(Layer::Allow)) => Refused(Signature::NoPermission),
        _ if symptoms.granted_lately => Unknown(Signature::Propagation),
        // A 403 to a token that is taken has no other cause (observed).
        _ => Refused(Signature::NoPermission),
    }
}

#[cfg(test)]
mod tests;
