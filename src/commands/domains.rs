//! `domains`: lists domain mappings; `domains map` and `domains unmap`.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};

use super::args::complete;
use super::args::members::service;
use super::args::write::{Reported, WriteOptions, finish, report};
use crate::change::{self, ChangeResult};
use crate::cloud::{Mappings, Unreadable};
use crate::context::Context;
use crate::domain::error::{CommandError, ErrorKind};
use crate::domain::exit_code::ExitCode;
use crate::domain::mapping::{Certificate, DomainMapping, is_domain};
use crate::domain::plan::{Change, MapDomain, UnmapDomain};
use crate::domain::resource::ServiceName;
use crate::domain::target::{MappingName, Target};
use crate::lookup::{self, Targets};
use crate::report::{DomainRow, DomainsReport, UnknownRow};

/// How many domains are resolved at a time.
const WIDTH: usize = 8;

/// Show custom domains: where each leads, its certificate, the DNS records that it needs
///
/// Domain mappings alone: what a load balancer serves is not listed by Cloud Run.
#[derive(clap::Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  runaccess domains
  runaccess domains storefront --check
  runaccess domains map shop.example.com storefront"
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Verb>,
    /// Only those of this service
    #[arg(value_name = "SERVICE", add = complete::services())]
    service: Option<String>,
    /// Ask the public DNS whether the records resolve as they should; exit with 3 where one does not
    #[arg(long)]
    check: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Have a domain lead to a service; its certificate is made by Google once the DNS leads there
    Map(MapArgs),
    /// Have a domain lead nowhere; its certificate is given up
    Unmap(UnmapArgs),
}

#[derive(clap::Args, Debug)]
struct MapArgs {
    /// The domain, of which the ownership must be verified
    #[arg(value_name = "DOMAIN", value_parser = domain)]
    domain: String,
    /// NAME, REGION/NAME, full resource name, or any of its URLs
    #[arg(value_name = "SERVICE", add = complete::services())]
    service: String,
    /// Take the domain from wherever it is mapped now
    #[arg(long)]
    force_override: bool,
    #[command(flatten)]
    write: WriteOptions,
}

#[derive(clap::Args, Debug)]
struct UnmapArgs {
    /// The domain
    #[arg(value_name = "DOMAIN", value_parser = domain)]
    domain: String,
    /// The service that it must lead to
    #[arg(value_name = "SERVICE", add = complete::services())]
    service: Option<String>,
    #[command(flatten)]
    write: WriteOptions,
}

fn domain(text: &str) -> Result<String, String> {
    let lowered = text.trim_end_matches('.').to_ascii_lowercase();
    let bare = lowered.strip_prefix("https://").unwrap_or(&lowered).trim_end_matches('/');
    if is_domain(bare) {
        Ok(bare.to_owned())
    } else {
        Err("write a domain, such as shop.example.com".to_owned())
    }
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, CommandError> {
    match args.command {
        Some(Verb::Map(args)) => Box::pin(map(cx, args)).await,
        Some(Verb::Unmap(args)) => Box::pin(unmap(cx, args)).await,
        None => show(cx, args.service.as_deref(), args.check).await,
    }
}

async fn show(cx: &Context, typed: Option<&str>, check: bool) -> Result<u8, CommandError> {
    cx.check_format::<DomainsReport>()?;
    let wanted = match typed {
        Some(typed) => Some(lookup::find(cx, &service(cx, typed)?).await?.name),
        None => None,
    };
    let (project, region) = match &wanted {
        Some(name) => (name.project().to_owned(), name.region().to_owned()),
        None => (cx.project()?.value, cx.region_of_the_command_line()?),
    };
    let gateway = cx.gateway().await?;
    let Mappings { found: mut mappings, unread } = listed(cx, &project, &region).await?;
    lookup::warn_of(cx, &unread);
    mappings.retain(|mapping| region == "-" || mapping.region == region);
    if let Some(name) = &wanted {
        mappings.retain(|mapping| mapping.leads_to() == *name);
    }
    if mappings.is_empty() && unread.is_empty() {
        cx.terminal.note(&match &wanted {
            Some(name) => format!("no domain is mapped to `{}`", cx.named(name)),
            None => format!("no domain is mapped to a service of project `{project}`"),
        });
    }
    let rows = mappings.into_iter().map(|mapping| async move {
        if !check {
            return DomainRow::new(mapping, None);
        }
        let looks = mapping.records.iter().map(|record| gateway.resolves(&mapping.domain, record));
        let looked = futures::future::join_all(looks).await;
        DomainRow::new(mapping, Some(looked))
    });
    let rows: Vec<DomainRow> = futures::future::join_all(rows).await;
    let code = if rows.iter().any(DomainRow::is_wrong) {
        ExitCode::No
    } else if rows.iter().any(DomainRow::is_unknown) {
        ExitCode::Undetermined
    } else if unread.is_empty() {
        ExitCode::Done
    } else {
        ExitCode::Partial
    };
    let unsure = rows.iter().filter(|row| check && row.certificate != Certificate::Ready);
    let shut_out = stream::iter(unsure)
        .map(async |row| Some((row.domain.clone(), gateway.other_authorities(&row.domain).await?)));
    let shut_out: BTreeMap<String, String> =
        shut_out.buffered(WIDTH).filter_map(async |found| found).collect().await;
    let mut obstacles: Vec<String> = Vec::new();
    for row in rows.iter().filter(|_| check) {
        if row.is_behind_a_proxy {
            obstacles.push(format!(
                "`{}`: a proxy in front answers in place of Google; while it does, no certificate is made \
                 or renewed",
                row.domain
            ));
        }
        if let Some(only) = shut_out.get(&row.domain) {
            obstacles.push(format!(
                "`{}`: its CAA records let {only} make certificates, and not Google (`pki.goog`)",
                row.domain
            ));
        }
    }
    let waiting: Vec<String> = rows
        .iter()
        .filter_map(|row| Some(format!("`{}`: {}", row.domain, row.message.as_ref()?)))
        .collect();
    let unknown = unread.into_iter().map(|Unreadable { what, why, .. }| UnknownRow { what, why });
    let unknown = unknown.collect();
    cx.report(&DomainsReport { sandbox: cx.is_sandbox(), domains: rows, unknown })?;
    for line in obstacles {
        cx.terminal.warning(&line);
    }
    for line in waiting {
        cx.terminal.note(&line);
    }
    Ok(code.number())
}

async fn map(cx: &Context, args: MapArgs) -> Result<u8, CommandError> {
    args.write.check_format(cx)?;
    let name = lookup::find(cx, &service(cx, &args.service)?).await?.name;
    let gateway = cx.gateway().await?;
    // A missing service is reported before a domain that is not verified.
    let facts = match gateway.service(&name).await {
        Ok(facts) => facts,
        Err(failure) => return Err(lookup::unread(cx, &name, failure).await),
    };
    let known = match gateway.domain_mappings(name.project()).await {
        Ok(known) => known,
        // Google itself refuses a domain that is mapped elsewhere, unless the mapping is forced.
        Err(failure) if args.force_override => return Err(failure.into()),
        Err(_) => gateway.domain_mappings_in(name.project(), name.region()).await?,
    };
    let elsewhere =
        |mapping: &&DomainMapping| mapping.domain == args.domain && mapping.region != name.region();
    let is_found = |mapping: &DomainMapping| mapping.domain == args.domain;
    if !known.found.iter().any(is_found) {
        check_read(&args.domain, &known)?;
    }
    if let Some(mapping) = known.found.iter().find(elsewhere) {
        let to = mapping.leads_to();
        let message = format!("`{}` leads to `{}` already", args.domain, cx.named(&to));
        return Err(CommandError::new(ErrorKind::FailedPrecondition, message)
            .because("a domain leads to one service at a time")
            .hint(cx.suggest(&format!("domains unmap {}", args.domain))));
    }
    let change = MapDomain { service: name.service().to_owned(), force: args.force_override };
    let reported = make(cx, &args.domain, &name, &change, &args.write).await?;
    if reported.code == ExitCode::Done.number() && !args.write.only_shows() {
        tell_records(cx, &args.domain, &name).await?;
        let url = format!("https://{}", args.domain);
        if facts.invoker_check && !facts.custom_audiences.contains(&url) {
            cx.terminal.note(
                "where a token is asked for, it is for the service's own URL; for it to take tokens \
                 for the domain too:",
            );
            let short = cx.named(&name);
            cx.terminal.hint(&cx.suggest(&format!("audience add {short} {url}")));
        }
    }
    let code = reported.code;
    reported.tell_undo(cx);
    Ok(code)
}

async fn unmap(cx: &Context, args: UnmapArgs) -> Result<u8, CommandError> {
    args.write.check_format(cx)?;
    let project = cx.project()?.value;
    let region = cx.region_of_the_command_line()?;
    let known = listed(cx, &project, &region).await?;
    let Some(mapping) = known.found.iter().find(|mapping| mapping.domain == args.domain) else {
        check_read(&args.domain, &known)?;
        // Nothing to do.
        let domain = &args.domain;
        cx.terminal.note(&format!("`{domain}` is mapped to no service of project `{project}`"));
        let result = ChangeResult { outcomes: Vec::new(), partly_searched: false };
        return finish(cx, result, &args.write);
    };
    if let Some(typed) = &args.service {
        let wanted = lookup::find(cx, &service(cx, typed)?).await?.name;
        let to = mapping.leads_to();
        if to != wanted {
            let message = format!(
                "`{}` leads to `{}`, not to `{}`",
                args.domain,
                cx.named(&to),
                cx.named(&wanted)
            );
            return Err(CommandError::new(ErrorKind::NotExpected, message)
                .hint(cx.suggest(&format!("domains unmap {}", args.domain))));
        }
    }
    let to = mapping.leads_to();
    let reported = make(cx, &args.domain, &to, &UnmapDomain, &args.write).await?;
    let code = reported.code;
    reported.tell_undo(cx);
    Ok(code)
}

/// Lists the mappings of one region or of all. One region may be readable if all are not.
async fn listed(cx: &Context, project: &str, region: &str) -> Result<Mappings, CommandError> {
    let listed = cx.gateway().await?.domain_mappings_in(project, region).await;
    listed.map_err(|failure| {
        let error = CommandError::from(failure);
        match region {
            "-" => error.hint(cx.command_with_option("--region", Some("REGION"))),
            _ => error,
        }
    })
}

/// Refuses to plan on an incomplete list: the domain may be mapped in the missing region.
fn check_read(domain: &str, known: &Mappings) -> Result<(), CommandError> {
    let Some(unread) = known.unread.first() else { return Ok(()) };
    let message = format!("cannot tell whether `{domain}` is mapped: nothing was changed");
    Err(CommandError::new(ErrorKind::Partial, message)
        .because(format!("{}: {}", unread.what, unread.why)))
}

/// Changes a domain mapping in the region of a service, and reports it.
async fn make(
    cx: &Context,
    domain: &str,
    service: &ServiceName,
    change: &impl Change,
    write: &WriteOptions,
) -> Result<Reported, CommandError> {
    let target = Target::Mapping(MappingName {
        project: service.project().to_owned(),
        region: service.region().to_owned(),
        domain: domain.to_owned(),
    });
    let targets = Targets { names: vec![target], ..Targets::default() };
    let result = change::run(cx, targets, change, &write.options()).await?;
    report(cx, result, write)
}

/// Prints the DNS records that the certificate needs.
async fn tell_records(
    cx: &Context,
    domain: &str,
    service: &ServiceName,
) -> Result<(), CommandError> {
    let known = cx.gateway().await?;
    let known = known.domain_mappings_in(service.project(), service.region()).await?;
    let Some(mapping) = known.found.into_iter().find(|mapping| mapping.domain == domain) else {
        return Ok(());
    };
    let row = DomainRow::new(mapping, None);
    if row.certificate != Certificate::Ready && !row.records.is_empty() {
        cx.terminal.note("set this in the DNS of the domain; its certificate is made after that:");
        for record in &row.records {
            cx.terminal.say(&format!("  {}", record.line()));
        }
        let short = cx.named(service);
        cx.terminal.hint(&cx.suggest(&format!("domains {short} --check")));
    }
    Ok(())
}
