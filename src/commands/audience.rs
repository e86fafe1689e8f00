//! `audience`: the custom audiences of a service.

use super::args::complete;
use super::args::members::services;
use super::args::write::{WriteOptions, finish};
use crate::change;
use crate::context::Context;
use crate::domain::address::Address;
use crate::domain::error::CommandError;
use crate::domain::plan::SetAudience;
use crate::lookup;

/// Add or remove a custom audience of a service
///
/// A token is for an audience, and a service takes those for its own URLs. Behind a load balancer, a
/// gateway or another domain callers know another address: as a custom audience the service takes it
/// too.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  runaccess audience add orders https://orders.example.com
  runaccess audience remove orders https://orders.example.com")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Take tokens for an audience
    Add(OneArgs),
    /// Take tokens for an audience no more
    Remove(OneArgs),
}

#[derive(clap::Args, Debug)]
struct OneArgs {
    /// NAME, REGION/NAME, a pattern such as 'shop-*', or a URL
    #[arg(value_name = "SERVICE", add = complete::services())]
    service: String,
    /// The audience, most often the URL that callers use
    #[arg(value_name = "URL", value_parser = audience)]
    audience: String,
    #[command(flatten)]
    write: WriteOptions,
}

/// Parses an audience. Any text can be one; a likely slip is refused.
fn audience(text: &str) -> Result<String, String> {
    if text.trim() != text || text.is_empty() || text.contains(char::is_whitespace) {
        return Err("an audience holds no spaces".to_owned());
    }
    if text.contains('.') && !text.contains(':') && !text.contains('/') {
        // Tokens contain it exactly.
        return Err(format!("an audience is compared to the letter: write `https://{text}`"));
    }
    Ok(text.to_owned())
}

/// Why a text cannot be added: a custom audience is a URL (documented), and one that names the
/// service is useful to callers.
fn why_not(text: &str) -> Option<String> {
    let is_url = text.split_once("://").is_some_and(|(scheme, rest)| {
        matches!(scheme, "http" | "https") && !rest.is_empty() && !rest.starts_with('/')
    });
    match Address::parse(text) {
        Err(error) => Some(error.to_string()),
        Ok(_) if !is_url => {
            Some("callers get tokens for a URL, such as https://orders.example.com".to_owned())
        }
        Ok(_) if text.contains('#') => Some("what follows `#` is never sent".to_owned()),
        Ok(_) => None,
    }
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, CommandError> {
    let (present, args) = match args.command {
        Verb::Add(args) => (true, args),
        Verb::Remove(args) => (false, args),
    };
    args.write.check_format(cx)?;
    // Any existing audience can be removed.
    if let Some(why) = why_not(&args.audience).filter(|_| present) {
        return Err(CommandError::usage("the text is not the URL of an audience").because(why));
    }
    let references = services(cx, &[args.service], "Which service?").await?;
    let targets = lookup::find_all(cx, &references).await?;
    let change = SetAudience { audience: args.audience, present };
    let result = change::run(cx, targets, &change, &args.write.options()).await?;
    finish(cx, result, &args.write)
}
