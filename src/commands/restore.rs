//! `restore`: restores the IAM policy of a service or job from a file.

use std::fs::File;
use std::io::{self, Read};

use serde_json::Value;

use super::args::complete;
use super::args::members::KindOption;
use super::args::write::{WriteOptions, finish};
use crate::change;
use crate::context::Context;
use crate::domain::error::{CommandError, ErrorKind, quoted};
use crate::domain::plan::{Restore, SavedPolicy};
use crate::lookup::Targets;

/// The longest policy file that is read; IAM accepts a few tens of kilobytes.
const LONGEST: u64 = 4 * 1024 * 1024;

/// Bring the IAM policy of a service or job back to a saved one
///
/// The file is what `policy` or `gcloud run services get-iam-policy` printed, as JSON or YAML. What is
/// planned is the difference to today's policy. Where that was changed since the file was saved, nothing
/// is written unless `--ignore-etag` says that this is known.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  runaccess policy orders -o json > orders.json
  runaccess restore orders.json orders --dry-run
  runaccess restore orders.json orders --ignore-etag")]
pub(super) struct Args {
    /// The saved policy; `-` for stdin
    #[arg(value_name = "FILE")]
    file: String,
    /// NAME, REGION/NAME, full resource name, any of its URLs, jobs/NAME, functions/NAME,
    /// instances/NAME or worker-pools/NAME
    #[arg(value_name = "SERVICE", add = complete::services())]
    service: Option<String>,
    /// Restore although the policy was changed since it was saved: that is taken back too
    #[arg(long)]
    ignore_etag: bool,
    #[command(flatten)]
    kind: KindOption,
    #[command(flatten)]
    write: WriteOptions,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, CommandError> {
    args.write.check_format(cx)?;
    let saved = read(cx, &args)?;
    let question = "Restore which service?";
    let target = args.kind.one_target(cx, args.service.as_deref(), question).await?;
    let targets = Targets { names: vec![target], ..Targets::default() };
    let same_etag = !args.ignore_etag && !args.write.only_shows();
    let change = Restore { saved, same_etag };
    let result = change::run(cx, targets, &change, &args.write.options()).await?;
    finish(cx, result, &args.write)
}

fn read(cx: &Context, args: &Args) -> Result<SavedPolicy, CommandError> {
    let file = args.file.as_str();
    let bad = |why: String| {
        CommandError::usage(format!("`{file}` holds no policy that can be restored")).because(why)
    };
    let mut text = String::new();
    let opened: io::Result<Box<dyn Read>> = match file {
        "-" => Ok(Box::new(io::stdin())),
        path => File::open(path).map(|file| Box::new(file) as Box<dyn Read>),
    };
    let taken = opened.and_then(|file| file.take(LONGEST + 1).read_to_string(&mut text));
    let size = taken.map_err(|error| {
        let service = args.service.as_deref().unwrap_or("SERVICE");
        CommandError::new(ErrorKind::State, format!("cannot read `{file}`"))
            .because(error.to_string())
            .hint(cx.suggest(&format!("policy {} -o json", quoted(service))))
    })?;
    if size as u64 > LONGEST {
        return Err(bad("it is longer than any policy".to_owned()));
    }
    // Some editors write a byte-order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    // JSON is YAML too, but the parsers' errors differ.
    let document: Value = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| bad(error.to_string()))?
    } else {
        serde_norway::from_str(text).map_err(|error| bad(error.to_string()))?
    };
    SavedPolicy::parse(&document).map_err(|error| bad(error.to_string()))
}
