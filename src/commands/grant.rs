//! `grant`: grants principals a role on services.

use super::args::complete;
use super::args::limits::LimitOptions;
use super::args::members::{KindOption, ask_for_member, missing, operands, resolve, role};
use super::args::wait::WaitOptions;
use super::args::write::WriteOptions;
use super::explain::asked_of;
use crate::change::{self, Remarks};
use crate::context::Context;
use crate::domain::error::CommandError;
use crate::domain::member::MemberKind;
use crate::domain::plan::GrantRole;
use crate::domain::role::{INVOKER, Invokes, OF_FUNCTIONS, OVERRIDER, invokes};
use crate::lookup;

/// Grant a principal the right to invoke services and instances, or to run jobs
///
/// A bare address is a user, or a service account by its domain; `me` is the account that acts,
/// `service:NAME` the account that this service runs as. Anything else is written as IAM does:
/// group:team@example.com, domain:example.com, allUsers.
#[derive(clap::Args, Debug)]
#[command(
    override_usage = "runaccess grant [OPTIONS] MEMBER[,MEMBER...] SERVICE...\n       \
                      runaccess grant [OPTIONS] --member MEMBER... SERVICE...",
    after_help = "Examples:
  runaccess grant dev@example.com orders
  runaccess grant group:team@example.com 'orders-*' --dry-run
  runaccess grant service:storefront orders
  runaccess grant ci@p.iam.gserviceaccount.com jobs/nightly
  runaccess grant dev@example.com orders --for 4h --reason 'incident 4711'
  runaccess grant dev@example.com orders --condition 'request.path.startsWith(\"/admin\")' \\
      --condition-title 'admin pages'"
)]
pub(super) struct Args {
    /// The principals, then the services
    #[arg(value_name = "MEMBER SERVICE", add = complete::operands())]
    operands: Vec<String>,
    /// A principal, taken whole; every other operand is then a service
    #[arg(long, value_name = "MEMBER", add = complete::members())]
    member: Vec<String>,
    /// The role [default: roles/run.invoker]
    #[arg(long, value_name = "ROLE", add = complete::roles())]
    role: Option<String>,
    /// Of jobs: to run them with other arguments, variables or counts than their own
    #[arg(long, conflicts_with = "role")]
    with_overrides: bool,
    #[command(flatten)]
    kind: KindOption,
    #[command(flatten)]
    limits: LimitOptions,
    /// Do not look at organisation policies before a foreign principal is let in
    #[arg(long)]
    no_preflight: bool,
    #[command(flatten)]
    wait: WaitOptions,
    #[command(flatten)]
    pub(super) write: WriteOptions,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, CommandError> {
    args.write.check_format(cx)?;
    let named = match (&args.role, args.with_overrides) {
        (Some(role), _) => role.as_str(),
        (None, true) => OVERRIDER,
        (None, false) => INVOKER,
    };
    let role = role(cx, named)?;
    if role.as_str() == OF_FUNCTIONS {
        let message =
            format!("`{role}` does not allow calls to a service, or to a 2nd-generation function");
        return Err(CommandError::usage(message)
            .because(format!("`{INVOKER}` does"))
            .hint(cx.command_without(&["--role"])));
    }
    let operands = operands(cx, &args.member, &args.operands)?;
    if operands.members.is_empty() && operands.services.is_empty() && !cx.terminal.interactive {
        return Err(missing(cx, "MEMBER and SERVICE"));
    }
    let question = "Grant access to which service?";
    let references = args.kind.targets(cx, &operands.services, question).await?;
    let typed = if operands.members.is_empty() {
        vec![ask_for_member(cx, "Who may invoke it?").await?]
    } else {
        operands.members
    };
    let resolved = resolve(cx, &typed).await?;
    let targets = lookup::find_all(cx, &references).await?;
    let members = resolved.members;
    if let Some(gone) = members.iter().find(|member| member.kind() == MemberKind::Deleted) {
        let message = format!("`{gone}` is deleted, and can only be revoked");
        return Err(CommandError::usage(message).hint(cx.command_as("revoke")));
    }
    if args.wait.is_on() && invokes(role.as_str()) == Invokes::No {
        let message = format!("there is nothing to wait for: `{role}` does not let anybody in");
        return Err(CommandError::usage(message).hint(cx.command_without(&["--wait"])));
    }
    if args.wait.is_on() && targets.names.iter().all(|target| target.service().is_none()) {
        return Err(CommandError::usage(
            "`--wait` is for what has an address: a service or an instance",
        )
        .hint(cx.command_without(&["--wait"])));
    }
    for target in &targets.names {
        if args.with_overrides {
            asked_of(cx, target, true)?;
        }
        if args.role.is_none() && target.permission().is_none() {
            let noun = target.noun();
            let message = format!("nobody invokes a {noun}, so that `{role}` gives nothing there");
            return Err(CommandError::usage(message)
                .because("another role, such as `roles/run.developer`, is named by `--role`")
                .hint(cx.command_with_option("--role", Some("ROLE"))));
        }
    }
    args.limits.check(cx, &members)?;
    args.limits.suits(cx, &role)?;
    let waiting = args.wait.for_members(cx, &members).await?;
    let (notes, warnings) = (resolved.notes, resolved.warnings);
    let options = args.write.remarking(Remarks { notes, warnings, ..Remarks::default() });
    let mut grant = GrantRole { role, members, condition: None, preflight: !args.no_preflight };
    let result = change::run_once_read(cx, targets, &mut grant, &options, async |grant, _| {
        // The expiry uses Google's clock, known from earlier responses, and is the same for all
        // services.
        grant.condition = args.limits.condition(cx, args.write.reason.as_deref())?;
        Ok(())
    });
    let result = result.await?;
    waiting.finish(cx, result, &args.write).await
}
