//! `list`: shows the services of a project and their exposure.

use std::collections::BTreeSet;

use super::args::complete;
use super::args::global::one_of;
use crate::cloud::{Failure, Listing, ServiceAccess, Unreadable};
use crate::context::Context;
use crate::domain::error::CommandError;
use crate::domain::exit_code::ExitCode;
use crate::domain::exposure::{Exposure, judge};
use crate::domain::invokers::{Grant, invoker_count};
use crate::domain::resource::ServiceRef;
use crate::domain::service::Service;
use crate::lookup;
use crate::report::{Format, RowAccess, ServicesReport, UnknownRow};

/// How many services a summary names.
const NAMED: usize = 6;

/// List services, how exposed each is, and how many may invoke it
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Only these: names, REGION/NAME, patterns such as 'orders-*', URLs
    #[arg(value_name = "SERVICE", add = complete::services())]
    services: Vec<String>,
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

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, CommandError> {
    cx.check_format::<ServicesReport>()?;
    let wanted: Vec<ServiceRef> =
        args.services.iter().map(|text| ServiceRef::parse(text)).collect::<Result<_, _>>()?;
    let named = wanted.iter().find_map(|reference| match reference {
        ServiceRef::Full(name) => Some(name.project().to_owned()),
        _ => None,
    });
    let project = match named {
        Some(project) => project,
        None => cx.project()?.value,
    };
    let region = cx.region_of_the_command_line()?;
    let read = read(cx, &project, &region, &wanted, args.no_access).await?;
    let now = cx.now();
    let mut unknown: Vec<UnknownRow> = read.unreadable.into_iter().map(unknown_row).collect();
    let mut rows = Vec::new();
    let mut open = BTreeSet::new();
    for (service, grants) in read.services {
        if let Err(Some(failure)) = &grants {
            unknown.push(UnknownRow {
                what: format!("policy of {}", service.name.short()),
                why: failure.message.clone(),
            });
        }
        let grants = grants.ok();
        let exposure = judge(&service, grants.as_deref(), now);
        if !args.exposure.is_empty() && !args.exposure.contains(&exposure.exposure) {
            continue;
        }
        if exposure.exposure.is_public() {
            open.insert(service.name.short());
        }
        let invoker_count = grants.map(|grants| invoker_count(&grants, now));
        rows.push((service, RowAccess { exposure, invoker_count }));
    }
    for row in &unknown {
        cx.terminal.warning(&format!("{} could not be read: {}", row.what, row.why));
    }
    let (count, partial) = (rows.len(), !unknown.is_empty());
    cx.report(&ServicesReport::new(cx.is_sandbox(), rows, unknown))?;
    if count == 0 {
        let place = if region == "-" { String::new() } else { format!("region `{region}` of ") };
        let kept: Vec<&str> = args.exposure.iter().map(|kept| kept.as_str()).collect();
        let kept = match kept.join(", ") {
            exposures if exposures.is_empty() => String::new(),
            exposures => format!(" that are {exposures}"),
        };
        cx.terminal.note(&format!("no services in {place}project `{project}`{kept}"));
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

struct Read {
    services: Vec<(Service, Granted)>,
    unreadable: Vec<Unreadable>,
}

async fn read(
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
        if no_access {
            let services = kept.into_iter().map(|service| (service, Err(None))).collect();
            return Ok(Read { services, unreadable });
        }
        let progress = cx.terminal.progress("reading policies");
        let access = gateway.with_grants(kept, |done, known| progress.set(done, known)).await;
        return Ok(Read { services: access.into_iter().map(pair).collect(), unreadable });
    }
    let progress = cx.terminal.progress("reading policies");
    let (access, unreadable) = gateway
        .services_with_grants(project, region, |done, known| progress.set(done, known))
        .await?;
    Ok(Read { services: access.into_iter().map(pair).collect(), unreadable })
}

fn pair(access: ServiceAccess) -> (Service, Granted) {
    (access.service, access.grants.map_err(Some))
}

fn unknown_row(unreadable: Unreadable) -> UnknownRow {
    UnknownRow { what: unreadable.what, why: unreadable.why }
}
