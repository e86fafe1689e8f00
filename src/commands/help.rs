//! `help`: shows the help of a command or a topic.

use clap::Command;

use super::args::complete;
use crate::context;
use crate::domain::error::CommandError;
use crate::domain::exit_code::ExitCode;
use crate::terminal;

/// Print the help of a command, or of a topic: exit-codes
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// A command, or `exit-codes`
    #[arg(value_name = "TOPIC", add = complete::commands())]
    topic: Vec<String>,
}

pub(super) fn run(args: &Args, mut root: Command) -> Result<u8, CommandError> {
    if args.topic == ["exit-codes"] {
        let line = |code: &ExitCode| format!("{:>4}  {}\n", code.number(), code.meaning());
        let text: String = ExitCode::ALL.iter().map(line).collect();
        terminal::print_rendered(&text, false);
        return Ok(ExitCode::Done.number());
    }
    root.build();
    let found = args
        .topic
        .iter()
        .try_fold(&mut root, |command, name| command.find_subcommand_mut(name.as_str()));
    let Some(command) = found else {
        let message = format!("there is no help on `{}`", args.topic.join(" "));
        return Err(CommandError::usage(message)
            .hint("runaccess help")
            .hint("runaccess help exit-codes"));
    };
    let help = command.render_long_help();
    let color = context::bare_terminal().color_stdout;
    let text = if color { help.ansi().to_string() } else { help.to_string() };
    terminal::print_rendered(&text, false);
    Ok(ExitCode::Done.number())
}
