//! Why a request is refused: sends it, recognises the response, and compares it with what can be
//! read.

use http::Method;

use super::super::explain::entry;
use super::super::remedy::{self, Refused, elsewhere};
use super::super::token::id_token;
use super::evidence::{in_words, of_reading, of_token};
use super::fix::{Case, fix};
use super::{Args, exit_code};
use crate::auth::BearerToken;
use crate::cloud::{FailureKind, Subject};
use crate::context::Context;
use crate::domain::access::{Caller, Entry, Layer, Origin, Request};
use crate::domain::diagnosis::{
    Credential, Finding, Reply, Signature, Symptoms, TokenFacts, diagnose,
};
use crate::domain::error::{CommandError, ErrorKind, Hint};
use crate::domain::evidence::ServiceEvidence;
use crate::domain::member::Member;
use crate::domain::resource::{ServiceName, ServiceRef};
use crate::invoke::{self, Call, Prober, Wanted};
use crate::jwt;
use crate::lookup;
use crate::report::DoctorReport;

/// What could be read in addition to the request.
#[derive(Default)]
struct Read {
    gathered: Option<ServiceEvidence>,
    /// Whether a service exists at the address, if known.
    exists: Option<bool>,
    /// What could not be read, and why.
    unread: Vec<String>,
}

pub(super) async fn check(cx: &Context, target: &str, args: &Args) -> Result<u8, CommandError> {
    let wanted = Wanted {
        typed: target,
        tag: None,
        audience: None,
        allowed: &args.allow_hosts,
        only_audience: false,
    };
    if args.method == Method::TRACE || args.method == Method::CONNECT {
        let message = format!("Google's front end answers {} itself, for any service", args.method);
        return Err(CommandError::usage(message));
    }
    if args.path.as_ref().is_some_and(|path| !path.starts_with('/')) {
        return Err(CommandError::usage("a path starts with `/`"));
    }
    let call = match invoke::find(cx, wanted).await {
        Ok(call) => Some(call),
        // A service without an address gets a finding too.
        Err(error) if error.kind == ErrorKind::NoUrl => None,
        Err(error) => return Err(error),
    };
    let url = call.as_ref().map(|call| call.url(args.path.as_deref()));
    let (credential, token, login) = credential(cx, call.as_ref(), args).await?;
    let who = principal(cx, token.as_ref(), args);
    let path = call.as_ref().zip(url.as_deref()).map_or("/", |(call, url)| call.path_of(url));
    let path = path.to_owned();
    let read = read(cx, target, call.as_ref(), who.as_ref(), args).await;
    let (asked, mut evidence) = match (&call, &url) {
        (Some(call), Some(url)) if !args.no_request => {
            ask(cx, (call, url), token.as_ref().zip(Some(who.as_ref())), &args.method).await?
        }
        _ => ((None, None), Vec::new()),
    };
    let (with, without) = asked;
    let service = read.gathered.as_ref().map(|gathered| &gathered.service);
    let host = call.as_ref().map(Call::host);
    let entry =
        service.map(|service| host.and_then(|host| entry(service, host)).unwrap_or(Entry::Domain));
    let request = Request {
        path: Some(&path),
        host,
        time: cx.now(),
        from: Origin::Internet,
        entry: entry.filter(|_| call.is_some()).unwrap_or(Entry::DefaultUrl),
    };
    // If the token's principal is unknown, nothing that was read applies to it.
    let caller = match (&who, &token) {
        (Some(who), _) => Some(Caller::Verified(who)),
        (None, Some(_)) => None,
        (None, None) => Some(Caller::Anonymous),
    };
    let decision = read.gathered.as_ref().zip(caller);
    let decision = decision.map(|(gathered, caller)| gathered.decide(caller, &request));
    let symptoms = Symptoms {
        is_preflight: args.method == Method::OPTIONS,
        path: &path,
        now: cx.now(),
        credential,
        with,
        without,
        audiences: service.map(|service| {
            let urls = service.urls.iter().chain(&service.url).chain(&service.custom_audiences);
            urls.cloned().collect()
        }),
        told: read.gathered.as_ref().and_then(|gathered| gathered.told),
        granted_lately: cx.was_granted_lately(call.as_ref().and_then(|call| call.service.as_ref())),
        decision: decision.as_ref(),
        // Reachability is the same for every caller.
        is_reachable: read.gathered.as_ref().map(|gathered| {
            !gathered.decide(Caller::Anonymous, &request).blocks(Layer::Reachability)
        }),
        has_url: call.is_some(),
        default_url_off: service.is_some_and(|service| !service.default_url)
            && request.entry != Entry::Domain,
        exists: read.exists,
    };
    evidence.push(of_token(&symptoms.credential, service.is_some_and(|service| service.iap)));
    evidence.extend(of_reading(&symptoms));
    if call.is_none() {
        evidence.push("no request was made: the service has no address".to_owned());
    }
    evidence.extend(read.unread.iter().cloned());
    let found = diagnose(&symptoms);
    let who = who.as_ref();
    let known = read.gathered.as_ref().zip(decision.as_ref());
    let constraints = match known {
        Some((gathered, decision)) => remedy::constraints(cx, gathered, decision).await,
        None => None,
    };
    let nobody = Member::all_users();
    let refused = known.map(|(gathered, decision)| {
        let (request, who, constraints) = (&request, who.unwrap_or(&nobody), constraints.as_ref());
        Refused { gathered, decision, request, who, constraints }
    });
    if found.signature() == Some(Signature::Ingress) {
        evidence.extend(refused.as_ref().and_then(elsewhere));
    }
    let at_domain = at_domain(&symptoms.credential, call.as_ref(), request.entry);
    let case = Case { refused, at_domain, who, target, login: &login, args };
    let fix = fix(cx, found, &case);
    let is_made = symptoms.with.is_some() || symptoms.without.is_some();
    report(cx, url.as_deref().unwrap_or(target), (found, is_made), evidence, fix)
}

/// The responses with and without the token, and their description.
type Asked = ((Option<Reply>, Option<Reply>), Vec<String>);

/// Sends the request with the token, if there is one, and without.
async fn ask(
    cx: &Context,
    (call, url): (&Call, &str),
    token: Option<(&BearerToken, Option<&Member>)>,
    method: &Method,
) -> Result<Asked, CommandError> {
    let prober = Prober::new(cx, call)?;
    let path = &url[call.origin.len()..];
    let (mut with, mut evidence) = (None, Vec::new());
    if let Some((token, who)) = token {
        let sent = who.map_or("a token".to_owned(), |who| format!("a token of `{who}`"));
        cx.terminal.note(&format!("request: {method} {url} with {sent}"));
        let reply = prober.ask(cx, method, path, Some(token)).await?;
        evidence.push(format!("with {sent}: {}", in_words(&reply)));
        with = Some(reply);
    }
    cx.terminal.note(&format!("request: {method} {url} without a credential"));
    let reply = prober.ask(cx, method, path, None).await?;
    evidence.push(format!("without a credential: {}", in_words(&reply)));
    Ok(((with, Some(reply)), evidence))
}

/// The token of the request, and its kind.
async fn credential(
    cx: &Context,
    call: Option<&Call>,
    args: &Args,
) -> Result<(Credential, Option<BearerToken>, Vec<String>), CommandError> {
    let token = if let Some(path) = &args.id_token_file {
        BearerToken::in_file(path)?
    } else {
        let audience = call.map(|call| call.audience.as_str());
        match cx.identity().map(|_| id_token(cx, audience, false)) {
            Err(error) => {
                let error = cx.adapt_hints(error);
                return Ok((Credential::None(error.message.clone()), None, hints(&error)));
            }
            Ok(token) => match token.await {
                Ok(token) => BearerToken::new(&token.token).map_err(|error| {
                    let message = format!("what came back is not an ID token: {error}");
                    CommandError::new(ErrorKind::NotAuthenticated, message)
                })?,
                Err(error) => {
                    let error = cx.adapt_hints(error);
                    let causes = error.causes.first().map(|cause| format!(": {cause}"));
                    let why = format!("{}{}", error.message, causes.unwrap_or_default());
                    return Ok((Credential::None(why), None, hints(&error)));
                }
            },
        }
    };
    let text = token.text_of_header();
    let text = text.strip_prefix("Bearer ").unwrap_or_default();
    // An access token may be a JWT too, and then says so in its header (RFC 9068).
    let is_access_token = jwt::header(text).is_some_and(|header| header["typ"] == "at+jwt");
    let credential = match jwt::claims(text).filter(|_| !is_access_token) {
        None => Credential::Opaque,
        Some(claims) => {
            let part = |name: &str| claims[name].as_str().unwrap_or_default().to_owned();
            Credential::IdToken(TokenFacts {
                issuer: part("iss"),
                audience: part("aud"),
                expires: jwt::expiry(text),
            })
        }
    };
    Ok((credential, Some(token), Vec::new()))
}

/// The audience of a token and the origin of the request, at a domain that is mapped.
fn at_domain<'a>(
    credential: &'a Credential,
    call: Option<&'a Call>,
    entry: Entry<'_>,
) -> Option<(&'a str, &'a str)> {
    match (credential, call, entry) {
        (Credential::IdToken(token), Some(call), Entry::Domain) => {
            Some((&token.audience, &call.origin))
        }
        _ => None,
    }
}

fn hints(error: &CommandError) -> Vec<String> {
    error.hints.iter().map(Hint::to_string).collect()
}

/// The principal of the request, by the token's claims, else by the active account.
fn principal(cx: &Context, token: Option<&BearerToken>, args: &Args) -> Option<Member> {
    let text = token?.text_of_header();
    let claims = text.strip_prefix("Bearer ").and_then(jwt::claims).unwrap_or_default();
    if let Some(address) = claims["email"].as_str() {
        return Some(Member::of_account(address));
    }
    let own = || cx.identity().ok().and_then(|identity| identity.account.clone());
    let account = if args.id_token_file.is_none() { own() } else { None };
    account.map(|account| Member::of_account(&account))
}

/// Reads what affects the request, as far as the caller may.
async fn read(
    cx: &Context,
    target: &str,
    call: Option<&Call>,
    who: Option<&Member>,
    args: &Args,
) -> Read {
    let mut read = Read::default();
    let name = match call.and_then(|call| call.service.clone()) {
        Some(name) => Some(name),
        None => by_address(cx, target, &mut read).await,
    };
    let Some(name) = name else { return read };
    let is_self = args.id_token_file.is_none() && who.is_some();
    let whose = who.map_or(Subject::Anyone, |member| Subject::One { member, is_self });
    let Ok(gateway) = cx.gateway().await else { return read };
    match gateway.gather(&name, whose).await {
        Ok(gathered) => (read.exists, read.gathered) = (Some(true), Some(gathered)),
        Err(failure) if failure.kind == FailureKind::NotFound => read.exists = Some(false),
        Err(failure) => read.unread.push(format!("{failure}: {}", failure.message)),
    }
    read
}

/// The service at an address, if services can be listed.
async fn by_address(cx: &Context, target: &str, read: &mut Read) -> Option<ServiceName> {
    let reference = ServiceRef::parse(target).ok()?;
    match lookup::find(cx, &reference).await {
        Ok(found) => Some(found.name),
        Err(error) if error.kind == ErrorKind::NotFound => {
            // The service may still exist in another project.
            read.unread.push(error.message);
            None
        }
        Err(error) => {
            let why = error.causes.first().map(|cause| format!(": {cause}")).unwrap_or_default();
            read.unread.push(format!("which service it is was not found: {}{why}", error.message));
            None
        }
    }
}

fn report(
    cx: &Context,
    target: &str,
    (found, is_made): (Finding, bool),
    evidence: Vec<String>,
    fix: Vec<String>,
) -> Result<u8, CommandError> {
    let (verdict, signature) = (found.health(), found.signature());
    cx.report(&DoctorReport {
        sandbox: cx.is_sandbox(),
        target: Some(target.to_owned()),
        verdict,
        layer: signature.and_then(Signature::layer),
        signature: signature.map(Signature::as_str),
        evidence,
        fix,
        headline: found.headline(is_made),
    })?;
    Ok(exit_code(verdict).number())
}
