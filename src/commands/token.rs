//! `token`: prints an ID token, or the claims of one.

use super::args::complete;
use super::args::members::missing;
use crate::auth::{AuthError, IdToken};
use crate::context::Context;
use crate::domain::error::CommandError;
use crate::domain::exit_code::ExitCode;
use crate::invoke::{self, Wanted};
use crate::jwt::claims;
use crate::lookup;
use crate::report::{ClaimsReport, TokenReport};
use time::format_description::well_known::Rfc3339;

/// Print an ID token that Cloud Run takes
///
/// A service account's token is for one audience: the service's URL, or what `--audience` says. A
/// user's token always has the audience of gcloud, and every service takes it.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  curl -H \"$(runaccess token --header orders)\" \"$(runaccess url orders)\"
  runaccess token --audience https://api.example.com
  runaccess token orders --decode")]
pub(super) struct Args {
    /// NAME, REGION/NAME, full resource name, or any of its URLs
    #[arg(value_name = "SERVICE", add = complete::services())]
    service: Option<String>,
    /// Whom the token is for, in place of the service's own URL
    #[arg(long, value_name = "URL")]
    audience: Option<String>,
    /// Print what stands in the token, and not the token
    #[arg(long)]
    decode: bool,
    /// Print the whole header
    #[arg(long, conflicts_with = "decode")]
    header: bool,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<u8, CommandError> {
    if args.decode {
        cx.check_format::<ClaimsReport>()?;
    } else {
        cx.check_format::<TokenReport>()?;
    }
    let said = args.audience.as_deref();
    let service = match (args.service, said) {
        (Some(typed), _) => Some(typed),
        (None, Some(_)) => None,
        (None, None) if !cx.identity()?.tokens.choose_audience() => None,
        (None, None) if cx.terminal.interactive => {
            Some(lookup::pick(cx, "A token for which service?").await?.to_string())
        }
        (None, None) => {
            return Err(missing(cx, "SERVICE").hint(format!("{} --audience URL", cx.command())));
        }
    };
    let audience = match &service {
        Some(typed) => {
            let wanted =
                Wanted { typed, tag: None, audience: said, allowed: &[], only_audience: true };
            Some(invoke::find(cx, wanted).await?.audience)
        }
        None => said.map(str::to_owned),
    };
    let token = id_token(cx, audience.as_deref(), said.is_some()).await?;
    let said = claims(&token.token).unwrap_or_default();
    if args.decode {
        cx.report(&ClaimsReport { claims: said, now: cx.now() })?;
    } else {
        let account = cx.identity()?.account.clone();
        cx.report(&TokenReport {
            audience: said["aud"].as_str().map(str::to_owned),
            expiry: token.expires.format(&Rfc3339).unwrap_or_default(),
            account: account.or_else(|| said["email"].as_str().map(str::to_owned)),
            token: token.token,
            as_header: args.header,
        })?;
    }
    Ok(ExitCode::Done.number())
}

/// An ID token that a service with this audience accepts. A user's token has another audience,
/// which Cloud Run accepts too, unless `is_said`: then the user requires exactly this audience.
pub(super) async fn id_token(
    cx: &Context,
    audience: Option<&str>,
    is_said: bool,
) -> Result<IdToken, CommandError> {
    let tokens = &cx.identity()?.tokens;
    let audience = audience.filter(|_| is_said || tokens.choose_audience());
    let asked = cx.in_time("get an ID token", tokens.id_token(audience)).await?;
    asked.map_err(|error| explained(cx, &error))
}

/// The alternatives if this credential cannot obtain such a token.
fn explained(cx: &Context, error: &AuthError) -> CommandError {
    let command_error = CommandError::from(error);
    match error {
        AuthError::AudienceNotChosen { .. } => command_error
            .because("a service account may choose: `--impersonate-service-account` names one")
            .hint(cx.command_without(&["--audience"])),
        AuthError::NoIdToken { .. } => {
            command_error.because("an access token says nothing that a service takes").because(
                "`--impersonate-service-account` asks for an ID token of an account; `curl` and \
                 `proxy` take one that you have, by `--id-token-file`",
            )
        }
        _ => command_error,
    }
}
