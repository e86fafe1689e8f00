//! `who`: shows the principals that can invoke a service or run a job.

use super::args::complete;
use super::args::members::KindOption;
use super::explain::asked_of;
use crate::cloud::Subject;
use crate::context::Context;
use crate::domain::error::CommandError;
use crate::domain::evidence::{PolicyLayer, ResourceEvidence, Roles, ServiceEvidence, carries};
use crate::domain::exit_code::ExitCode;
use crate::domain::exposure::{Exposure, judge_all};
use crate::domain::invokers::Grant;
use crate::domain::member::Member;
use crate::domain::permission::Permission;
use crate::domain::role::{INVOKE, MINT_ID_TOKEN, PASS_IAP, RUN_JOB, RUN_JOB_WITH_OVERRIDES};
use crate::domain::target::Target;
use crate::domain::ways_in::{
    Means, denials, denials_of, granted, holders, past_iap, unknown_roles, ways_into,
};
use crate::lookup;
use crate::report::{DenyRow, IndirectRow, InvokerRow, UnknownRow, WhoReport};

/// Show who can invoke a service or run a job, and through what
///
/// Reads the service's own policy and those of its project, folders and organisation, custom roles and
/// deny policies. What may not be read is said to be unknown.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  runaccess who orders
  runaccess who orders --indirect
  runaccess who orders --strict -o 'value(member,state)'")]
pub(super) struct Args {
    /// NAME, REGION/NAME, full resource name, any of its URLs, jobs/NAME, functions/NAME,
    /// instances/NAME or worker-pools/NAME
    #[arg(value_name = "SERVICE", add = complete::services())]
    service: Option<String>,
    #[command(flatten)]
    kind: KindOption,
    /// Also show who could make themselves an invoker: by the service's policy, or by tokens of an
    /// account that is one
    #[arg(long)]
    indirect: bool,
    /// Of a job: who may run it with other arguments, variables or counts than its own
    #[arg(long)]
    with_overrides: bool,
    /// Exit with 9 where something could not be read
    #[arg(long)]
    strict: bool,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, CommandError> {
    cx.check_format::<WhoReport>()?;
    let question = "Who can invoke which service?";
    let found = args.kind.one_target(cx, args.service.as_deref(), question).await?;
    let gateway = cx.gateway().await?;
    let now = cx.now();
    if found.permission().is_none() && !args.with_overrides {
        return nobody(cx, &found).await;
    }
    let permission = asked_of(cx, &found, args.with_overrides)?;
    let read = match &found {
        Target::Service(name) => gateway.gather(name, Subject::Anyone).await.map(|gathered| {
            let exposure = gathered.weigh(|evidence| judge_all(evidence, now)).exposure;
            let ways = Ways {
                exposure: Some(exposure),
                invokers: InvokerRow::all(ways_into(&gathered, now), now),
                iap: InvokerRow::all(past_iap(&gathered, now), now),
                deny: denials(&gathered).into_iter().map(DenyRow::new).collect(),
                unknown: unknown(&gathered),
            };
            (ways, gathered.around)
        }),
        job => {
            gateway.gather_workload(job, Subject::Anyone, permission).await.map(|(around, _)| {
                let unread =
                    around.unread().map(|(what, why)| UnknownRow { what, why: why.to_owned() });
                let mut unknown: Vec<UnknownRow> = unread.collect();
                push_new(&mut unknown, said_of_roles(&around.roles, &around.allow, permission));
                let invokers = InvokerRow::all(holders(&around, permission, now), now);
                let deny = denials_of(&around, permission).into_iter().map(DenyRow::new).collect();
                (Ways { exposure: None, invokers, iap: Vec::new(), deny, unknown }, around)
            })
        }
    };
    let (ways, around) = match read {
        Ok(read) => read,
        Err(failure) => return Err(lookup::unread_target(cx, &found, failure).await),
    };
    let Ways { exposure, invokers, iap, deny, mut unknown } = ways;
    let indirect = if args.indirect {
        let (rows, more) = indirect(cx, &around, &found).await?;
        push_new(&mut unknown, more);
        Some(rows)
    } else {
        None
    };
    if invokers.is_empty() {
        let (short, verb) = (found.short(), found.verb());
        cx.terminal.note(&if unknown.is_empty() {
            format!("nobody can {verb} `{short}`, by any policy")
        } else {
            format!("what could be read lets nobody {verb} `{short}`; the rest is unknown")
        });
    }
    cx.report(&WhoReport {
        sandbox: cx.is_sandbox(),
        service: found.to_string(),
        kind: found.kind(),
        exposure,
        invokers,
        iap,
        deny,
        indirect,
        unknown: unknown.clone(),
    })?;
    for row in &unknown {
        cx.terminal.note(&format!("unknown: {}: {}", row.what, row.why));
    }
    let is_partial = args.strict && !unknown.is_empty();
    Ok(if is_partial { ExitCode::Undetermined } else { ExitCode::Done }.number())
}

/// Answers for what nobody invokes, if it is there: a worker pool.
async fn nobody(cx: &Context, found: &Target) -> Result<u8, CommandError> {
    if let Err(failure) = cx.gateway().await?.policy_of(found).await {
        return Err(lookup::unread_target(cx, found, failure).await);
    }
    let (noun, named) = (found.noun(), cx.named(found));
    cx.terminal
        .note(&format!("nobody invokes a {noun}: it has no address, and is not run by anybody"));
    cx.terminal.hint(&cx.suggest(&format!("policy {named}")));
    cx.report(&WhoReport {
        sandbox: cx.is_sandbox(),
        service: found.to_string(),
        kind: found.kind(),
        exposure: None,
        invokers: Vec::new(),
        iap: Vec::new(),
        deny: Vec::new(),
        indirect: None,
        unknown: Vec::new(),
    })?;
    Ok(ExitCode::Done.number())
}

/// The grants and rules that were found.
struct Ways {
    exposure: Option<Exposure>,
    invokers: Vec<InvokerRow>,
    iap: Vec<InvokerRow>,
    deny: Vec<DenyRow>,
    unknown: Vec<UnknownRow>,
}

/// Layers that could not be read, and roles whose permissions are unknown.
fn unknown(gathered: &ServiceEvidence) -> Vec<UnknownRow> {
    let unread = gathered.unread().map(|(what, why)| UnknownRow { what, why: why.to_owned() });
    let mut rows: Vec<UnknownRow> = unread.collect();
    let (roles, asked) = (&gathered.around.roles, gathered.service.name.permission());
    push_new(&mut rows, said_of_roles(roles, &gathered.around.allow, asked));
    push_new(&mut rows, said_of_roles(roles, &gathered.iap, PASS_IAP.into()));
    rows
}

/// The note for roles that may or may not include a permission.
fn said_of_roles(
    roles: &Roles,
    layers: &[PolicyLayer<Grant>],
    permission: Permission<'_>,
) -> Vec<UnknownRow> {
    let does = match permission.as_str() {
        INVOKE => "it can invoke",
        RUN_JOB | RUN_JOB_WITH_OVERRIDES => "it can run jobs",
        MINT_ID_TOKEN => "it gives tokens of the account",
        PASS_IAP => "Identity-Aware Proxy lets it by",
        _ => "it can change the policy",
    };
    let unknown = unknown_roles(roles, layers, permission).into_iter();
    let row = |(role, holders): (&str, Vec<&Member>)| {
        let holders: Vec<&str> = holders.into_iter().map(Member::as_str).collect();
        let one = permission.names().find(|name| carries(roles, role, *name) == Some(true));
        let because = match one {
            Some(one) if permission.is_either() => {
                format!(
                    " is not known: it carries {one}, and Google's own texts disagree on whether \
                     {permission} is asked for"
                )
            }
            _ => " is not known".to_owned(),
        };
        let why = format!("whether {does}{because}; held by {}", holders.join(", "));
        UnknownRow { what: format!("role {role}"), why }
    };
    unknown.map(row).collect()
}

fn push_new(rows: &mut Vec<UnknownRow>, more: Vec<UnknownRow>) {
    for row in more {
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
}

/// Principals that could make themselves invokers, and what could not be read about that.
async fn indirect(
    cx: &Context,
    around: &ResourceEvidence,
    target: &Target,
) -> Result<(Vec<IndirectRow>, Vec<UnknownRow>), CommandError> {
    let now = cx.now();
    let sets = Means::SetPolicy(target.policy_setter());
    let with = |roles: &Roles, layers: &[PolicyLayer<Grant>], means: Means, on: &str| {
        let counting =
            granted(roles, layers, means.as_str().into()).filter(|(_, grant)| grant.counts(now));
        counting.map(|grant| IndirectRow::new(means, grant, on, now)).collect::<Vec<_>>()
    };
    let mut rows = with(&around.roles, &around.allow, sets, &target.to_string());
    let mut unknown = said_of_roles(&around.roles, &around.allow, sets.as_str().into());
    let accounts =
        target.permission().map(|asked| around.accounts_with(asked, now)).unwrap_or_default();
    let gateway = cx.gateway().await?;
    let above =
        accounts.iter().map(|account| gateway.account_policies(account.address(), &around.place));
    for (account, of_account) in accounts.iter().zip(futures::future::join_all(above).await) {
        let ResourceEvidence { allow: layers, mut roles, .. } = of_account;
        let on = account.address();
        roles.extend(around.roles.iter().map(|(name, facts)| (name.clone(), facts.clone())));
        for layer in layers.iter().filter(|layer| layer.read.is_err()) {
            let why = layer.read.as_ref().err().cloned().unwrap_or_default();
            let what = format!("the policy of {}", layer.resource);
            push_new(&mut unknown, vec![UnknownRow { what, why }]);
        }
        rows.extend(with(&roles, &layers, Means::Tokens, on));
        push_new(&mut unknown, said_of_roles(&roles, &layers, MINT_ID_TOKEN.into()));
    }
    Ok((rows, unknown))
}
