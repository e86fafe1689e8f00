//! The options and the reporting that all writing commands share.

use super::super::curl::SPREADS;
use crate::change::{ChangeOptions, ChangeResult, Remarks, Verify};
use crate::context::Context;
use crate::domain::access::Verdict;
use crate::domain::effect::{Basis, Effect};
use crate::domain::error::CommandError;
use crate::domain::exit_code::ExitCode;
use crate::domain::history::ChangeId;
use crate::domain::member::MemberKind;
use crate::domain::outcome::{ChangeOutcome, Status};
use crate::domain::printable::one_line;
use crate::report::{ChangesReport, GcloudReport};

/// The options of every command that writes.
#[derive(clap::Args, Clone, Debug)]
pub(in crate::commands) struct WriteOptions {
    /// Show the plan and write nothing
    #[arg(short = 'n', long)]
    pub(in crate::commands) dry_run: bool,
    /// Show the plan, write nothing, and exit with 3 if anything would change
    #[arg(long)]
    pub(in crate::commands) check: bool,
    /// Print the commands of another tool that would do the same, and write nothing; not with
    /// `--check`
    #[arg(long, value_enum, value_name = "TOOL", conflicts_with = "check")]
    pub(in crate::commands) print: Option<Tool>,
    /// Refuse unless exactly this many services, or other resources, change
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(in crate::commands) expect: Option<usize>,
    /// Why, for the journal; for a grant that ends also in its condition
    #[arg(long, value_name = "TEXT")]
    pub(in crate::commands) reason: Option<String>,
    /// Judge what the change comes to by everything that bears on it, however long that takes
    #[arg(long, overrides_with = "no_verify")]
    pub(in crate::commands) verify: bool,
    /// Do not look beyond the service's own settings and policy for what the change comes to
    #[arg(long)]
    pub(in crate::commands) no_verify: bool,
    /// Do not journal the change: it cannot be undone then
    #[arg(long)]
    pub(in crate::commands) no_journal: bool,
    /// Whether even a change that need not be confirmed is asked about: the guided way does.
    #[arg(skip)]
    pub(in crate::commands) always_ask: bool,
}

/// A tool whose commands can be printed.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(in crate::commands) enum Tool {
    Gcloud,
}

impl WriteOptions {
    /// How to carry out the change.
    pub(in crate::commands) fn options(&self) -> ChangeOptions {
        self.remarking(Remarks::default())
    }

    /// How to carry out the change, with remarks for the plan.
    pub(in crate::commands) fn remarking(&self, remarks: Remarks) -> ChangeOptions {
        ChangeOptions {
            only_show: self.only_shows(),
            expect: self.expect,
            always_ask: self.always_ask,
            journal: !self.no_journal,
            reason: self.reason.clone(),
            remarks,
            verify: match (self.verify, self.no_verify) {
                (true, _) => Verify::Always,
                (false, true) => Verify::Never,
                (false, false) => Verify::OnATerminal,
            },
        }
    }

    /// Whether nothing is written.
    pub(in crate::commands) fn only_shows(&self) -> bool {
        self.dry_run || self.check || self.print.is_some()
    }

    /// Checks, before any call, that the format fits the report.
    pub(in crate::commands) fn check_format(&self, cx: &Context) -> Result<(), CommandError> {
        match self.print {
            None => cx.check_format::<ChangesReport>(),
            Some(Tool::Gcloud) => cx.check_format::<GcloudReport>(),
        }
    }
}

/// What remains after the report: the undo command, printed last.
#[must_use]
pub(in crate::commands) struct Reported {
    /// The exit code of the command.
    pub(in crate::commands) code: u8,
    runs: Vec<ChangeId>,
}

impl Reported {
    /// Prints the command that undoes the change, as the last line.
    pub(in crate::commands) fn tell_undo(self, cx: &Context) {
        for id in self.runs {
            cx.terminal.labelled_undo(&cx.suggest(&format!("undo {id}")));
        }
    }
}

/// Reports the outcomes, prints the undo command, and returns the exit code of the command.
pub(in crate::commands) fn finish(
    cx: &Context,
    result: ChangeResult,
    write: &WriteOptions,
) -> Result<u8, CommandError> {
    let reported = report(cx, result, write)?;
    let code = reported.code;
    reported.tell_undo(cx);
    Ok(code)
}

/// Reports the outcomes.
pub(in crate::commands) fn report(
    cx: &Context,
    result: ChangeResult,
    write: &WriteOptions,
) -> Result<Reported, CommandError> {
    report_as(cx, result, write, |cx, outcomes| {
        cx.report(&ChangesReport::new(cx.is_sandbox(), outcomes))
    })
}

/// Reports the outcomes, in the command's own table unless another tool's format is requested.
pub(in crate::commands) fn report_as(
    cx: &Context,
    result: ChangeResult,
    write: &WriteOptions,
    show: impl FnOnce(&Context, Vec<ChangeOutcome>) -> Result<(), CommandError>,
) -> Result<Reported, CommandError> {
    let ChangeResult { outcomes, partly_searched } = result;
    let mut codes: Vec<u8> = outcomes.iter().map(code).collect();
    let is_part = |outcome: &ChangeOutcome| outcome.unread.is_some() && outcome.error.is_none();
    if partly_searched || outcomes.iter().any(is_part) {
        codes.push(ExitCode::Partial.number());
    }
    for error in outcomes.iter().filter_map(|outcome| outcome.error.as_ref()) {
        say(cx, error);
    }
    if outcomes.is_empty() {
        cx.terminal.note("no service to change");
    }
    tell_effects(cx, &outcomes);
    // In the sandbox, changes take effect at once.
    if !cx.is_sandbox() {
        note_spreading(cx, &outcomes);
    }
    let runs = runs(&outcomes);
    let would_change = outcomes.iter().any(|outcome| outcome.status == Status::Planned);
    match write.print {
        None => show(cx, outcomes)?,
        Some(Tool::Gcloud) => {
            if let Some((named, why)) = GcloudReport::beyond(&outcomes) {
                let message = format!("gcloud has no command for this change of `{named}`");
                return Err(CommandError::usage(message)
                    .because(why)
                    .hint(cx.command_without(&["--print"])));
            }
            if cx.is_sandbox() && would_change {
                cx.terminal.warning(
                    "these commands go to Google, unless gcloud is pointed at `runaccess sandbox \
                     serve`",
                );
            }
            cx.report(&GcloudReport::new(cx.is_sandbox(), &cx.gcloud_flags(), &outcomes))?;
        }
    }
    let code = ExitCode::of_all(codes);
    let is_no = write.check && would_change && code == ExitCode::Done.number();
    let code = if is_no { ExitCode::No.number() } else { code };
    Ok(Reported { code, runs })
}

/// The most effects that are printed one by one.
const MOST_EFFECTS: usize = 10;

/// Prints the effect of each change, a line for each change with a gain or a loss.
fn tell_effects(cx: &Context, outcomes: &[ChangeOutcome]) {
    let told = || {
        let is_told = |status| matches!(status, Status::Changed | Status::Planned);
        outcomes.iter().filter(move |outcome| is_told(outcome.status))
    };
    let rows = told().map(|outcome| outcome.effect.len()).sum::<usize>();
    // For many services, expected effects are only counted.
    let folds = rows > MOST_EFFECTS && !cx.is_verbose();
    let mut folded = 0;
    for outcome in told() {
        for effect in &outcome.effect {
            if folds && effect.is_plain {
                folded += 1;
            } else {
                cx.terminal.note(&in_words(cx, outcome, effect));
            }
        }
    }
    if folded > 0 {
        cx.terminal
            .note(&format!("{folded} of {rows} effects are as the change says; -v lists them"));
    }
    for outcome in outcomes {
        if let Some(unread) = &outcome.unread {
            cx.terminal.warning(&format!("{}: {unread}", cx.named(&outcome.target)));
        }
    }
}

fn in_words(cx: &Context, outcome: &ChangeOutcome, effect: &Effect) -> String {
    let Effect { member, verdict, because, turns_on_request, basis, is_plain } = effect;
    let who = match (member.kind(), verdict) {
        (MemberKind::AllUsers, Verdict::Denied) => "a caller without a credential".to_owned(),
        (MemberKind::AllUsers, _) => "anyone".to_owned(),
        _ => format!("`{member}`"),
    };
    let target = &outcome.target;
    let (verb, named) = (target.verb(), cx.named(target));
    let by = match basis {
        Basis::Own => " by its own policy",
        Basis::All => "",
    };
    let (would, would_not) = match outcome.status {
        Status::Planned => ("could", "could not"),
        _ => ("can", "cannot"),
    };
    let because = if *is_plain { String::new() } else { format!(": {}", one_line(because)) };
    match verdict {
        Verdict::Allowed => format!("{who} {would} {verb} `{named}`{by}{because}"),
        Verdict::Denied => format!("{who} {would_not} {verb} `{named}`{by}{because}"),
        Verdict::Unknown if *turns_on_request => {
            format!("{who} {would} {verb} `{named}`{by} for some requests{because}")
        }
        Verdict::Unknown => {
            format!("whether {who} {would} {verb} `{named}`{by} is unknown{because}")
        }
    }
}

/// The runs that changed something, each once; if only one part of a run did, that part.
fn runs(outcomes: &[ChangeOutcome]) -> Vec<ChangeId> {
    let done = outcomes.iter().filter(|outcome| !outcome.difference.is_empty());
    let done: Vec<ChangeId> = done.filter_map(|outcome| outcome.id).collect();
    let mut runs: Vec<ChangeId> = Vec::new();
    for id in &done {
        let is_alone = done.iter().filter(|other| other.whole() == id.whole()).count() == 1;
        let name = if is_alone { *id } else { id.whole() };
        if !runs.contains(&name) {
            runs.push(name);
        }
    }
    runs
}

/// Notes that a grant may not have propagated everywhere.
fn note_spreading(cx: &Context, outcomes: &[ChangeOutcome]) {
    let mut changed = outcomes.iter().filter(|outcome| outcome.status == Status::Changed);
    if changed.any(|outcome| !outcome.difference.added.is_empty()) {
        cx.terminal.note(SPREADS);
    }
}

fn code(outcome: &ChangeOutcome) -> u8 {
    outcome.error.as_ref().map_or(ExitCode::Done.number(), |error| error.exit_code().number())
}

fn say(cx: &Context, error: &CommandError) {
    cx.terminal.error_parts(&error.message, &error.causes, &error.hints);
}
