//! `list`: shows the services of a project, and what is like them, with their exposure.

mod beside;

use std::collections::BTreeSet;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::args::complete;
use super::args::global::one_of;
use crate::cloud::{Failure, Listing, ServiceAccess, Unreadable};
use crate::context::Context;
use crate::domain::error::CommandError;
use crate::domain::exit_code::ExitCode;
use crate::domain::exposure::{Exposure, callers_of, judge};
use crate::domain::invokers::{Grant, invoker_count};
use crate::domain::resource::ServiceRef;
use crate::domain::service::Service;
use crate::domain::target::{Kind, TargetRef, WorkloadKind, WorkloadName};
use crate::lookup;
use crate::report::{Format, ListedKind, RowAccess, ServiceRow, ServicesReport, UnknownRow};

/// How many services a summary names.
const NAMED: usize = 6;

/// The word for every kind.
const EVERY_KIND: &str = "all";

/// List services, how exposed each is, and how many may invoke it
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  runaccess list
  runaccess list --exposure public,public-behind-load-balancer --fail
  runaccess list --kind instance
  runaccess list 'orders-*' -o 'value(name,url)'")]
pub(super) struct Args {
    /// Only these: names, REGION/NAME, patterns such as 'orders-*', URLs, jobs/NAME and the like
    #[arg(value_name = "SERVICE", add = complete::services())]
    services: Vec<String>,
    /// What is listed [default: service, and what a SERVICE says that it is]
    #[arg(long, value_name = "KIND", value_parser = kinds())]
    kind: Option<Kinds>,
    /// Read no policies: one request, and exposure known only where no policy is needed
    #[arg(long)]
    no_access: bool,
    /// Keep only rows of these exposures
    #[arg(long, value_name = "EXPOSURE", value_delimiter = ',',
        value_parser = one_of(&Exposure::ALL, Exposure::as_str))]
    exposure: Vec<Exposure>,
    /// Exit with 3 if a row is left
    #[arg(long)]
    fail: bool,
    /// Exit with 0 even if part could not be read
    #[arg(long)]
    allow_partial: bool,
}

/// The value of `--kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kinds {
    All,
    One(ListedKind),
}

fn kinds() -> impl TypedValueParser<Value = Kinds> {
    let words = ListedKind::ALL.into_iter().map(ListedKind::as_str).chain([EVERY_KIND]);
    PossibleValuesParser::new(words).try_map(|typed| {
        let known = ListedKind::ALL.into_iter().find(|kind| kind.as_str() == typed);
        match known {
            Some(kind) => Ok(Kinds::One(kind)),
            None if typed == EVERY_KIND => Ok(Kinds::All),
            None => Err("not one of its values"),
        }
    })
}

/// What is asked for: kinds, and names; no names stand for all.
struct Wanted {
    kinds: BTreeSet<ListedKind>,
    references: Vec<TargetRef>,
}

impl Wanted {
    fn of(args: &Args) -> Result<Self, CommandError> {
        let plain = match args.kind {
            Some(Kinds::One(kind)) => Some(kind_of(kind)),
            Some(Kinds::All) | None => None,
        };
        let parsed = args.services.iter().map(|text| TargetRef::parse(text, plain));
        let references: Vec<TargetRef> = parsed.collect::<Result<_, _>>()?;
        let mut kinds: BTreeSet<ListedKind> = match args.kind {
            Some(Kinds::All) => ListedKind::ALL.into_iter().collect(),
            Some(Kinds::One(kind)) => [kind].into(),
            None => references.iter().map(listed).collect(),
        };
        if kinds.is_empty() {
            kinds.insert(ListedKind::Service);
        }
        Ok(Self { kinds, references })
    }

    /// The services that are named, if nothing else is wanted: they may be named by address too.
    fn services_alone(&self) -> Option<Vec<ServiceRef>> {
        let only = self.kinds.iter().eq(&[ListedKind::Service]);
        let service = |reference: &TargetRef| match reference {
            TargetRef::Service(named) => Some(named.clone()),
            _ => None,
        };
        self.references.iter().map(service).collect::<Option<_>>().filter(|_| only)
    }
}

/// The kind that a plain name has, if rows of one kind are listed.
fn kind_of(listed: ListedKind) -> Kind {
    match listed {
        ListedKind::Service => Kind::Service,
        ListedKind::Function => Kind::Function,
        ListedKind::Instance => Kind::Instance,
        ListedKind::Job => Kind::Workload(WorkloadKind::Job),
        ListedKind::WorkerPool => Kind::Workload(WorkloadKind::WorkerPool),
    }
}

/// The kind of row that a reference asks for.
fn listed(reference: &TargetRef) -> ListedKind {
    match reference.kind() {
        Kind::Service => ListedKind::Service,
        Kind::Function => ListedKind::Function,
        Kind::Instance => ListedKind::Instance,
        Kind::Workload(of) => of.into(),
    }
}

/// One row as it was read.
enum Listed {
    /// What has an address.
    Endpoint(ListedKind, Box<Service>, Granted),
    Workload(WorkloadName, Granted),
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, CommandError> {
    cx.check_format::<ServicesReport>()?;
    let wanted = Wanted::of(&args)?;
    let project = match wanted.references.iter().find_map(TargetRef::project) {
        Some(project) => cx.project_id(project).await,
        None => cx.project()?.value,
    };
    let region = cx.region_of_the_command_line()?;
    let read = if let Some(named) = wanted.services_alone() {
        services(cx, &project, &region, &named, args.no_access).await?
    } else {
        let place = beside::Place { project: &project, region: &region };
        let kinds: Vec<ListedKind> = wanted.kinds.iter().copied().collect();
        beside::read(cx, place, &kinds, &wanted.references, args.no_access).await?
    };
    let now = cx.now();
    let mut unknown: Vec<UnknownRow> = read.unreadable.into_iter().map(unknown_row).collect();
    let mut rows = Vec::new();
    let mut open = BTreeSet::new();
    let keeps = |exposure: Option<Exposure>| {
        args.exposure.is_empty() || exposure.is_some_and(|it| args.exposure.contains(&it))
    };
    let mut known = |short: String, grants: Granted| {
        if let Err(Some(failure)) = &grants {
            unknown.push(UnknownRow {
                what: format!("policy of {short}"),
                why: failure.message.clone(),
            });
        }
        grants.ok()
    };
    for row in read.rows {
        match row {
            Listed::Endpoint(kind, service, grants) => {
                let grants = known(service.name.short(), grants);
                let exposure = judge(&service, grants.as_deref(), now);
                if !keeps(Some(exposure.exposure)) {
                    continue;
                }
                if exposure.exposure.is_public() {
                    open.insert(service.name.short());
                }
                let asked = service.name.permission();
                let invoker_count = grants.map(|grants| invoker_count(&grants, asked, now));
                let access = RowAccess { exposure, invoker_count };
                rows.push(ServiceRow::new(kind, &service, access));
            }
            Listed::Workload(name, grants) => {
                let grants = known(name.short(), grants);
                if !keeps(None) {
                    continue;
                }
                let asked = name.kind.permission();
                let callers = callers_of(asked, grants.as_deref(), now);
                let count = |grants| asked.map_or(0, |asked| invoker_count(grants, asked, now));
                let invoker_count = grants.as_deref().map(count);
                rows.push(ServiceRow::of_workload(&name, callers, invoker_count));
            }
        }
    }
    for row in &unknown {
        cx.terminal.warning(&format!("{} could not be read: {}", row.what, row.why));
    }
    let (count, partial) = (rows.len(), !unknown.is_empty());
    cx.report(&ServicesReport { sandbox: cx.is_sandbox(), services: rows, unknown })?;
    if count == 0 {
        let place = if region == "-" { String::new() } else { format!("region `{region}` of ") };
        let kept: Vec<&str> = args.exposure.iter().map(|kept| kept.as_str()).collect();
        let kept = match kept.join(", ") {
            exposures if exposures.is_empty() => String::new(),
            exposures => format!(" that are {exposures}"),
        };
        let what = match wanted.kinds.first() {
            Some(kind) if wanted.kinds.len() == 1 => format!("{}s", kind.noun()),
            _ => "resources".to_owned(),
        };
        cx.terminal.note(&format!("no {what} in {place}project `{project}`{kept}"));
    } else if !open.is_empty() && cx.format() == Format::Table {
        cx.terminal.note(&summary(&open, count));
    }
    Ok(match (args.fail && count > 0, partial && !args.allow_partial) {
        (true, _) => ExitCode::No.number(),
        (false, true) => ExitCode::Partial.number(),
        (false, false) => ExitCode::Done.number(),
    })
}

/// The public services, the first few by name.
fn summary(open: &BTreeSet<String>, count: usize) -> String {
    let first: Vec<&str> = open.iter().take(NAMED).map(String::as_str).collect();
    let more = match open.len() - first.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let (take, names) = (open.len(), first.join(", "));
    format!("{take} of {count} take callers without any credential: {names}{more}")
}

/// The grants of a policy, the error of reading it, or `None` if it was not read.
type Granted = Result<Vec<Grant>, Option<Failure>>;

#[derive(Default)]
struct Read {
    rows: Vec<Listed>,
    unreadable: Vec<Unreadable>,
}

async fn services(
    cx: &Context,
    project: &str,
    region: &str,
    wanted: &[ServiceRef],
    no_access: bool,
) -> Result<Read, CommandError> {
    let gateway = cx.gateway().await?;
    if no_access || !wanted.is_empty() {
        let listing: Listing = gateway.services(project, region).await?;
        let kept: Vec<Service> = if wanted.is_empty() {
            listing.services
        } else {
            let wanted = lookup::without_domains(cx, wanted.to_vec(), &listing.services).await?;
            lookup::matching(cx, &listing, &wanted)?.into_iter().cloned().collect()
        };
        let unreadable = listing.unreachable;
        let rows = with_grants(cx, kept, no_access).await?.into_iter().map(of_service).collect();
        return Ok(Read { rows, unreadable });
    }
    let progress = cx.terminal.progress("reading policies");
    let (access, unreadable) = gateway
        .services_with_grants(project, region, |done, known| progress.set(done, known))
        .await?;
    Ok(Read { rows: access.into_iter().map(pair).map(of_service).collect(), unreadable })
}

fn of_service((service, granted): (Service, Granted)) -> Listed {
    Listed::Endpoint(ListedKind::Service, Box::new(service), granted)
}

/// Reads the policies of what has an address, unless none are wanted.
async fn with_grants(
    cx: &Context,
    kept: Vec<Service>,
    no_access: bool,
) -> Result<Vec<(Service, Granted)>, CommandError> {
    if no_access {
        return Ok(kept.into_iter().map(|service| (service, Err(None))).collect());
    }
    let progress = cx.terminal.progress("reading policies");
    let gateway = cx.gateway().await?;
    let access = gateway.with_grants(kept, |done, known| progress.set(done, known)).await;
    Ok(access.into_iter().map(pair).collect())
}

fn pair(access: ServiceAccess) -> (Service, Granted) {
    (access.service, access.grants.map_err(Some))
}

fn unknown_row(unreadable: Unreadable) -> UnknownRow {
    UnknownRow { what: unreadable.what, why: unreadable.why }
}
