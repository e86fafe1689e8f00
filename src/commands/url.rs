//! `url`: prints the addresses of a service.

use super::args::complete;
use super::args::members::one_service;
use crate::context::Context;
use crate::domain::error::CommandError;
use crate::domain::exit_code::ExitCode;
use crate::domain::service::Service;
use crate::lookup;
use crate::report::UrlReport;

/// Print a service's URL
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// NAME, REGION/NAME, full resource name, any of its URLs, or instances/NAME
    #[arg(value_name = "SERVICE", add = complete::services())]
    service: Option<String>,
    /// Print the URL of this traffic tag
    #[arg(long, value_name = "TAG", conflicts_with = "all", add = complete::tags())]
    tag: Option<String>,
    /// Print every URL, one a line: tags and mapped domains too
    #[arg(long)]
    all: bool,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, CommandError> {
    cx.check_format::<UrlReport>()?;
    let found = one_service(cx, args.service.as_deref(), "The URL of which service?").await?;
    let service = match found.facts {
        Some(service) => service,
        None => match cx.gateway().await?.service(&found.name).await {
            Ok(service) => service,
            Err(failure) => return Err(lookup::unread(cx, &found.name, failure).await),
        },
    };
    let urls = if let Some(tag) = &args.tag {
        vec![lookup::tag_url(cx, &service, tag)?]
    } else {
        let domains = if args.all { domains(cx, &service).await } else { Vec::new() };
        own_urls(cx, &service, args.all, domains)?
    };
    cx.report(&UrlReport {
        sandbox: cx.is_sandbox(),
        service: service.name.to_string(),
        url: urls.first().cloned().unwrap_or_default(),
        urls,
    })?;
    Ok(ExitCode::Done.number())
}

/// The addresses at domains that are mapped to a service; a note reports what cannot be read.
async fn domains(cx: &Context, service: &Service) -> Vec<String> {
    let Ok(gateway) = cx.gateway().await else { return Vec::new() };
    let mapped = gateway.mappings_of(&service.name).await.unwrap_or_else(|why| {
        cx.terminal.warning(&format!("the domains that lead there are not known: {why}"));
        Vec::new()
    });
    mapped.into_iter().map(|mapping| format!("https://{}", mapping.domain)).collect()
}

fn own_urls(
    cx: &Context,
    service: &Service,
    all: bool,
    domains: Vec<String>,
) -> Result<Vec<String>, CommandError> {
    let mut urls: Vec<String> = service.urls.clone();
    if all {
        urls.extend(service.tags.iter().filter_map(|tag| tag.url.clone()));
        urls.extend(domains);
    } else {
        urls.truncate(1);
    }
    if !urls.is_empty() {
        return Ok(urls);
    }
    Err(lookup::without_url(cx, service))
}
