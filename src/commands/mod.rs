//! The command line, one file per command. Each file defines the command's arguments, whose doc
//! comments are the help, parses them and runs the command.

mod alias;
mod args;
mod audience;
mod completions;
mod connect;
mod curl;
mod describe;
mod doctor;
mod domains;
mod explain;
mod grant;
mod graph;
mod help;
mod history;
mod list;
mod make_private;
mod make_public;
mod man;
mod menu;
mod policy;
mod proxy;
mod remedy;
mod restore;
mod revoke;
mod roles;
mod sandbox;
mod switch;
mod token;
mod undo;
mod url;
mod who;
mod whoami;

use clap::error::ErrorKind as ClapErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

pub(crate) use self::args::complete::asked;
use self::args::global::GlobalOptions;
use crate::auth;
use crate::context::{self, Context};
use crate::domain::error::CommandError;
use crate::domain::exit_code::ExitCode;
use crate::terminal;

/// Who may invoke a Google Cloud Run service: look, grant, revoke, make public or private
///
/// Without a Google Cloud account, add `--sandbox`: an embedded Cloud Run answers.
#[derive(Debug, Parser)]
#[command(
    name = "runaccess",
    version,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "Examples:
  runaccess --sandbox list
  runaccess grant dev@example.com orders
  runaccess make-public storefront
  runaccess url us-central1/orders

`runaccess help exit-codes` prints the exit codes."
)]
struct Cli {
    #[command(flatten)]
    global: GlobalOptions,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::Args),
    Describe(describe::Args),
    Url(url::Args),
    Who(who::Args),
    Explain(explain::Args),
    Doctor(doctor::Args),
    Policy(policy::Args),
    Grant(grant::Args),
    Revoke(revoke::Args),
    MakePublic(make_public::Args),
    MakePrivate(make_private::Args),
    Restore(restore::Args),
    Ingress(switch::IngressArgs),
    InvokerCheck(switch::InvokerCheckArgs),
    DefaultUrl(switch::DefaultUrlArgs),
    Iap(switch::IapArgs),
    Audience(audience::Args),
    Connect(connect::Args),
    Domains(domains::Args),
    Graph(graph::Args),
    History(history::Args),
    Undo(undo::Args),
    Roles(roles::Args),
    Whoami(whoami::Args),
    Token(token::Args),
    Curl(curl::Args),
    Alias(alias::Args),
    Proxy(proxy::Args),
    Sandbox(sandbox::Args),
    Completions(completions::Args),
    Man(man::Args),
    Help(help::Args),
}

impl Command {
    /// Whether the command reads or changes resources of a project.
    fn is_about_a_project(&self) -> bool {
        !matches!(
            self,
            Self::Alias(_)
                | Self::Completions(_)
                | Self::Help(_)
                | Self::Man(_)
                | Self::Roles(_)
                | Self::Sandbox(_)
                | Self::Token(_)
                | Self::Whoami(_)
        )
    }
}

/// Runs the program on this process's arguments and returns its exit code.
pub(crate) async fn run() -> u8 {
    let mut definition = Cli::command();
    let matches = definition.try_get_matches_from_mut(context::arguments());
    let parsed = matches.and_then(|mut matches| {
        Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut definition))
    });
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            // clap's text repeats arguments.
            let arguments = context::arguments();
            let words = arguments.iter().skip(1).map(|word| word.to_string_lossy().into_owned());
            if let Err(secret) = auth::check_arguments(&words.collect::<Vec<_>>()) {
                let error = CommandError::from(secret);
                context::bare_terminal().error(&error);
                return finish(&error, args::global::wants_json(&arguments));
            }
            return not_understood(&error);
        }
    };
    let json = cli.global.wants_json();
    let ended = |done: Result<u8, CommandError>| {
        done.unwrap_or_else(|error| {
            context::bare_terminal().error(&error);
            finish(&error, json)
        })
    };
    match &cli.command {
        Some(Command::Help(args)) => return ended(help::run(args, Cli::command())),
        Some(Command::Man(args)) => return ended(man::run(args, Cli::command())),
        // Without arguments, and without a user to ask.
        None if !context::bare_terminal_asks() && context::arguments().len() < 2 => {
            let help = Cli::command().render_help();
            let color = context::bare_terminal().color_stderr;
            let text = if color { help.ansi().to_string() } else { help.to_string() };
            terminal::print_rendered(&text, true);
            return ExitCode::Usage.number();
        }
        _ => {}
    }
    let mut settings = cli.global.settings(definition);
    let in_sandbox = matches!(cli.command, Some(Command::Sandbox(_)));
    settings.sandbox |= in_sandbox;
    let with_gcloud = match &cli.command {
        Some(Command::Alias(_)) => false,
        Some(Command::Roles(args)) => args.custom,
        Some(Command::Completions(args)) => args.needs_project(),
        _ => true,
    };
    let mut cx = match Context::new(settings, with_gcloud) {
        Ok(cx) => cx,
        Err(error) => return ended(Err(error)),
    };
    if let Err(error) = cx.ask_for_project().await {
        cx.terminal.error(&error);
        return finish(&error, json);
    }
    // Registered first, so that Ctrl-C is received from the first prompt on.
    let interrupted = async {
        // A program that is running has received Ctrl-C too, and ends on its own.
        while tokio::signal::ctrl_c().await.is_ok() && cx.runs_a_program() {}
    };
    let done = tokio::select! {
        biased;
        () = interrupted, if !in_sandbox => {
            cx.leave_question();
            Err(cx.cancelled())
        }
        done = begin(&cx, cli.command) => done,
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            let error = cx.adapt_hints(error);
            cx.terminal.error(&error);
            finish(&error, json)
        }
    }
}

/// Runs a command; without one, runs the menu if there is a user.
async fn begin(cx: &Context, command: Option<Command>) -> Result<u8, CommandError> {
    if command.as_ref().is_none_or(Command::is_about_a_project) {
        cx.know_project().await;
    }
    match command {
        Some(command) => Box::pin(dispatch(cx, command)).await,
        None if cx.terminal.interactive => menu::run(cx).await,
        None => Err(CommandError::usage("there is no command, and no terminal to ask at")
            .hint("runaccess help")),
    }
}

async fn dispatch(cx: &Context, command: Command) -> Result<u8, CommandError> {
    match command {
        Command::Alias(args) => alias::run(cx, &args),
        Command::Audience(args) => Box::pin(audience::run(cx, args)).await,
        Command::Connect(args) => Box::pin(connect::run(cx, args)).await,
        Command::Curl(args) => Box::pin(curl::run(cx, args, &options_of("curl"))).await,
        Command::DefaultUrl(args) => switch::default_url(cx, args).await,
        Command::Describe(args) => describe::run(cx, args).await,
        Command::Doctor(args) => Box::pin(doctor::run(cx, args)).await,
        Command::Domains(args) => Box::pin(domains::run(cx, args)).await,
        Command::Explain(args) => Box::pin(explain::run(cx, args)).await,
        Command::Grant(args) => Box::pin(grant::run(cx, args)).await,
        Command::Graph(args) => Box::pin(graph::run(cx, args)).await,
        Command::Help(_) | Command::Man(_) => Ok(ExitCode::Done.number()),
        Command::History(args) => Box::pin(history::run(cx, args)).await,
        Command::Iap(args) => Box::pin(switch::iap(cx, args)).await,
        Command::Ingress(args) => switch::ingress(cx, args).await,
        Command::InvokerCheck(args) => switch::invoker_check(cx, args).await,
        Command::Completions(args) => completions::run(cx, args).await,
        Command::List(args) => list::run(cx, args).await,
        Command::MakePrivate(args) => make_private::run(cx, args).await,
        Command::MakePublic(args) => Box::pin(make_public::run(cx, args)).await,
        Command::Policy(args) => policy::run(cx, args).await,
        Command::Proxy(args) => Box::pin(proxy::run(cx, args)).await,
        Command::Restore(args) => Box::pin(restore::run(cx, args)).await,
        Command::Revoke(args) => Box::pin(revoke::run(cx, args)).await,
        Command::Roles(args) => roles::run(cx, &args).await,
        Command::Sandbox(args) => sandbox::run(cx, args).await,
        Command::Token(args) => token::run(cx, args).await,
        Command::Undo(args) => Box::pin(undo::run(cx, args)).await,
        Command::Url(args) => url::run(cx, args).await,
        Command::Who(args) => who::run(cx, args).await,
        Command::Whoami(args) => whoami::run(cx, args).await,
    }
}

/// The long options that precede a command's own and that curl does not have.
fn options_of(name: &str) -> Vec<String> {
    let cli = Cli::command();
    let own = cli.find_subcommand(name).into_iter().flat_map(clap::Command::get_arguments);
    let long = own.chain(cli.get_arguments()).filter_map(clap::Arg::get_long);
    let shared = ["verbose", "help", "version"];
    long.filter(|long| !shared.contains(long)).map(|long| format!("--{long}")).collect()
}

fn finish(error: &CommandError, json: bool) -> u8 {
    if json {
        // If stdout is closed too, the exit code still reports the error.
        drop(context::bare_terminal().result(&error.to_json()));
    }
    error.exit_code().number()
}

/// Prints clap's output: help and version on stdout, everything else as a usage error.
fn not_understood(error: &clap::Error) -> u8 {
    let terminal = context::bare_terminal();
    let is_help =
        matches!(error.kind(), ClapErrorKind::DisplayHelp | ClapErrorKind::DisplayVersion);
    let styled = error.render();
    let color = if is_help { terminal.color_stdout } else { terminal.color_stderr };
    let text = if color { styled.ansi().to_string() } else { styled.to_string() };
    terminal::print_rendered(&text, !is_help);
    if is_help {
        return ExitCode::Done.number();
    }
    if args::global::wants_json(&context::arguments()) {
        let said = styled.to_string();
        let said: Vec<&str> = said
            .lines()
            .map(str::trim)
            .take_while(|line| !line.starts_with("Usage:"))
            .filter(|line| !line.is_empty())
            .collect();
        let message = said.join(" ");
        let error = CommandError::usage(message.trim_start_matches("error: "));
        drop(terminal.result(&error.to_json()));
    }
    ExitCode::Usage.number()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
