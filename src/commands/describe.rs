//! `describe`: shows one service and everything that affects access to it.

use super::args::complete;
use super::args::members::one_service;
use crate::cloud::Subject;
use crate::context::Context;
use crate::domain::error::CommandError;
use crate::domain::exit_code::ExitCode;
use crate::domain::exposure::judge_all;
use crate::domain::resource::ServiceName;
use crate::domain::service::Service;
use crate::domain::ways_in::ways_into;
use crate::lookup;
use crate::report::{InvokerRow, ReadState, ServiceReport};

/// Describe a service: everything that bears on who can reach and invoke it
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// NAME, REGION/NAME, full resource name, or any of its URLs
    #[arg(value_name = "SERVICE", add = complete::services())]
    service: Option<String>,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, CommandError> {
    cx.check_format::<ServiceReport>()?;
    let found = one_service(cx, args.service.as_deref(), "Describe which service?").await?;
    let (report, unread) = read(cx, &found.name).await?;
    for line in &unread {
        cx.terminal.warning(line);
    }
    cx.report(&report)?;
    Ok(if unread.is_empty() { ExitCode::Done } else { ExitCode::Partial }.number())
}

/// Reads a service and everything that affects it. If the policy or the domain mappings cannot be
/// read, they are unknown, and a note says so.
pub(super) async fn read(
    cx: &Context,
    name: &ServiceName,
) -> Result<(ServiceReport, Vec<String>), CommandError> {
    let gateway = cx.gateway().await?;
    let (gathered, domains, as_set) = tokio::join!(
        gateway.gather(name, Subject::Anyone),
        gateway.mappings_of(name),
        Box::pin(gateway.ingress_as_set(name))
    );
    let gathered = match gathered {
        Ok(gathered) => gathered,
        Err(failure) => return Err(lookup::unread(cx, name, failure).await),
    };
    let now = cx.now();
    let exposure = gathered.weigh(|evidence| judge_all(evidence, now));
    let short = name.short();
    let policy = gathered.around.allow.first().and_then(|own| own.read.as_ref().err());
    let policy = policy.map(|why| format!("could not read the policy of `{short}`: {why}"));
    let invokers = policy.is_none().then(|| InvokerRow::all(ways_into(&gathered, now), now));
    let mapped = domains.as_ref().err();
    let mapped = mapped.map(|why| format!("could not read the domains of `{short}`: {why}"));
    let inherited = ReadState::of(gathered.around.is_inherited_read());
    let service = gathered.service;
    let ingress_set = as_set.filter(|set| *set != service.ingress);
    let service = Service { ingress_set, ..service };
    // An agent does not call as its service account.
    let agent_identity = if service.is_agent == Some(true) {
        let agent = gateway.agent_identity(name).await;
        Some(agent.map_or_else(|why| format!("unknown: {why}"), |agent| agent.to_string()))
    } else {
        None
    };
    let report =
        ServiceReport::new((cx.is_sandbox(), inherited), service, exposure, invokers, domains.ok());
    let unread = policy.into_iter().chain(mapped).collect();
    Ok((ServiceReport { agent_identity, ..report }, unread))
}
