//! `explain`: decides whether a principal may invoke a service or run a job, and shows why.

use http::Uri;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::args::complete;
use super::args::global::one_of;
use super::args::members::{KindOption, check_order, missing, resolve};
use super::args::times::moment;
use super::remedy::{Refused, constraints, elsewhere, grant, remedies};
use crate::cloud::{FailureKind, Gateway, Subject, why};
use crate::context::Context;
use crate::domain::access::{Decision, Entry, Layer, Origin, Request, Verdict, decide_unread};
use crate::domain::address::{Address, claim};
use crate::domain::error::CommandError;
use crate::domain::evidence::ResourceEvidence;
use crate::domain::exit_code::ExitCode;
use crate::domain::member::{Member, MemberArg, MemberKind};
use crate::domain::permission::Permission;
use crate::domain::printable::with_article;
use crate::domain::resource::{ServiceRef, TAG_SIGN};
use crate::domain::role::RUN_JOB_WITH_OVERRIDES;
use crate::domain::service::Service;
use crate::domain::target::{Target, TargetRef, WorkloadKind};
use crate::lookup;
use crate::report::{ExplainReport, RequestShape};

/// Explain whether a principal may invoke a service, or run a job, layer by layer
///
/// Exits with 0 for yes, 3 for no and 9 where it cannot be told. `allUsers` stands for somebody without
/// any credential.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  runaccess explain me orders
  runaccess explain auditor@example.com billing --path /reports/q1
  runaccess explain ci@p.iam.gserviceaccount.com orders --at 2026-12-24T18:00:00Z --from internal")]
pub(super) struct Args {
    /// The principal: an address, `me`, `service:NAME`, or as IAM writes it
    #[arg(value_name = "MEMBER", add = complete::members())]
    member: Option<String>,
    /// NAME, REGION/NAME, full resource name, any of its URLs, jobs/NAME, functions/NAME,
    /// instances/NAME or worker-pools/NAME
    #[arg(value_name = "SERVICE", add = complete::services())]
    service: Option<String>,
    /// The path of the request
    #[arg(long, value_name = "PATH", value_parser = path)]
    path: Option<String>,
    /// The host of the request, in place of the service's own
    #[arg(long, value_name = "HOST", value_parser = host)]
    host: Option<String>,
    /// The time of the request, such as 2026-12-24T18:00:00Z; by default now
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<OffsetDateTime>,
    /// Where the request comes from
    #[arg(long, value_name = "PLACE", default_value = "internet", value_parser = one_of(&Origin::ALL, Origin::as_str))]
    from: Origin,
    /// Take what could not be read as silent: it grants nothing and denies nothing
    #[arg(long)]
    lenient: bool,
    /// Of a job: whether it may be run with other arguments, variables or counts than its own
    #[arg(long)]
    with_overrides: bool,
    #[command(flatten)]
    kind: KindOption,
}

fn path(text: &str) -> Result<String, String> {
    if text.starts_with('/') && text.parse::<Uri>().is_ok() {
        Ok(text.split(['?', '#']).next().unwrap_or_default().to_owned())
    } else {
        Err("a path starts with `/`".to_owned())
    }
}

fn host(text: &str) -> Result<String, String> {
    let is_bare =
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c));
    if is_bare {
        Ok(text.to_owned())
    } else {
        Err("write a host alone, such as shop.example.com".to_owned())
    }
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, CommandError> {
    cx.check_format::<ExplainReport>()?;
    let (typed, target) = operands(cx, &args).await?;
    let argument = MemberArg::parse_held(&typed);
    let wanted = args.kind.target(cx, &target)?;
    let found = lookup::find_target(cx, &wanted).await?;
    let resolved = resolve(cx, &[argument]).await?;
    for note in &resolved.notes {
        cx.terminal.note(note);
    }
    let who = resolved.members.first().cloned().unwrap_or_else(Member::all_users);
    let check_held = |around: &ResourceEvidence| {
        let mut held = around.allow.iter().flat_map(|layer| layer.read.iter().flatten());
        let is_held = held.any(|grant| grant.member.as_str() == who.as_str());
        resolved.check_held(cx, |_| is_held)
    };
    if who.kind() == MemberKind::Deleted {
        return Err(CommandError::usage(format!("`{who}` is deleted, and can do nothing")));
    }
    let account = cx.identity().ok().and_then(|identity| identity.account.clone());
    // Cloud Run can test permissions only for the caller, and only for now.
    let is_self = args.at.is_none()
        && account.is_some_and(|account| Member::of_account(&account).same_as(&who));
    let from = args.from;
    let address = match &wanted {
        TargetRef::Service(ServiceRef::Url(address)) => Some(address),
        _ => None,
    };
    let host = args.host.clone().or(address.map(|address| address.host().to_owned()));
    let at = args.at.unwrap_or_else(|| cx.now());
    // `asked` holds path and host, for services only.
    let say = |decision: &Decision<'_>, asked: Option<(&str, Option<&str>)>, fix: Vec<String>| {
        let time = at.format(&Rfc3339).unwrap_or_default();
        let (path, host) = asked.unzip();
        let request = RequestShape {
            path: path.map(str::to_owned),
            host: host.flatten().map(str::to_owned),
            time,
            from: asked.map(|_| from),
            with_overrides: asked.is_none().then_some(args.with_overrides),
        };
        let names = (who.to_string(), found.to_string());
        let taken = (cx.is_sandbox(), args.lenient);
        cx.report(&ExplainReport::new(taken, names, request, decision, fix))?;
        Ok(match decision.acted_on(args.lenient) {
            Verdict::Allowed => ExitCode::Done,
            Verdict::Denied => ExitCode::No,
            Verdict::Unknown => ExitCode::Undetermined,
        }
        .number())
    };
    let gateway = cx.gateway().await?;
    let whose = Subject::One { member: &who, is_self };
    let Target::Service(name) = &found else {
        if args.path.is_some() || args.host.is_some() || from != Origin::Internet {
            let (named, is) = (cx.named(&found), with_article(found.noun()));
            return Err(CommandError::usage(format!("`{named}` is {is}, and has no address"))
                .because("`--path`, `--host` and `--from` are about requests to a service"));
        }
        return of_job(cx, &args, (&found, &who), (whose, at), (&say, &check_held)).await;
    };
    asked_of(cx, &found, args.with_overrides)?;
    let gathered = match gateway.gather(name, whose).await {
        Ok(gathered) => gathered,
        // A caller with only the Invoker role gets an answer too.
        Err(failure) if is_self && failure.kind == FailureKind::PermissionDenied => {
            let Ok(Some(told)) = gateway.may_invoke(name).await else {
                return Err(lookup::unread(cx, name, failure).await);
            };
            let path = path_seen(&args, address, None);
            let asked = Some((path.as_str(), host.as_deref()));
            return say(&decide_unread(told, &why(&failure)), asked, Vec::new());
        }
        Err(failure) => return Err(lookup::unread(cx, name, failure).await),
    };
    check_held(&gathered.around)?;
    // The path that a function receives starts after its name.
    let path = path_seen(&args, address, Some(&gathered.service));
    let (host, entry) = match &host {
        Some(host) => (Some(host.clone()), entry_at(gateway, &gathered.service, host).await),
        // No API lists the domains of load balancers.
        None if from == Origin::LoadBalancer => (None, Entry::Domain),
        None => {
            let own = gathered.service.url.as_ref().or(gathered.service.urls.first());
            (own.map(|url| bare(url).to_owned()), Entry::DefaultUrl)
        }
    };
    let request = Request { path: Some(&path), host: host.as_deref(), time: at, from, entry };
    let decision = gathered.decide_for(&who, &request);
    let denied = decision.verdict == Verdict::Denied;
    let mut fix = Vec::new();
    if denied {
        let constraints = constraints(cx, &gathered, &decision).await;
        let (gathered, constraints) = (&gathered, constraints.as_ref());
        let (decision, request, who) = (&decision, &request, &who);
        let refused = Refused { gathered, decision, request, who, constraints };
        if let Some(note) = elsewhere(&refused) {
            cx.terminal.note(&note);
        }
        fix = remedies(cx, &refused);
    }
    say(&decision, Some((&path, host.as_deref())), fix)
}

/// The path that the service receives: for a function's address, the part after its name.
fn path_seen(args: &Args, address: Option<&Address>, service: Option<&Service>) -> String {
    let typed = address.map(Address::path).filter(|path| !path.is_empty());
    let own = || {
        let claim = claim(service?, address?)?;
        let rest = address?.path().strip_prefix(claim.path.as_str()).filter(|_| claim.is_own)?;
        Some(if rest.is_empty() { "/" } else { rest })
    };
    args.path.as_deref().or_else(own).or(typed).unwrap_or("/").to_owned()
}

/// Whether a principal may run a job.
async fn of_job(
    cx: &Context,
    args: &Args,
    (found, who): (&Target, &Member),
    (whose, at): (Subject<'_>, OffsetDateTime),
    (say, check_held): (
        &impl Fn(&Decision<'_>, Option<(&str, Option<&str>)>, Vec<String>) -> Result<u8, CommandError>,
        &impl Fn(&ResourceEvidence) -> Result<(), CommandError>,
    ),
) -> Result<u8, CommandError> {
    let permission = asked_of(cx, found, args.with_overrides)?;
    let gateway = cx.gateway().await?;
    let (around, told) = match gateway.gather_workload(found, whose, permission).await {
        Ok(read) => read,
        Err(failure) => return Err(lookup::unread_target(cx, found, failure).await),
    };
    check_held(&around)?;
    let decision = around.decide_for(who, permission, at, told);
    let named = cx.named_to_others(found);
    let fix = match (decision.verdict, decision.blocked_by()) {
        // A job accepts only named principals.
        (Verdict::Denied, Some(Layer::Allow)) if !who.is_public() => {
            let with = if args.with_overrides { " --with-overrides" } else { "" };
            vec![cx.suggest_to_others(&format!("{}{with}", grant(who, &named)))]
        }
        _ => Vec::new(),
    };
    say(&decision, None, fix)
}

/// The permission that a resource requires. Only jobs run with overrides.
pub(super) fn asked_of(
    cx: &Context,
    target: &Target,
    with_overrides: bool,
) -> Result<Permission<'static>, CommandError> {
    let is_job = matches!(target, Target::Workload(workload) if workload.kind == WorkloadKind::Job);
    if with_overrides && !is_job {
        return Err(CommandError::usage("`--with-overrides` is about running a job")
            .because(format!("a {} is no job, and has none", target.noun()))
            .hint(cx.command_without(&["--with-overrides"])));
    }
    if with_overrides {
        return Ok(RUN_JOB_WITH_OVERRIDES.into());
    }
    target.permission().ok_or_else(|| {
        CommandError::usage(format!("nobody invokes a {}: it has no address", target.noun()))
            .hint(cx.suggest(&format!("policy {}", cx.named(target))))
    })
}

/// The kind of entry of a host; if it is not one of the service's own, domain mappings are read.
async fn entry_at<'a>(gateway: &Gateway, service: &'a Service, host: &str) -> Entry<'a> {
    if let Some(entry) = entry(service, host) {
        return entry;
    }
    match gateway.mappings_of(&service.name).await {
        Err(_) => Entry::Unread,
        Ok(mapped) if mapped.iter().any(|one| one.domain.eq_ignore_ascii_case(host)) => {
            Entry::Domain
        }
        Ok(_) => Entry::Elsewhere,
    }
}

/// The two operands; asks for missing ones.
async fn operands(cx: &Context, args: &Args) -> Result<(String, String), CommandError> {
    if let Some(typed) = &args.member {
        check_order(cx, typed, args.service.as_slice())?;
    }
    match (&args.member, &args.service) {
        (Some(member), Some(service)) => Ok((member.clone(), service.clone())),
        (member, _) if !cx.terminal.interactive => {
            Err(missing(cx, if member.is_some() { "SERVICE" } else { "MEMBER and SERVICE" }))
        }
        (member, _) => {
            let service = lookup::pick(cx, "Which service?").await?;
            let member = if let Some(member) = member {
                member.clone()
            } else {
                let asked = super::args::members::ask_for_member(cx, "Who?").await?;
                super::args::members::typed(&asked)
            };
            Ok((member, service.to_string()))
        }
    }
}

/// The kind of entry of a host, if it is one of the service's own.
pub(super) fn entry<'a>(service: &'a Service, host: &str) -> Option<Entry<'a>> {
    let is_host = |url: &String| bare(url).eq_ignore_ascii_case(host);
    if service.urls.iter().chain(&service.url).any(is_host) {
        return Some(Entry::DefaultUrl);
    }
    let of_tag = |tag: &&crate::domain::service::TrafficTag| {
        let url = tag.url.as_ref().is_some_and(is_host);
        let by_prefix = host.split_once(TAG_SIGN).is_some_and(|(prefix, rest)| {
            prefix == tag.tag && service.urls.iter().any(|url| bare(url).eq_ignore_ascii_case(rest))
        });
        url || by_prefix
    };
    service.tags.iter().find(of_tag).map(|tag| Entry::Tag(&tag.tag))
}

/// The host of an address.
fn bare(url: &str) -> &str {
    without_scheme(url).split(['/', ':', '?', '#']).next().unwrap_or_default()
}

/// An address without its scheme; the rest may contain another.
fn without_scheme(url: &str) -> &str {
    url.split_once("://").filter(|(scheme, _)| !scheme.contains('.')).map_or(url, |(_, rest)| rest)
}
