//! The URL and the audience of a call, and whether its host may receive a token.

use http::Uri;

use crate::auth::UNIVERSE;
use crate::cloud::FailureKind;
use crate::context::Context;
use crate::domain::address::{self, RUN_APP, claim};
use crate::domain::error::{CommandError, ErrorKind};
use crate::domain::resource::{ServiceName, ServiceRef, ServiceRefError, TAG_SIGN};
use crate::domain::service::Service;
use crate::lookup;
use crate::sandbox::HOME_REGION;
use crate::transport::names_loopback;

const LOCALHOST: &str = ".localhost";

/// The call to make.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub typed: &'a str,
    pub tag: Option<&'a str>,
    /// The audience, if it is not the service's default URL.
    pub audience: Option<&'a str>,
    /// Hosts that the user allows to receive a token.
    pub allowed: &'a [String],
    /// Whether only the audience is needed and nothing is sent.
    pub only_audience: bool,
}

/// A service with the address of the call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The origin of the call: `https://host[:port]`.
    pub origin: String,
    /// The path prefix of the service at this origin; empty for the root.
    pub base: String,
    /// The rest of the typed URL: a path and a query, or nothing.
    pub rest: String,
    /// The audience of the token: the service's default URL, never a tag's.
    pub audience: String,
    /// The service, if it was looked up.
    pub service: Option<ServiceName>,
    /// The service's facts, if it was looked up by name.
    pub facts: Option<Box<Service>>,
    /// Whether this is an address of the service, not a host that the user allowed.
    pub is_services: bool,
}

impl Call {
    /// The whole URL; `path` is the path argument.
    pub fn url(&self, path: Option<&str>) -> String {
        let Self { origin, base, rest, .. } = self;
        match path {
            Some(path) => format!("{origin}{base}{path}"),
            None if base.is_empty() && rest.is_empty() => format!("{origin}/"),
            None => format!("{origin}{base}{rest}"),
        }
    }

    /// The path that the service receives for a URL.
    pub fn path_of<'a>(&self, url: &'a str) -> &'a str {
        let path = url.strip_prefix(&self.origin).unwrap_or(url);
        let path = path.strip_prefix(&self.base).unwrap_or(path);
        match path.split(['?', '#']).next() {
            None | Some("") => "/",
            Some(path) => path,
        }
    }

    /// The host, without its port.
    pub fn host(&self) -> &str {
        host_of(&self.origin)
    }
}

/// The origin of a URL that the API lists.
fn origin_of(url: &str) -> &str {
    url.strip_suffix(path_of(url)).unwrap_or(url).trim_end_matches('/')
}

/// The path of a URL that the API lists; empty for the root.
fn path_of(url: &str) -> &str {
    let behind = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = behind.find('/').map_or("", |at| &behind[at..]);
    path.trim_end_matches('/')
}

fn host_of(origin: &str) -> &str {
    let authority = origin.split_once("://").map_or(origin, |(_, rest)| rest);
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

/// Resolves the target. A name is looked up. An address below `.run.app` is used unchanged, because
/// a principal with only the Invoker role cannot look it up. Any other address must be listed by
/// the API or allowed by the user.
pub async fn find(cx: &Context, wanted: Wanted<'_>) -> Result<Call, CommandError> {
    let name = wanted.typed.split(['/', '?', ':']).next().unwrap_or_default();
    if name.ends_with(LOCALHOST) {
        // As in browsers, a bare host below `localhost` means plain HTTP.
        let typed = format!("http://{}", wanted.typed);
        return by_url(cx, Wanted { typed: &typed, ..wanted }).await;
    }
    match ServiceRef::parse(wanted.typed) {
        Ok(ServiceRef::Url(_)) => by_url(cx, wanted).await,
        Err(error @ ServiceRefError::Address(_)) => Err(error.into()),
        // A text that is not a service's name may be an address on this machine.
        Err(_) if wanted.typed.contains("://") => by_url(cx, wanted).await,
        Ok(reference) => by_name(cx, &reference, wanted).await,
        Err(ServiceRefError::Name { typed, why, instead: Some(instead) }) => {
            let hint = cx.command_with_argument(wanted.typed, &instead);
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
        base: path_of(&origin).to_owned(),
        origin: origin_of(&origin).to_owned(),
        rest: String::new(),
        audience: wanted.audience.map_or(own, str::to_owned),
        service: Some(service.name.clone()),
        facts: Some(Box::new(service)),
        is_services: true,
    })
}

/// The error for a name that cannot be looked up: a principal with only the Invoker role needs the
/// URL.
fn look_up_denied(cx: &Context, wanted: Wanted<'_>, error: CommandError) -> CommandError {
    if error.kind != ErrorKind::PermissionDenied {
        return error;
    }
    let mut error = error.because(
        "whoever may only invoke a service may not look it up by its name; its URL is enough",
    );
    error.hints.clear();
    error.hint(cx.command_with_argument(wanted.typed, "https://SERVICE_URL"))
}

fn own_url(cx: &Context, service: &Service) -> Result<String, CommandError> {
    let own = service.url.as_ref().or(service.urls.first());
    own.cloned().ok_or_else(|| lookup::without_url(cx, service))
}

/// A typed address, parsed.
struct Address {
    scheme: String,
    host: String,
    /// The port with its colon; empty if the address has no port.
    port: String,
    /// The path and the query, if the address has any.
    rest: String,
}

impl Address {
    fn parse(cx: &Context, typed: &str) -> Result<Self, CommandError> {
        let wrong = || CommandError::usage(format!("`{typed}` is not the address of a service"));
        let whole =
            if typed.contains("://") { typed.to_owned() } else { format!("https://{typed}") };
        let address: Uri = whole.parse().map_err(|_| wrong())?;
        let authority = address.authority().ok_or_else(wrong)?;
        let host = authority.host().to_ascii_lowercase();
        if authority.as_str().contains('@') {
            // The error does not contain them: messages are kept in more places than the shell's
            // history.
            return Err(CommandError::usage(format!("the address of `{host}` holds a user name"))
                .because("a service takes a token, and neither a user name nor a password"));
        }
        let behind = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
        let port = match authority.port_u16() {
            Some(port) => format!(":{port}"),
            None if behind.is_empty() => String::new(),
            None => return Err(wrong().because(format!("`{behind}` is no port"))),
        };
        let scheme = address.scheme_str().unwrap_or_default().to_owned();
        match scheme.as_str() {
            "https" => {}
            "http" if host.ends_with(LOCALHOST) || names_loopback(&host) => {}
            "http" => {
                // Google redirects http to https. The token must not be sent in plain text before
                // that.
                let https = whole.replacen("http://", "https://", 1);
                return Err(CommandError::usage(format!("`{typed}` is not https"))
                    .because("a token is sent over https only")
                    .hint(cx.command_with_argument(typed, &https)));
            }
            _ => return Err(wrong().because("a service is called over https")),
        }
        let said = whole.split_once("://").is_some_and(|(_, rest)| rest.contains(['/', '?']));
        let rest = address.path_and_query().filter(|_| said);
        let rest = rest.map(ToString::to_string).unwrap_or_default();
        Ok(Self { scheme, host, port, rest })
    }

    fn origin(&self, host: &str) -> String {
        format!("{}://{host}{}", self.scheme, self.port)
    }

    /// Whether the host may start with a traffic tag: only Cloud Run's own hosts.
    fn may_be_tagged(&self) -> bool {
        self.host.ends_with(RUN_APP) || self.host.ends_with(LOCALHOST)
    }

    /// The host without a traffic tag.
    fn untagged(&self) -> &str {
        let bare = self.host.split_once(TAG_SIGN).filter(|_| self.may_be_tagged());
        bare.map_or(&self.host, |(_, bare)| bare)
    }
}

async fn by_url(cx: &Context, wanted: Wanted<'_>) -> Result<Call, CommandError> {
    let address = Address::parse(cx, wanted.typed)?;
    let host = address.host.as_str();
    let called = match wanted.tag {
        // The documented prefix: the API may omit the tag's URL, or the caller may not be allowed
        // to read it.
        Some(_) if !address.may_be_tagged() => {
            return Err(CommandError::usage(format!("`{host}` has no traffic tags"))
                .because("they are a part of addresses that end in `.run.app`"));
        }
        Some(tag) if !host.contains(TAG_SIGN) => format!("{tag}{TAG_SIGN}{host}"),
        Some(_) => {
            return Err(CommandError::usage(format!("`{}` names a tag already", wanted.typed)));
        }
        None => host.to_owned(),
    };
    let is_named = wanted.allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(host));
    // Of another universe's services only the API knows the addresses.
    let is_run_app = host.ends_with(RUN_APP) && cx.universe() == UNIVERSE;
    let origin = address.origin(address.untagged());
    let whole = address::Address::parse(wanted.typed).ok().flatten();
    // Functions share a host: the name in the path identifies the function.
    let function = whole.as_ref().and_then(address::Address::function_path).unwrap_or_default();
    let own = format!("{origin}{function}");
    let call = |audience: &str, base: &str, service: Option<ServiceName>| Call {
        origin: address.origin(&called),
        base: base.to_owned(),
        rest: address.rest.strip_prefix(base).unwrap_or(&address.rest).to_owned(),
        audience: wanted.audience.unwrap_or(audience).to_owned(),
        service,
        facts: None,
        is_services: !is_named || is_run_app,
    };
    if is_named || is_run_app {
        return Ok(call(&own, function, None));
    }
    let found = if host.ends_with(LOCALHOST) && cx.is_on_this_machine()? {
        in_sandbox(cx, address.untagged(), wanted).await?
    } else if host.ends_with(LOCALHOST) {
        AddressMatch::Nowhere("it is a name of the sandbox's")
    } else if names_loopback(host) {
        AddressMatch::Nowhere("the API lists no such address")
    } else if let Some(whole) = &whole {
        listed(cx, whole).await?
    } else {
        AddressMatch::Nowhere("the API lists no such address")
    };
    match found {
        AddressMatch::Service { name, audience, base } => Ok(call(&audience, &base, Some(name))),
        AddressMatch::Any => Ok(call(&own, function, None)),
        AddressMatch::Nowhere(why) if wanted.only_audience => {
            cx.terminal.note(&format!("`{host}` is not known to be a service's: {why}"));
            Ok(call(&own, function, None))
        }
        AddressMatch::Nowhere(why) => Err(not_good(cx, host, why)),
    }
}

/// What an address belongs to.
enum AddressMatch {
    /// A service, with the audience of its tokens and its path prefix.
    Service { name: ServiceName, audience: String, base: String },
    /// A service of unknown name; the name does not matter.
    Any,
    /// No known service, with the reason.
    Nowhere(&'static str),
}

/// A service of the sandbox under its name below `.localhost`: the audience is its real URL.
async fn in_sandbox(
    cx: &Context,
    host: &str,
    wanted: Wanted<'_>,
) -> Result<AddressMatch, CommandError> {
    if wanted.audience.is_some() {
        return Ok(AddressMatch::Any);
    }
    let label = host.trim_end_matches(LOCALHOST);
    let is_it = |service: &&Service| {
        let hashed = |url: &String| url.starts_with(&format!("https://{label}."));
        service.name.service() == label || service.urls.iter().any(hashed)
    };
    let listing = match cx.gateway().await?.services(&cx.project()?.value, "-").await {
        Ok(listing) => listing,
        // A user's token has the same audience for every service, so no lookup is needed.
        Err(failure)
            if failure.kind == FailureKind::PermissionDenied
                && !cx.identity()?.tokens.choose_audience() =>
        {
            return Ok(AddressMatch::Any);
        }
        Err(failure) => return Err(look_up_denied(cx, wanted, failure.into())),
    };
    let services: Vec<&Service> = listing.services.iter().filter(is_it).collect();
    let found = match services.as_slice() {
        [only] => Some(*only),
        several => several.iter().copied().find(|service| service.name.region() == HOME_REGION),
    };
    let service = found.ok_or_else(|| {
        CommandError::new(ErrorKind::NotFound, format!("the sandbox has no service at `{host}`"))
            .hint("runaccess sandbox status")
    })?;
    let audience = own_url(cx, service)?;
    Ok(AddressMatch::Service { name: service.name.clone(), audience, base: String::new() })
}

/// The service with this address: one of its URLs or audiences, or a mapped domain. If two services
/// match, none is used.
async fn listed(cx: &Context, address: &address::Address) -> Result<AddressMatch, CommandError> {
    let listing = match cx.gateway().await?.services(&cx.project()?.value, "-").await {
        Ok(listing) => listing,
        Err(failure) if failure.kind == FailureKind::PermissionDenied => {
            return Ok(match address.function_path() {
                Some(_) => AddressMatch::Any,
                None => AddressMatch::Nowhere("whether it is a service's may not be looked up"),
            });
        }
        Err(failure) => return Err(failure.into()),
    };
    let reference = ServiceRef::Url(address.clone());
    let service = match lookup::one_of(cx, &listing, &reference).await {
        Ok(service) => service,
        Err(error) if error.kind == ErrorKind::NotFound => {
            return Ok(AddressMatch::Nowhere("the API lists it for no service of the project"));
        }
        Err(error) if error.kind == ErrorKind::Undetermined => {
            return Ok(AddressMatch::Nowhere("whether it is a service's could not be read"));
        }
        Err(error) => return Err(error),
    };
    // A function is called below its name; the gateway defines the path of a custom audience.
    let own_claim = claim(&service, address).filter(|claim| claim.is_own);
    let base = own_claim.map(|claim| claim.path).unwrap_or_default();
    // A service whose default URL is off has only custom audiences, or no known one.
    let own = service.url.as_ref().or(service.urls.first());
    let audience = match own.or(service.custom_audiences.first()) {
        Some(own) => own.clone(),
        None => address.to_string(),
    };
    Ok(AddressMatch::Service { name: service.name, audience, base })
}

fn not_good(cx: &Context, host: &str, why: &str) -> CommandError {
    let error = CommandError::usage(format!("a token is not sent to `{host}`")).because(why);
    let error = if host.ends_with(LOCALHOST) && !cx.is_sandbox() {
        error.hint(cx.command_with_option("--sandbox", None))
    } else {
        error
    };
    error.hint(cx.command_with_option("--allow-host", Some(host)))
}
