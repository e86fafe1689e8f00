//! `graph`: shows which principals may invoke which services of a project.

use futures::{StreamExt, stream};

use crate::context::Context;
use crate::domain::error::CommandError;
use crate::domain::exit_code::ExitCode;
use crate::domain::graph::{Node, graph};
use crate::domain::invokers::Grant;
use crate::domain::member::Member;
use crate::domain::resource::ServiceName;
use crate::domain::role::INVOKE;
use crate::lookup;
use crate::report::{Drawing, GraphReport, UnknownRow};

/// How many services are read at a time.
const WIDTH: usize = 16;

/// Show who may call whom in a project
///
/// Services, the accounts that they run as, what each of those may invoke, and who else may: the public,
/// people, groups, accounts that nothing here runs as. What the project, folders and the organisation
/// grant holds for every service.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  runaccess graph
  runaccess graph --mermaid > graph.mmd
  runaccess graph --dot | dot -Tsvg > graph.svg")]
pub(super) struct Args {
    /// Draw it for Mermaid
    #[arg(long, conflicts_with = "dot")]
    mermaid: bool,
    /// Draw it for Graphviz
    #[arg(long)]
    dot: bool,
    /// Leave out what is granted above the services
    #[arg(long)]
    no_inherited: bool,
    /// Exit with 0 even if part could not be read
    #[arg(long)]
    allow_partial: bool,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, CommandError> {
    cx.check_format::<GraphReport>()?;
    let project = cx.project()?.value;
    let region = cx.region_of_the_command_line()?;
    let gateway = cx.gateway().await?;
    let progress = cx.terminal.progress("reading policies");
    let services = async {
        let listing = gateway.services(&project, "-").await?;
        let read = gateway.with_grants(listing.services, |done, known| progress.set(done, known));
        Ok::<_, CommandError>((read.await, listing.unreachable))
    };
    let (services, above) = tokio::join!(services, Box::pin(gateway.above(&project, None)));
    drop(progress);
    let (services, unreachable) = services?;
    lookup::warn_of(cx, &unreachable);
    // A service without an account runs as the default one.
    let default = above.place.number.as_ref().map(|number| {
        Member::of_account(&format!("{number}-compute@developer.gserviceaccount.com"))
    });
    // An agent calls as its agent identity, not as its service account.
    let looks = stream::iter(&services).map(|access| async {
        let name = &access.service.name;
        match gateway.is_agent(name).await {
            Ok(true) => gateway.agent_identity(name).await.map(Some),
            Ok(false) => Ok(None),
            Err(failure) => Err(failure.to_string()),
        }
    });
    let agents: Vec<Result<Option<Member>, String>> = looks.buffered(WIDTH).collect().await;
    let mut unread: Vec<(String, String)> = Vec::new();
    let nodes: Vec<Node> = services
        .into_iter()
        .zip(agents)
        .map(|(access, agent)| Node {
            account: match (agent, &access.service.service_account) {
                (Ok(Some(agent)), _) => Some(agent),
                (Ok(None), Some(account)) => Some(Member::of_account(account)),
                (Ok(None), None) => default.clone(),
                (Err(why), _) => {
                    unread.push((format!("what {} runs as", access.service.name), why));
                    None
                }
            },
            invoker_check: access.service.invoker_check,
            name: access.service.name,
            grants: access.grants.map_err(|failure| failure.to_string()),
        })
        .collect();
    let granted: Vec<Grant> =
        nodes.iter().flat_map(|node| node.grants.iter().flatten()).cloned().collect();
    let mut roles = gateway.roles_granted(&granted).await;
    roles.extend(above.roles);
    let layers = if args.no_inherited { &[][..] } else { &above.allow };
    let mut found = graph(&nodes, layers, &roles, cx.now());
    // Workloads that run as an account are searched in every region; called services only in the
    // selected one.
    let is_there = |name: &ServiceName| region == "-" || name.region() == region;
    found.edges.retain(|edge| edge.service.as_ref().is_none_or(is_there));
    found.unknown.extend(unread);
    found
        .unknown
        .extend(unreachable.into_iter().map(|unreadable| (unreadable.what, unreadable.why)));
    let denies = above.deny.iter().flat_map(|layer| layer.read.iter().flatten());
    if denies.filter(|rule| rule.covers(INVOKE)).count() > 0 {
        cx.terminal.note("deny policies above may keep some of them out: `explain` weighs them");
    }
    let drawing = match (args.mermaid, args.dot) {
        (true, _) => Some(Drawing::Mermaid),
        (_, true) => Some(Drawing::Dot),
        _ => None,
    };
    let nodes: Vec<Node> = nodes.into_iter().filter(|node| is_there(&node.name)).collect();
    let report = GraphReport::new((cx.is_sandbox(), &project), &nodes, found, drawing);
    let unknown: Vec<UnknownRow> = report.unknown.clone();
    cx.report(&report)?;
    for row in &unknown {
        cx.terminal.note(&format!("unknown: {}: {}", row.what, row.why));
    }
    let is_whole = unknown.is_empty() || args.allow_partial;
    Ok(if is_whole { ExitCode::Done } else { ExitCode::Partial }.number())
}
