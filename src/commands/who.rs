//! `who`

use super::completing;
use super::members::one_service;
use crate::cloud::For;
use crate::context::Context;
use crate::domain::evidence::{Gathered, Layered, Roles, carries};
use crate::domain::exposure::judge_all;
use crate::domain::invokers::Grant;
use crate::domain::member::{Member, MemberKind};
use crate::domain::principal::is_service_agent;
use crate::domain::role::{INVOKE, MINT_ID_TOKEN, PASS_IAP, SET_POLICY};
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
        push_new(&mut unknown, more);
        Some(rows)
    } else {
        None
    };
    if invokers.is_empty() {
        let short = found.name.short();
        cx.terminal.note(&if unknown.is_empty() {
            format!("nobody can invoke `{short}`, by any policy")
        } else {
            format!("what could be read lets nobody into `{short}`; the rest is unknown")
        });
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
    push_new(&mut rows, unknown_roles(&gathered.roles, &gathered.allow, INVOKE));
    push_new(&mut rows, unknown_roles(&gathered.roles, &gathered.iap, PASS_IAP));
    rows
}

/// The roles in these policies of which it is not known whether they carry a permission.
fn unknown_roles(roles: &Roles, layers: &[Layered<Grant>], permission: &str) -> Vec<UnknownRow> {
    let granted = || layers.iter().flat_map(|layer| layer.read.iter().flatten());
    let mut rows = Vec::new();
    for grant in granted().filter(|grant| carries(roles, &grant.role, permission).is_none()) {
        let holders = granted().filter(|other| other.role == grant.role);
        let mut holders: Vec<String> = holders.map(|other| other.member.to_string()).collect();
        holders.sort();
        holders.dedup();
        let does = match permission {
            INVOKE => "it can invoke",
            MINT_ID_TOKEN => "it gives tokens of the account",
            PASS_IAP => "Identity-Aware Proxy lets it by",
            _ => "it can change the policy",
        };
        let why = format!("whether {does} is not known; held by {}", holders.join(", "));
        push_new(&mut rows, vec![UnknownRow { what: format!("role {}", grant.role), why }]);
    }
    rows
}

fn push_new(rows: &mut Vec<UnknownRow>, more: Vec<UnknownRow>) {
    for row in more {
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
}

/// Who could make themselves an invoker, and what of it could not be read.
async fn indirect(
    cx: &Context,
    gathered: &Gathered,
) -> Result<(Vec<IndirectRow>, Vec<UnknownRow>), CommandError> {
    let now = cx.now();
    let mut rows = IndirectRow::setters(gathered, now);
    let mut unknown = unknown_roles(&gathered.roles, &gathered.allow, SET_POLICY);
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
    let above =
        accounts.iter().map(|account| gateway.account_policies(account.address(), &gathered.place));
    for (account, (layers, mut roles)) in
        accounts.iter().zip(futures::future::join_all(above).await)
    {
        let on = account.address();
        roles.extend(gathered.roles.iter().map(|(name, facts)| (name.clone(), facts.clone())));
        for layer in layers.iter().filter(|layer| layer.read.is_err()) {
            let why = layer.read.as_ref().err().cloned().unwrap_or_default();
            let what = format!("the policy of {}", layer.resource);
            push_new(&mut unknown, vec![UnknownRow { what, why }]);
        }
        rows.extend(IndirectRow::holders(&roles, &layers, MINT_ID_TOKEN, on, now));
        push_new(&mut unknown, unknown_roles(&roles, &layers, MINT_ID_TOKEN));
    }
    Ok((rows, unknown))
}
