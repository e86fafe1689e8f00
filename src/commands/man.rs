//! `man`: prints the manual page of the program or of one command.

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::args::complete;
use crate::context;
use crate::domain::error::{CommandError, ErrorKind};
use crate::domain::exit_code::ExitCode;

/// Print the manual page, of the program or of one command
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  runaccess man | man -l -
  runaccess man grant > runaccess-grant.1")]
pub(super) struct Args {
    /// A command
    #[arg(value_name = "COMMAND", add = complete::commands())]
    command: Vec<String>,
}

/// Environment and files, for a section of the page.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("RUNACCESS_SANDBOX", "1 stands for --sandbox."),
    ("RUNACCESS_HOME", "The folder of the program's own state; by default that of XDG."),
    (
        "CLOUDSDK_*",
        "gcloud's own variables for project, region, account, token, configuration and endpoint.",
    ),
    ("NO_COLOR", "No colours."),
    ("CI", "Nobody is asked."),
];

pub(super) fn run(args: &Args, mut root: Command) -> Result<u8, CommandError> {
    root.build();
    let names = args.command.iter();
    let found = names.clone().try_fold(&root, |at, name| at.find_subcommand(name));
    let Some(command) = found else {
        let message = format!("there is no command `{}`", args.command.join(" "));
        return Err(CommandError::usage(message).hint("runaccess help"));
    };
    let title: Vec<&str> = std::iter::once("runaccess").chain(names.map(String::as_str)).collect();
    let mut page = Vec::new();
    let written = Man::new(command.clone().display_name(title.join("-")))
        .title(title.join("-").to_uppercase())
        .source(concat!("runaccess ", env!("CARGO_PKG_VERSION")))
        .manual("Runaccess Manual")
        .render(&mut page)
        .and_then(|()| more(&title, command).to_writer(&mut page));
    let shown =
        written.and_then(|()| context::bare_terminal().result(&String::from_utf8_lossy(&page)));
    shown.map(|()| ExitCode::Done.number()).map_err(|error| {
        CommandError::new(ErrorKind::Failed, "cannot write the page").because(error.to_string())
    })
}

/// Further sections of the page: exit codes, environment, other pages.
fn more(title: &[&str], command: &Command) -> Roff {
    let of_program = title.len() == 1;
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    for code in ExitCode::ALL {
        roff.control("TP", []);
        roff.text([bold(code.number().to_string())]);
        roff.text([roman(code.meaning())]);
    }
    if of_program {
        roff.control("SH", ["ENVIRONMENT"]);
        for (name, meaning) in ENVIRONMENT {
            roff.control("TP", []);
            roff.text([bold(name)]);
            roff.text([roman(meaning)]);
        }
    }
    roff.control("SH", ["SEE ALSO"]);
    let below = command.get_subcommands().filter(|command| !command.is_hide_set());
    let mut pages: Vec<String> =
        below.map(|below| format!("{}-{}(1)", title.join("-"), below.get_name())).collect();
    if !of_program {
        pages.insert(0, "runaccess(1)".to_owned());
    }
    roff.text([roman(format!("{}, gcloud(1)", pages.join(", ")))]);
    roff
}
