//! Resolves the operands to served services: addresses, traffic tags, tokens.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use http::Uri;
use http::uri::Authority;
use time::OffsetDateTime;

use super::super::token::id_token;
use super::{Args, for_one_service};
use crate::auth::IdToken;
use crate::context::Context;
use crate::domain::error::{CommandError, ErrorKind};
use crate::domain::exposure::{Exposure, judge};
use crate::domain::invokers::grants;
use crate::domain::resource::ServiceRef;
use crate::domain::service::Service;
use crate::invoke::{self, Call, Wanted};
use crate::lookup;
use crate::proxy::{Keeper, Served, Source, Upstream};
use crate::transport::{Destination, Network, names_loopback, on_this_machine};

/// The served services.
pub(super) struct ProxiedServices {
    pub(super) services: Vec<Served>,
    /// The account of the tokens.
    pub(super) account: Option<String>,
    /// When the first token expires.
    pub(super) expires: Option<OffsetDateTime>,
}

/// A service to be served.
struct Target {
    call: Call,
    name: String,
    /// The region, if the name alone is ambiguous.
    region: Option<String>,
    to: Destination,
    exposure: Option<Exposure>,
}

/// Resolves the served services, with a token for each.
pub(super) async fn find(cx: &Context, args: &Args) -> Result<ProxiedServices, CommandError> {
    let mut targets = match &args.url {
        Some(url) => vec![at_url(cx, args, url).await?],
        None => targets(cx, args).await?,
    };
    if targets.len() > 1 && (args.tag.is_some() || args.audience.is_some()) {
        return Err(for_one_service());
    }
    tell_apart(&mut targets)?;
    if targets.len() > 1 {
        judge_all(cx, &mut targets).await?;
    }
    let mut keepers: Vec<(Option<String>, Arc<Keeper>)> = Vec::new();
    let mut services = Vec::new();
    for target in &targets {
        let audience = audience(cx, args, &target.call)?;
        let known = keepers.iter().find(|(known, _)| *known == audience);
        let keeper = if let Some((_, keeper)) = known {
            Arc::clone(keeper)
        } else {
            let keeper = Arc::new(keeper(cx, args, audience.clone()).await?);
            keepers.push((audience, Arc::clone(&keeper)));
            keeper
        };
        services.push(served(target, keeper)?);
    }
    let first = keepers.first().map(|(_, keeper)| keeper);
    let account = match &args.id_token_file {
        None => cx.identity()?.account.clone(),
        Some(_) => None,
    };
    Ok(ProxiedServices {
        services,
        account: account.or_else(|| first?.account()),
        expires: keepers.iter().filter_map(|(_, keeper)| keeper.expires()).min(),
    })
}

/// The typed services, each once.
async fn targets(cx: &Context, args: &Args) -> Result<Vec<Target>, CommandError> {
    let mut typed = Vec::new();
    for word in &args.services {
        match ServiceRef::parse(word) {
            Ok(reference) if reference.is_glob() => {
                let found = lookup::find_all(cx, std::slice::from_ref(&reference)).await?;
                typed.extend(found.names.iter().map(ToString::to_string));
            }
            _ => typed.push(word.clone()),
        }
    }
    let mut targets: Vec<Target> = Vec::new();
    for typed in &typed {
        let wanted = Wanted {
            typed,
            tag: args.tag.as_deref(),
            audience: args.audience.as_deref(),
            allowed: &args.allow_hosts,
            only_audience: false,
        };
        let call = invoke::find(cx, wanted).await?;
        if !call.base.is_empty() || !matches!(call.rest.as_str(), "" | "/") {
            let instead = match &call.service {
                Some(service) if !call.base.is_empty() => cx.named(service),
                _ => call.origin.clone(),
            };
            return Err(CommandError::usage(format!("`{typed}` holds a path"))
                .because("all paths of a service are served")
                .hint(cx.command_with_argument(typed, &instead)));
        }
        if targets.iter().any(|known| known.call.origin == call.origin) {
            continue;
        }
        let to = invoke::destination(cx, &call)?;
        let name = match &call.service {
            Some(name) => name.service().to_owned(),
            None => first_label(&call.origin),
        };
        targets.push(Target { call, name, region: None, to, exposure: None });
    }
    Ok(targets)
}

/// The service at an address that `--audience` names.
async fn at_url(cx: &Context, args: &Args, url: &str) -> Result<Target, CommandError> {
    let to = destination(url, cx.network())?;
    let typed = args.services.first().map(String::as_str).unwrap_or_default();
    let host = to.address.host().unwrap_or_default().to_owned();
    // Only service account tokens need an audience.
    let chooses = args.id_token_file.is_none() && cx.identity()?.tokens.choose_audience();
    let audience = match &args.audience {
        Some(audience) => audience.clone(),
        None if chooses => {
            let allowed = [host];
            let wanted =
                Wanted { typed, tag: None, audience: None, allowed: &allowed, only_audience: true };
            invoke::find(cx, wanted).await?.audience
        }
        None => String::new(),
    };
    let name = match ServiceRef::parse(typed)? {
        ServiceRef::Full(name) => name.service().to_owned(),
        ServiceRef::Instance(instance) if !instance.is_glob() => instance.pattern,
        ServiceRef::Name(name)
        | ServiceRef::InProject { service: name, .. }
        | ServiceRef::Regional { service: name, .. } => name,
        ServiceRef::Url(address) => first_label(address.host()),
        ServiceRef::Glob { .. } | ServiceRef::Instance(_) => {
            return Err(CommandError::usage("`--url` is for one service, and there is a pattern"));
        }
    };
    let call = Call {
        origin: url.trim_end_matches('/').to_owned(),
        base: String::new(),
        rest: String::new(),
        audience,
        service: None,
        facts: None,
        is_services: false,
    };
    Ok(Target { call, name, region: None, to, exposure: None })
}

/// The upstream of an address that the user named: https, or on this machine.
fn destination(url: &str, network: &Network) -> Result<Destination, CommandError> {
    let wrong = |why: &str| CommandError::usage(format!("`--url {url}` {why}"));
    let address: Uri = url.parse().map_err(|_| wrong("is not an address"))?;
    let host = address.host().unwrap_or_default().to_ascii_lowercase();
    if host.is_empty() || address.scheme().is_none() || url.contains('@') {
        return Err(wrong("is not an address"));
    }
    if address.path() != "/" || address.query().is_some() || url.contains('#') {
        return Err(wrong("holds a path, and all paths of the address are served"));
    }
    let at = on_this_machine(&address);
    match address.scheme_str() {
        Some("https") => {}
        Some("http") if at.is_some() || names_loopback(&host) => {}
        Some("http") => return Err(wrong("is not https, over which alone a token is sent")),
        _ => return Err(wrong("is not an address")),
    }
    Ok(Destination { address, at, network: network.clone(), ..Destination::default() })
}

fn first_label(origin: &str) -> String {
    let host = origin.split_once("://").map_or(origin, |(_, rest)| rest);
    host.split(['.', ':']).next().unwrap_or_default().to_owned()
}

/// Adds regions to services of the same name. Services that still share a name cannot be served
/// together.
fn tell_apart(targets: &mut [Target]) -> Result<(), CommandError> {
    let names: Vec<String> = targets.iter().map(|target| target.name.clone()).collect();
    for (at, target) in targets.iter_mut().enumerate() {
        if names.iter().filter(|name| **name == names[at]).count() > 1 {
            target.region = target.call.service.as_ref().map(|name| name.region().to_owned());
        }
    }
    let mut labels: Vec<String> = targets.iter().map(label).collect();
    labels.sort();
    match labels.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(CommandError::usage(format!("two services would be `{}` here", pair[0]))
            .because("each is served at its own name; a proxy for each tells them apart")),
        None => Ok(()),
    }
}

/// The name of a service in the proxy.
fn label(target: &Target) -> String {
    match &target.region {
        Some(region) => format!("{}.{region}", target.name),
        None => target.name.clone(),
    }
}

/// The exposure of each service, for the index page. What cannot be read is unknown.
async fn judge_all(cx: &Context, targets: &mut [Target]) -> Result<(), CommandError> {
    let gateway = cx.gateway().await?;
    let policies = join_all(targets.iter().map(async |target| match &target.call.service {
        Some(name) => gateway.policy(name).await.ok(),
        None => None,
    }));
    let policies = policies.await;
    for (target, policy) in targets.iter_mut().zip(policies) {
        let granted = policy.as_ref().map(grants);
        let facts = target.call.facts.as_deref();
        target.exposure = facts.map(|facts| judge(facts, granted.as_deref(), cx.now()).exposure);
    }
    Ok(())
}

/// The audience of the tokens for a service; `None` if there is no choice.
fn audience(cx: &Context, args: &Args, call: &Call) -> Result<Option<String>, CommandError> {
    if args.id_token_file.is_some() {
        return Ok(None);
    }
    let is_chosen = args.audience.is_some() || cx.identity()?.tokens.choose_audience();
    Ok(is_chosen.then(|| call.audience.clone()))
}

/// The token source for an audience, with a first token. If none can be obtained now, a warning is
/// printed and each request tries again.
async fn keeper(
    cx: &Context,
    args: &Args,
    audience: Option<String>,
) -> Result<Keeper, CommandError> {
    let clock = crate::context::now;
    if let Some(path) = &args.id_token_file {
        let path = if path.is_absolute() {
            path.clone()
        } else {
            // The started program may move to another folder; this process stays.
            crate::context::working_folder().map_or(path.clone(), |folder| folder.join(path))
        };
        let is_there = std::fs::File::open(&path).is_ok();
        let keeper = Keeper::new(Source::File(path), clock, None, None);
        return match keeper.header().await {
            Err(no_token) if !is_there => Err(no_token.0),
            Err(no_token) => {
                warn(cx, &no_token.0);
                Ok(keeper)
            }
            Ok(_) => Ok(keeper),
        };
    }
    let tokens = Arc::clone(&cx.identity()?.tokens);
    let first: Option<IdToken> =
        match id_token(cx, audience.as_deref(), args.audience.is_some()).await {
            Ok(token) => Some(token),
            Err(error) if matches!(error.kind, ErrorKind::Unavailable | ErrorKind::Deadline) => {
                warn(cx, &error);
                None
            }
            Err(error) => return Err(error),
        };
    let fix = Some(cx.suggest("whoami --check"));
    Ok(Keeper::new(Source::Minted { tokens, audience }, clock, fix, first.as_ref()))
}

fn warn(cx: &Context, error: &CommandError) {
    cx.terminal.warning(&format!("there is no token yet: {}", error.in_one_line()));
}

fn served(target: &Target, keeper: Arc<Keeper>) -> Result<Served, CommandError> {
    let Target { call, to, exposure, .. } = target;
    let http2 = call.facts.as_ref().is_some_and(|facts| facts.http2);
    let upstream = Upstream::new(to, http2)?;
    let facts = call.facts.as_deref();
    let known = facts.map(known_addresses).unwrap_or_default();
    let own = authority(&call.origin);
    let tags = facts.map(|facts| tags(facts, &upstream)).unwrap_or_default();
    Ok(Served {
        label: label(target),
        resource: call.service.as_ref().map(ToString::to_string),
        authorities: known
            .into_iter()
            .chain(own)
            .chain(authority(&to.address.to_string()))
            .collect(),
        upstream,
        tags,
        keeper,
        url: call.origin.clone(),
        exposure: *exposure,
    })
}

/// The hosts of a service.
fn known_addresses(service: &Service) -> Vec<String> {
    service.url.iter().chain(&service.urls).filter_map(|url| authority(url)).collect()
}

/// The traffic tags of a service that have an address, with their upstreams.
fn tags(service: &Service, upstream: &Upstream) -> BTreeMap<String, Upstream> {
    let tagged = service.tags.iter().filter_map(|tag| {
        let authority: Authority = authority(tag.url.as_ref()?)?.parse().ok()?;
        Some((tag.tag.clone(), upstream.at(authority)))
    });
    tagged.collect()
}

fn authority(url: &str) -> Option<String> {
    let address: Uri = url.parse().ok()?;
    address.authority().map(|authority| authority.as_str().to_ascii_lowercase())
}
