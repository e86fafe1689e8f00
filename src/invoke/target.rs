//! From what a user typed to the address that is called, and whether a token may go there.

use http::Uri;

use crate::cloud::FailureKind;
use crate::context::Context;
use crate::domain::resource::{ServiceName, ServiceRef, ServiceRefError, url_origin};
use crate::domain::service::Service;
use crate::error::{CommandError, ErrorKind};
use crate::lookup;
use crate::transport::names_loopback;

const TAG_SIGN: &str = "---";
const RUN_APP: &str = ".run.app";
const LOCALHOST: &str = ".localhost";

/// What is to be called.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub typed: &'a str,
    pub tag: Option<&'a str>,
    /// The audience, where it is not the service's own URL.
    pub audience: Option<&'a str>,
    /// Hosts that the user names as good for a token.
    pub allowed: &'a [String],
    /// Whether nothing is sent there: only the audience is asked for.
    pub only_audience: bool,
}

/// A service as it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The origin that is called: `https://host[:port]`.
    pub origin: String,
    /// What was typed behind it: a path and a query, or nothing.
    pub rest: String,
    /// Whom a token is for: the service's own URL, never a tag's.
    pub audience: String,
    /// The service, where it was looked up.
    pub service: Option<ServiceName>,
    /// Whether it is a service's address, and not one that the user named beside them.
    pub is_services: bool,
}

impl Call {
    /// The whole address; `path` is what was said beside it.
    pub fn url(&self, path: Option<&str>) -> String {
        match path {
            Some(path) => format!("{}{path}", self.origin),
            None if self.rest.is_empty() => format!("{}/", self.origin),
            None => format!("{}{}", self.origin, self.rest),
        }
    }

    /// The host, without its port.
    pub fn host(&self) -> &str {
        host_of(&self.origin)
    }
}

fn host_of(origin: &str) -> &str {
    let authority = origin.split_once("://").map_or(origin, |(_, rest)| rest);
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

/// Finds what is called. A name is looked up; an address that ends in `.run.app` is taken as it
/// stands, since whoever may only invoke may often not look anything up; any other must be one
/// that the API lists, or one that the user named.
pub async fn find(cx: &Context, wanted: Wanted<'_>) -> Result<Call, CommandError> {
    let name = wanted.typed.split(['/', '?', ':']).next().unwrap_or_default();
    if name.ends_with(LOCALHOST) {
        // As browsers take it.
        let typed = format!("http://{}", wanted.typed);
        return by_url(cx, Wanted { typed: &typed, ..wanted }).await;
    }
    match ServiceRef::parse(wanted.typed) {
        Ok(ServiceRef::Url(_)) => by_url(cx, wanted).await,
        // What is no service's name may still be an address: of this machine.
        Err(_) if wanted.typed.contains("://") => by_url(cx, wanted).await,
        Ok(reference) => by_name(cx, &reference, wanted).await,
        Err(ServiceRefError::Name { typed, why, instead: Some(instead) }) => {
            let hint = cx.command_with_word(wanted.typed, &instead);
            let error = ServiceRefError::Name { typed, why, instead: Some(instead) };
            Err(CommandError::from(error).hint(hint))
        }
        Err(error) => Err(error.into()),
    }
}

async fn by_name(
    cx: &Context,
    reference: &ServiceRef,
    wanted: Wanted<'_>,
) -> Result<Call, CommandError> {
    let found =
        lookup::find(cx, reference).await.map_err(|error| look_up_denied(cx, wanted, error))?;
    let service = match found.facts {
        Some(service) => service,
        None => match cx.gateway().await?.service(&found.name).await {
            Ok(service) => service,
            Err(failure) if failure.kind == FailureKind::PermissionDenied => {
                return Err(look_up_denied(cx, wanted, failure.into()));
            }
            Err(failure) => return Err(lookup::unread(cx, &found.name, failure).await),
        },
    };
    let own = own_url(cx, &service)?;
    let origin = match wanted.tag {
        Some(tag) => lookup::tag_url(cx, &service, tag)?,
        None => own.clone(),
    };
    Ok(Call {
        origin: origin.trim_end_matches('/').to_owned(),
        rest: String::new(),
        audience: wanted.audience.map_or(own, str::to_owned),
        service: Some(service.name),
        is_services: true,
    })
}

/// Who may only invoke a service may often not look it up: then its URL is needed.
fn look_up_denied(cx: &Context, wanted: Wanted<'_>, error: CommandError) -> CommandError {
    if error.kind != ErrorKind::PermissionDenied {
        return error;
    }
    let mut error = error.because(
        "whoever may only invoke a service may not look it up by its name; its URL is enough",
    );
    error.hints.clear();
    error.hint(cx.command_with_word(wanted.typed, "https://SERVICE_URL"))
}

fn own_url(cx: &Context, service: &Service) -> Result<String, CommandError> {
    service.url.clone().or_else(|| service.urls.first().cloned()).ok_or_else(|| {
        let short = cx.named(&service.name);
        let error = CommandError::new(ErrorKind::NotFound, format!("`{short}` has no URL"));
        if service.default_url {
            error.because("it has none yet: no revision of it is ready")
        } else {
            error
                .because("its default URL is off, so only a load balancer or a domain leads there")
                .hint(cx.suggest(&format!("describe {short}")))
        }
    })
}

async fn by_url(cx: &Context, wanted: Wanted<'_>) -> Result<Call, CommandError> {
    let not_an_address =
        || CommandError::usage(format!("`{}` is not the address of a service", wanted.typed));
    let (typed_scheme, _) = wanted.typed.split_once("://").unwrap_or(("https", ""));
    let whole = if wanted.typed.contains("://") {
        wanted.typed.to_owned()
    } else {
        format!("https://{}", wanted.typed)
    };
    let address: Uri = whole.parse().map_err(|_| not_an_address())?;
    let authority = address.authority().ok_or_else(not_an_address)?;
    if authority.as_str().contains('@') {
        // Neither is shown: the terminal's history is not the only place that keeps what is said.
        let host = authority.host();
        return Err(CommandError::usage(format!("the address of `{host}` holds a user name"))
            .because("a service takes a token, and neither a user name nor a password"));
    }
    let host = authority.host().to_ascii_lowercase();
    let behind = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
    let port = match authority.port_u16() {
        Some(port) => format!(":{port}"),
        None if behind.is_empty() => String::new(),
        None => return Err(not_an_address().because(format!("`{behind}` is no port"))),
    };
    let scheme = typed_scheme.to_ascii_lowercase();
    let is_local = host.ends_with(LOCALHOST) || names_loopback(&host);
    let is_named = wanted.allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(&host));
    if !matches!(scheme.as_str(), "http" | "https") {
        return Err(not_an_address().because("a service is called over https"));
    }
    if scheme != "https" && !is_local {
        // Google redirects http to https; a token must not make the way there.
        let https = whole.replacen("http://", "https://", 1);
        return Err(CommandError::usage(format!("`{}` is not https", wanted.typed))
            .because("a token is sent over https only")
            .hint(cx.command_with_word(wanted.typed, &https)));
    }
    let (host, origin_host) = match wanted.tag {
        // The documented prefix: the API may not say, or may not be asked.
        Some(tag) if !host.contains(TAG_SIGN) => (host.clone(), format!("{tag}{TAG_SIGN}{host}")),
        Some(_) => {
            return Err(CommandError::usage(format!("`{}` names a tag already", wanted.typed)));
        }
        None => (host.clone(), host),
    };
    let rest = {
        let typed = address.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
        let said = whole.split_once("://").map_or("", |(_, rest)| rest);
        if said.contains(['/', '?']) { typed.to_owned() } else { String::new() }
    };
    let bare = host.split_once(TAG_SIGN).map_or(host.as_str(), |(_, bare)| bare);
    let of_origin = |host: &str| format!("{scheme}://{host}{port}");
    let call = |audience: String, service: Option<ServiceName>| Call {
        origin: of_origin(&origin_host),
        rest: rest.clone(),
        audience: wanted.audience.map_or(audience, str::to_owned),
        service,
        is_services: !is_named || host.ends_with(RUN_APP),
    };
    if is_named || host.ends_with(RUN_APP) {
        return Ok(call(of_origin(bare), None));
    }
    let unknown = |why: &str| {
        if wanted.only_audience {
            cx.terminal.note(&format!("`{host}` is not known to be a service's: {why}"));
            return Ok(call(of_origin(bare), None));
        }
        Err(not_good(cx, &host, why))
    };
    if host.ends_with(LOCALHOST) {
        if cx.is_on_this_machine()? {
            return in_sandbox(cx, bare, wanted, call).await;
        }
        return unknown("it is a name of the sandbox's");
    }
    if is_local {
        return unknown("the API lists no such address");
    }
    match listed(cx, &of_origin(bare), bare).await? {
        Ok((service, audience)) => Ok(call(audience, Some(service))),
        Err(why) => unknown(why),
    }
}

/// A service of the sandbox's by its name below `.localhost`: the token is for its real URL.
async fn in_sandbox(
    cx: &Context,
    host: &str,
    wanted: Wanted<'_>,
    call: impl Fn(String, Option<ServiceName>) -> Call,
) -> Result<Call, CommandError> {
    if wanted.audience.is_some() {
        return Ok(call(String::new(), None));
    }
    let label = host.trim_end_matches(LOCALHOST);
    let is_it = |service: &&Service| {
        let hashed = |url: &String| url.starts_with(&format!("https://{label}."));
        service.name.service() == label || service.urls.iter().any(hashed)
    };
    let listing = match cx.gateway().await?.services(&cx.project()?.value, "-").await {
        Ok(listing) => listing,
        // A user's token has the same audience for every service: no look-up is needed for it.
        Err(failure)
            if failure.kind == FailureKind::PermissionDenied
                && !cx.identity()?.tokens.choose_audience() =>
        {
            return Ok(call(String::new(), None));
        }
        Err(failure) => return Err(look_up_denied(cx, wanted, failure.into())),
    };
    let services: Vec<&Service> = listing.services.iter().filter(is_it).collect();
    let home = crate::sandbox::HOME_REGION;
    let found = match services.as_slice() {
        [only] => Some(*only),
        several => several.iter().copied().find(|service| service.name.region() == home),
    };
    let service = found.ok_or_else(|| {
        CommandError::new(ErrorKind::NotFound, format!("the sandbox has no service at `{host}`"))
            .hint("runaccess sandbox status")
    })?;
    Ok(call(own_url(cx, service)?, Some(service.name.clone())))
}

/// The service for which the API lists an address, among its URLs or as a mapped domain, with its
/// own URL; why not, where there is none.
async fn listed(
    cx: &Context,
    origin: &str,
    bare: &str,
) -> Result<Result<(ServiceName, String), &'static str>, CommandError> {
    let project = cx.project()?.value;
    let gateway = cx.gateway().await?;
    let (listing, domains) =
        futures::join!(gateway.services(&project, "-"), gateway.domain_mappings(&project));
    let listing = match listing {
        Ok(listing) => listing,
        Err(failure) if failure.kind == FailureKind::PermissionDenied => {
            return Ok(Err("whether it is a service's may not be looked up"));
        }
        Err(failure) => return Err(failure.into()),
    };
    let has = |service: &&Service| {
        let mut urls = service.urls.iter().chain(&service.custom_audiences);
        urls.any(|url| url_origin(url).as_deref() == Some(origin))
    };
    let mut found = listing.services.iter().find(has);
    if found.is_none() {
        let domains = domains.unwrap_or_default();
        let mapped = domains.iter().find(|mapping| mapping.domain.eq_ignore_ascii_case(bare));
        found = mapped.and_then(|mapping| {
            listing.services.iter().find(|service| {
                service.name.service() == mapping.service && service.name.region() == mapping.region
            })
        });
    }
    match found {
        Some(service) => Ok(Ok((service.name.clone(), own_url(cx, service)?))),
        None => Ok(Err("the API lists it for no service of the project")),
    }
}

fn not_good(cx: &Context, host: &str, why: &str) -> CommandError {
    let error = CommandError::usage(format!("a token is not sent to `{host}`")).because(why);
    let error = if host.ends_with(LOCALHOST) && !cx.is_sandbox() {
        error.hint(cx.command_with_option("--sandbox", ""))
    } else {
        error
    };
    error.hint(cx.command_with_option("--allow-host", host))
}
