//! The options that every command takes.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::complete;
use crate::context::{Settings, sandbox_by_environment};
use crate::domain::resource::check_project;
use crate::report::Format;

/// The longest timeout that makes sense.
const LONGEST: Duration = Duration::from_hours(24);

/// Options of every command.
#[derive(Args, Debug)]
#[command(next_help_heading = "Global options")]
pub(in crate::commands) struct GlobalOptions {
    /// Use this project
    #[arg(long, global = true, value_name = "PROJECT", value_parser = parse_project)]
    project: Option<String>,
    /// Use this region, or `-` for every region
    #[arg(long, global = true, value_name = "REGION", add = complete::regions())]
    region: Option<String>,
    /// Act as this account, which must be in gcloud's store
    #[arg(long, global = true, value_name = "ADDRESS")]
    account: Option<String>,
    /// Use this gcloud configuration
    #[arg(long, global = true, value_name = "NAME")]
    configuration: Option<String>,
    /// Use the access token in this file
    #[arg(long, global = true, value_name = "FILE")]
    access_token_file: Option<PathBuf>,
    /// Act as this service account; of several, as the last one, through those before it
    #[arg(long, global = true, value_name = "A[,B…]", value_delimiter = ',')]
    impersonate_service_account: Vec<String>,
    /// Keep no token for the next command, and use none that is kept
    #[arg(long, global = true)]
    no_token_cache: bool,
    /// Print the result as table, json, yaml, csv or `value(PATH[,PATH])`
    #[arg(short = 'o', long, global = true, value_name = "FORMAT", value_parser = Format::parse)]
    format: Option<Format>,
    /// Accept the plan that is shown
    #[arg(short, long, global = true)]
    yes: bool,
    /// Never ask; unlike gcloud's, this never assumes yes
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Tell of each request on stderr
    #[arg(short, long, global = true)]
    verbose: bool,
    /// Print no colours
    #[arg(long, global = true)]
    no_color: bool,
    /// Allow this much time for all network work, such as 60s or 2m
    #[arg(long, global = true, value_name = "TIME", default_value = "60s", value_parser = parse_time)]
    timeout: Duration,
    /// Use the embedded Cloud Run, with no account and nothing real touched
    #[arg(long, global = true)]
    sandbox: bool,
}

impl GlobalOptions {
    /// Whether the report is JSON.
    pub(in crate::commands) fn wants_json(&self) -> bool {
        self.format.as_ref().is_some_and(Format::is_json)
    }

    /// The options, together with the environment's choice of the sandbox.
    pub(in crate::commands) fn settings(self, definition: clap::Command) -> Settings {
        Settings {
            project: self.project,
            region: self.region,
            account: self.account,
            configuration: self.configuration,
            access_token_file: self.access_token_file,
            impersonate: self.impersonate_service_account,
            token_cache: !self.no_token_cache,
            format: self.format,
            yes: self.yes,
            quiet: self.quiet,
            verbose: self.verbose,
            no_color: self.no_color,
            timeout: self.timeout,
            sandbox: self.sandbox || sandbox_by_environment(),
            definition,
            unannounced: false,
        }
    }
}

/// Whether a command line that could not be parsed asks for JSON.
pub(in crate::commands) fn wants_json(arguments: &[OsString]) -> bool {
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
    words.iter().any(|word| matches!(*word, "-ojson" | "-o=json" | "--format=json"))
        || words.windows(2).any(|pair| matches!(pair, ["-o" | "--format", "json"]))
}

/// Parses one of these values by its name.
pub(in crate::commands) fn one_of<T>(
    all: &'static [T],
    word: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T>
where
    T: Copy + Send + Sync + 'static,
{
    let words = all.iter().map(|value| word(*value));
    PossibleValuesParser::new(words).try_map(move |typed| {
        all.iter().copied().find(|value| word(*value) == typed).ok_or("not one of its values")
    })
}

fn parse_project(text: &str) -> Result<String, String> {
    check_project(text).map(|()| text.to_owned()).map_err(str::to_owned)
}

/// Parses a traffic tag. It becomes part of a host name, so no other characters are allowed.
pub(in crate::commands) fn parse_tag(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !text.is_empty() && text.len() < 47 && text.chars().all(good) {
        Ok(text.to_owned())
    } else {
        Err("a tag holds lower-case letters, digits and hyphens".to_owned())
    }
}

fn parse_time(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<u64>().map(Duration::from_secs);
    let time = seconds.or_else(|_| humantime::parse_duration(text));
    match time {
        Ok(time) if !time.is_zero() && time <= LONGEST => Ok(time),
        Ok(_) => Err("it must be longer than nothing and at most a day".to_owned()),
        Err(_) => Err("write a time such as 60s or 2m".to_owned()),
    }
}
