//! `who`

use super::completing;
use super::members::one_service;
use crate::cloud::For;
use crate::context::Context;
use crate::domain::evidence::Gathered;
use crate::domain::exposure::judge_all;
use crate::domain::member::{Member, MemberKind};
use crate::domain::principal::is_service_agent;
use crate::domain::role::{INVOKE, MINT_ID_TOKEN};
use crate::error::CommandError;
use crate::exit_code::ExitCode;
use crate::lookup;
use crate::report::{DenyRow, IndirectRow, InvokerRow, UnknownRow, WhoReport};

/// Show who can invoke a service, and through what
///
/// Reads the service's own policy and those of its project, folders and organisation, custom roles and
/// deny policies. What may not be read is said to be unknown.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  runaccess who orders
  runaccess who orders --indirect
  runaccess who orders --strict -o 'value(member,state)'")]
pub(super) struct Args {
    /// NAME, REGION/NAME, full resource name, or any of its URLs
    #[arg(value_name = "SERVICE", add = completing::services())]
    service: Option<String>,
    /// Also show who could make themselves an invoker: by the service's policy, or by tokens of an
    /// account that is one
    #[arg(long)]
    indirect: bool,
    /// Exit with 9 where something could not be read
    #[arg(long)]
    strict: bool,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, CommandError> {
    cx.check_format::<WhoReport>()?;
    let found = one_service(cx, args.service.as_deref(), "Who can invoke which service?").await?;
    let gathered = match cx.gateway().await?.gather(&found.name, For::Anyone).await {
        Ok(gathered) => gathered,
        Err(failure) => return Err(lookup::unread(cx, &found.name, failure).await),
    };
    let now = cx.now();
    let exposure = gathered.weigh(|evidence| judge_all(evidence, now));
    let invokers = InvokerRow::all(&gathered, now);
    let mut unknown = unknown(&gathered);
    let indirect = if args.indirect {
        let (rows, more) = indirect(cx, &gathered).await?;
        unknown.extend(more);
        Some(rows)
    } else {
        None
    };
    if invokers.is_empty() {
        let short = found.name.short();
        let known = if unknown.is_empty() { "by any policy" } else { "by what could be read" };
        cx.terminal.note(&format!("nobody can invoke `{short}`, {known}"));
    }
    cx.report(&WhoReport {
        sandbox: cx.is_sandbox(),
        service: found.name.to_string(),
        exposure: exposure.exposure.as_str(),
        invokers,
        iap: InvokerRow::past_iap(&gathered, now),
        deny: DenyRow::all(&gathered),
        indirect,
        unknown: unknown.clone(),
    })?;
    for row in &unknown {
        cx.terminal.note(&format!("unknown: {}: {}", row.what, row.why));
    }
    let is_partial = args.strict && !unknown.is_empty();
    Ok(if is_partial { ExitCode::Undetermined } else { ExitCode::Done }.number())
}

/// Layers that could not be read, and roles of which it is not known what they carry.
fn unknown(gathered: &Gathered) -> Vec<UnknownRow> {
    let unread = gathered.unread().map(|(what, why)| UnknownRow { what, why: why.to_owned() });
    let mut rows: Vec<UnknownRow> = unread.collect();
    let granted = || gathered.allow.iter().flat_map(|layer| layer.read.iter().flatten());
    for grant in granted().filter(|grant| gathered.carries(&grant.role, INVOKE).is_none()) {
        let holders = granted().filter(|other| other.role == grant.role);
        let mut holders: Vec<String> = holders.map(|other| other.member.to_string()).collect();
        holders.dedup();
        let row = UnknownRow {
            what: format!("role {}", grant.role),
            why: format!("whether it can invoke is not known; held by {}", holders.join(", ")),
        };
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    rows
}

/// Who could make themselves an invoker, and what of it could not be read.
async fn indirect(
    cx: &Context,
    gathered: &Gathered,
) -> Result<(Vec<IndirectRow>, Vec<UnknownRow>), CommandError> {
    let now = cx.now();
    let mut rows = IndirectRow::setters(gathered, now);
    let mut unknown = Vec::new();
    let granted = gathered.allow.iter().flat_map(|layer| layer.read.iter().flatten());
    let mut accounts: Vec<Member> = granted
        .filter(|grant| grant.member.kind() == MemberKind::ServiceAccount && grant.counts(now))
        .filter(|grant| gathered.carries(&grant.role, INVOKE) == Some(true))
        .map(|grant| grant.member.clone())
        // Nobody acts as Google's own accounts, and those of a cluster are no accounts.
        .filter(|member| !is_service_agent(member.address()) && member.address().contains('@'))
        .collect();
    accounts.sort();
    accounts.dedup_by(|a, b| a.same_as(b));
    let gateway = cx.gateway().await?;
    let above = accounts.iter().map(|account| gateway.account_policies(account.address()));
    for (account, layers) in accounts.iter().zip(futures::future::join_all(above).await) {
        let on = account.address();
        for layer in layers.iter().filter(|layer| layer.read.is_err()) {
            let why = layer.read.as_ref().err().cloned().unwrap_or_default();
            let row = UnknownRow { what: format!("the policy of {}", layer.resource), why };
            if !unknown.contains(&row) {
                unknown.push(row);
            }
        }
        rows.extend(IndirectRow::holders(gathered, &layers, MINT_ID_TOKEN, on, now));
    }
    Ok((rows, unknown))
}
