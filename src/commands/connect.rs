//! `connect`: allows a caller to call services, and prints how it calls them.

mod caller;

use self::caller::{Callee, Caller, callees, caller, creation, grant_to_caller, second_grant};
use super::args::complete;
use super::args::members::service;
use super::args::write::{WriteOptions, report_as};
use crate::change::{self, Remarks};
use crate::cloud::Subject;
use crate::context::Context;
use crate::domain::access::{Entry, Origin, Outcome, Request, Verdict};
use crate::domain::caller::{CallsFrom, Via};
use crate::domain::error::CommandError;
use crate::domain::evidence::said_by;
use crate::domain::exit_code::ExitCode;
use crate::domain::plan::Connect;
use crate::domain::principal::Caller as Asker;
use crate::domain::resource::ServiceName;
use crate::domain::target::Target;
use crate::lookup;
use crate::report::{ChangesReport, ConnectReport, Language, ProgramRow, VerifiedRow, set_up};

/// Let one service call another
///
/// CALLER is a service or a job, by the account that it runs as, or a service account; an agent identity or
/// a federated principal calls by the account that `--as` names. That account is granted
/// the invoker role; what else a caller of Google's needs (`--via`) is granted in the same change. Then
/// it is checked whether the caller gets through, and the program that it calls with is printed, with
/// the audience of the service.
#[derive(clap::Args, Debug)]
#[command(
    override_usage = "runaccess connect [OPTIONS] CALLER SERVICE...\n       \
                      runaccess connect [OPTIONS] --via VIA --as ACCOUNT SERVICE...",
    after_help = "Examples:
  runaccess connect storefront orders
  runaccess connect storefront orders --create-service-account
  runaccess connect ci@p.iam.gserviceaccount.com orders --code python > call.py
  runaccess connect my-agent orders --as caller@p.iam.gserviceaccount.com
  runaccess connect --via scheduler --as runner@p.iam.gserviceaccount.com reports"
)]
pub(super) struct Args {
    /// The caller, then the services that it calls; with `--via` services alone
    #[arg(value_name = "CALLER SERVICE", add = complete::services())]
    operands: Vec<String>,
    /// Who calls: a service of Google's, with tokens of the account that `--as` names
    #[arg(long, value_enum, value_name = "VIA", requires = "as_account")]
    via: Option<ViaValue>,
    /// The service account whose tokens are sent: by `--via`, by an agent or by a federated identity
    #[arg(long = "as", value_name = "ACCOUNT")]
    as_account: Option<String>,
    /// Create a service account for the caller, and say how the caller is made to run as it
    #[arg(
        long,
        value_name = "ID",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        conflicts_with = "via"
    )]
    create_service_account: Option<String>,
    /// Print these programs alone, or none
    #[arg(
        long,
        value_enum,
        value_name = "LANGUAGE",
        value_delimiter = ',',
        conflicts_with = "via"
    )]
    code: Vec<CodeValue>,
    #[command(flatten)]
    write: WriteOptions,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ViaValue {
    Pubsub,
    Scheduler,
    Tasks,
    Eventarc,
    Workflows,
}

impl From<ViaValue> for Via {
    fn from(value: ViaValue) -> Self {
        match value {
            ViaValue::Pubsub => Self::PubSub,
            ViaValue::Scheduler => Self::Scheduler,
            ViaValue::Tasks => Self::Tasks,
            ViaValue::Eventarc => Self::Eventarc,
            ViaValue::Workflows => Self::Workflows,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum CodeValue {
    Python,
    Node,
    Go,
    Curl,
    None,
}

impl CodeValue {
    fn language(self) -> Option<Language> {
        match self {
            Self::Python => Some(Language::Python),
            Self::Node => Some(Language::Node),
            Self::Go => Some(Language::Go),
            Self::Curl => Some(Language::Curl),
            Self::None => None,
        }
    }
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, CommandError> {
    match args.write.print {
        None => cx.check_format::<ConnectReport>()?,
        Some(_) => args.write.check_format(cx)?,
    }
    let via = args.via.map(Via::from);
    let (calling, typed) = operands(cx, &args)?;
    let references = typed.iter().map(|typed| service(cx, typed)).collect::<Result<Vec<_>, _>>()?;
    let mut targets = lookup::find_all(cx, &references).await?;
    let callees = callees(cx, &targets.names).await;
    let delegate = args.as_account.as_deref().filter(|_| via.is_none());
    let mut from = caller(cx, &calling, via, delegate, &callees).await?;
    if delegate.is_some() && from.by.is_none() {
        return Err(CommandError::usage(format!("`{calling}` calls as itself"))
            .because("`--as` is for `--via`, for agents and for federated identities")
            .hint(cx.command_without(&["--as"])));
    }
    if let Some(id) = &args.create_service_account {
        Box::pin(creation(cx, &mut from, id)).await?;
    }
    let agent = match via {
        Some(via) => second_grant(cx, &mut from, via).await?,
        None => grant_to_caller(cx, &mut from).await?,
    };
    let asked = targets.names.iter().filter_map(Target::service).cloned().collect::<Vec<_>>();
    if from.create.is_some() || agent.is_some() {
        targets.names.insert(0, Target::Account(from.name.clone()));
    }
    let (notes, warnings) = (from.notes.clone(), from.warnings.clone());
    let options = args.write.remarking(Remarks { notes, warnings, ..Remarks::default() });
    let connect = Connect {
        account: from.account.clone(),
        from: from.calls_from.clone(),
        create: from.create.clone(),
        agent,
    };
    let result = change::run(cx, targets, &connect, &options).await?;
    let failed = result.outcomes.iter().any(|outcome| outcome.error.is_some());
    let verified = if options.only_show || failed {
        Vec::new()
    } else {
        verify(cx, &asked, &from, &callees).await?
    };
    let programs = if failed { Vec::new() } else { programs(cx, &args, via, &from, &callees) };
    from.deploy = from.deploy.filter(|_| !failed);
    let deploy = from.deploy.clone();
    let alone = programs.len() == 1 && args.code.iter().any(|code| code.language().is_some());
    let account = from.account.address().to_owned();
    let shown = verified.clone();
    let reported = report_as(cx, result, &args.write, |cx, outcomes| {
        cx.report(&ConnectReport {
            changes: ChangesReport::new(cx.is_sandbox(), outcomes),
            account,
            verified: shown,
            deploy: deploy.clone(),
            programs,
            programs_alone: alone,
        })
    })?;
    for row in &verified {
        tell(cx, row, &from);
    }
    if let Some(command) = &from.deploy {
        let address = from.account.address();
        let said = format!("`{calling}` does not run as `{address}` yet; this has it do so:");
        cx.terminal.note(&said);
        cx.terminal.labelled_command(command);
    }
    if options.only_show {
        for command in &from.offers {
            cx.terminal.hint(command);
        }
    }
    let code = match reported.code {
        code if code != ExitCode::Done.number() => code,
        _ if verified.iter().any(|row| row.verdict == Verdict::Denied) => ExitCode::No.number(),
        _ if verified.iter().any(|row| row.verdict == Verdict::Unknown) => {
            ExitCode::Undetermined.number()
        }
        code => code,
    };
    reported.tell_undo(cx);
    Ok(code)
}

/// The caller, if one is named, and the services.
fn operands(cx: &Context, args: &Args) -> Result<(String, Vec<String>), CommandError> {
    let usage =
        |what: &str| CommandError::usage(what.to_owned()).hint(format!("{} --help", cx.command()));
    match args.as_account.as_ref().filter(|_| args.via.is_some()) {
        Some(account) if args.operands.is_empty() => {
            Err(usage(&format!("which service `{account}` is to call is missing")))
        }
        Some(account) => Ok((account.clone(), args.operands.clone())),
        None => match args.operands.split_first() {
            Some((caller, services)) if !services.is_empty() => {
                Ok((caller.clone(), services.to_vec()))
            }
            Some((caller, _)) => {
                Err(usage(&format!("SERVICE is missing: which is `{caller}` to call?")))
            }
            None => Err(usage("CALLER and SERVICE are missing")),
        },
    }
}

/// Whether the account is allowed to call each service now, by the rules of `explain`.
async fn verify(
    cx: &Context,
    services: &[ServiceName],
    caller: &Caller,
    callees: &[Callee],
) -> Result<Vec<VerifiedRow>, CommandError> {
    let gateway = cx.gateway().await?;
    let mut rows = Vec::new();
    for name in services {
        let member = &caller.account;
        let whose = Subject::One { member, is_self: false };
        let row = |verdict: Verdict, reason: String| VerifiedRow {
            service: name.to_string(),
            verdict,
            reason,
        };
        let gathered = match gateway.gather(name, whose).await {
            Ok(gathered) => gathered,
            Err(failure) => {
                rows.push(row(Verdict::Unknown, failure.to_string()));
                continue;
            }
        };
        let from = match caller.calls_from {
            CallsFrom::Internet(_) => Origin::Internet,
            // For a caller that may run anywhere, only the permission is reported; the plan warned
            // about the rest.
            CallsFrom::Inside(_) | CallsFrom::Unknown => Origin::Internal,
        };
        // If the default URL of the service is off, the service is called at another address, if one
        // is known.
        let other = callees.iter().find(|callee| callee.service.name == *name);
        let other = other.is_some_and(|callee| callee.url.is_some());
        let entry = match (gathered.service.default_url, other) {
            (false, true) => Entry::Domain,
            _ => Entry::DefaultUrl,
        };
        let request = Request { from, entry, ..Request::any(cx.now()) };
        let decision = gathered.decide(Asker::Verified(member), &request);
        let stopped = decision
            .steps
            .iter()
            .find(|step| step.outcome == Outcome::Block)
            .map(|step| format!("{}: {}", step.layer.as_str(), step.reason));
        rows.push(row(decision.verdict, stopped.unwrap_or_else(|| said_by(&decision).by)));
    }
    Ok(rows)
}

fn tell(cx: &Context, row: &VerifiedRow, caller: &Caller) {
    let short =
        ServiceName::parse(&row.service).map_or(row.service.clone(), |name| cx.named(&name));
    let (address, reason) = (caller.account.address(), &row.reason);
    match row.verdict {
        Verdict::Allowed => {
            cx.terminal.note(&format!("verified: `{address}` may invoke `{short}`: {reason}"));
        }
        Verdict::Denied => {
            cx.terminal
                .warning(&format!("`{address}` does not get through to `{short}`: {reason}"));
        }
        Verdict::Unknown => cx.terminal.warning(&format!(
            "whether `{address}` gets through to `{short}` is unknown: {reason}"
        )),
    }
}

/// The snippets that are printed.
fn programs(
    cx: &Context,
    args: &Args,
    via: Option<Via>,
    caller: &Caller,
    callees: &[Callee],
) -> Vec<ProgramRow> {
    let mut rows = Vec::new();
    for (at, callee) in callees.iter().enumerate() {
        let Callee { service, url: Some(url), audience } = callee else {
            let short = cx.named(&callee.service.name);
            cx.terminal.warning(&format!(
                "`{short}` has no URL that is known here, so no program for it is printed"
            ));
            continue;
        };
        let name = &service.name;
        let row = |language: &'static str, program: String, title: String| ProgramRow {
            service: name.to_string(),
            url: url.clone(),
            audience: audience.clone(),
            language,
            program,
            title,
        };
        if let Some(via) = via {
            let address = caller.account.address();
            let place = (caller.project.as_str(), name.region(), name.service());
            let language = if via == Via::Workflows { "workflow" } else { "gcloud" };
            let text = set_up(via, (url, audience), address, place);
            let title = format!("{}, calling {}:", via.title(), cx.named(name));
            rows.push(row(language, text, title));
            continue;
        }
        let wanted: Vec<Language> = if args.code.is_empty() {
            // One snippet is enough; the JSON has the addresses of all services.
            if at == 0 { Language::ALL.to_vec() } else { Vec::new() }
        } else {
            args.code.iter().filter_map(|code| code.language()).collect()
        };
        for language in wanted {
            let delegate = caller.by.is_some().then(|| caller.account.address());
            let text = language.program(url, audience, delegate);
            let title = format!("{} calling {}:", language.title(), cx.named(name));
            rows.push(row(language.as_str(), text, title));
        }
        if args.code.is_empty() && at > 0 {
            let short = cx.named(name);
            cx.terminal.note(&format!(
                "`{short}` is called the same way, at {url} with audience {audience}"
            ));
        }
    }
    rows
}
