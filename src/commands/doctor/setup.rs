//! Checks the setup of this machine: credential, project, API, clock.

use time::{Duration, OffsetDateTime};

use super::exit_code;
use crate::cloud::FailureKind;
use crate::context::Context;
use crate::domain::diagnosis::{Health, Signature};
use crate::domain::error::{CommandError, ErrorKind, Hint, quoted};
use crate::report::DoctorReport;

/// A clock that is off by more may cause refused tokens (Google tolerates some minutes; the exact
/// limit is not documented).
const LENIENCY: Duration = Duration::minutes(5);

/// A problem with the setup.
struct Trouble {
    signature: Signature,
    /// Replaces the general meaning of the finding.
    headline: Option<String>,
    evidence: Vec<String>,
    fix: Vec<String>,
    is_certain: bool,
}

impl Trouble {
    fn new(signature: Signature) -> Self {
        let (evidence, fix) = (Vec::new(), Vec::new());
        Self { signature, headline: None, evidence, fix, is_certain: true }
    }

    fn of(signature: Signature, error: CommandError) -> Self {
        let unknown = [
            ErrorKind::Deadline,
            ErrorKind::MalformedResponse,
            ErrorKind::RateLimited,
            ErrorKind::Unavailable,
        ];
        let is_certain = !unknown.contains(&error.kind);
        let fix = error.hints.iter().map(Hint::to_string).collect();
        let (headline, evidence) = (Some(error.message), error.causes);
        Self { signature, headline, evidence, fix, is_certain }
    }
}

pub(super) async fn check(cx: &Context) -> Result<u8, CommandError> {
    let mut good = Vec::new();
    let trouble = look(cx, &mut good).await.err();
    let verdict = match &trouble {
        None => Health::Ok,
        Some(trouble) if trouble.is_certain => Health::Refused,
        Some(_) => Health::Unknown,
    };
    let signature = trouble.as_ref().map(|trouble| trouble.signature);
    let meaning = signature.map_or("this machine is set up", Signature::meaning).to_owned();
    let headline = trouble.as_ref().and_then(|trouble| trouble.headline.clone());
    let (more, fix) = trouble.map(|trouble| (trouble.evidence, trouble.fix)).unwrap_or_default();
    good.extend(more);
    cx.report(&DoctorReport {
        sandbox: cx.is_sandbox(),
        target: None,
        verdict,
        layer: signature.and_then(Signature::layer),
        signature: signature.map(Signature::as_str),
        evidence: good,
        fix,
        headline: headline.unwrap_or(meaning),
    })?;
    Ok(exit_code(verdict).number())
}

/// Runs the checks up to the first problem, and records those that passed.
async fn look(cx: &Context, good: &mut Vec<String>) -> Result<(), Box<Trouble>> {
    let no_credential =
        |error| Box::new(Trouble::of(Signature::NoCredential, cx.adapt_hints(error)));
    let identity = cx.identity().map_err(no_credential)?;
    let who = identity.account.as_deref().unwrap_or("somebody whom it does not name");
    let authorization = cx.in_time("get a token", identity.tokens.authorization()).await;
    authorization.and_then(|got| Ok(got?)).map_err(no_credential)?;
    // A key signs its tokens on this machine: no server has seen one yet.
    let signs = identity.tokens.signs();
    let state =
        if signs { "the key signs, and is not yet tried" } else { "the credential is good" };
    good.push(format!("{state}: {who}, by {}", identity.source));
    let gateway = cx.gateway().await.map_err(no_credential)?;
    if let Ok(theirs) = gateway.server_time().await {
        let off = cx.local_time() - theirs;
        if off.abs() > LENIENCY {
            let mut trouble = Trouble::new(Signature::Clock);
            let direction = if off.is_positive() { "ahead" } else { "behind" };
            let minutes = off.whole_minutes().abs();
            let now = short(cx.local_time());
            trouble.evidence = vec![format!(
                "this clock is {minutes} minutes {direction} of the API's: it says {now}"
            )];
            trouble.fix = vec!["timedatectl set-ntp true".to_owned()];
            return Err(Box::new(trouble));
        }
        good.push("the clock agrees with the API's".to_owned());
    }
    let no_project = |error| Box::new(Trouble::of(Signature::NoProject, cx.adapt_hints(error)));
    let project = cx.project().map_err(no_project)?;
    good.push(format!("the project is `{}`, by {}", project.value, project.source));
    match gateway.regions(&project.value).await {
        Ok(_) => good.push("the Cloud Run Admin API answers for it".to_owned()),
        Err(failure) if failure.signature().is_some() => {
            let signature = failure.signature().unwrap_or(Signature::NoProject);
            // Without a reason, the response names no project and no API.
            let enable = failure.info.is_none().then(|| {
                format!("gcloud services enable run.googleapis.com --project={}", project.value)
            });
            let error = cx.adapt_hints(failure.into());
            let headline = error.message.clone();
            let mut trouble = Trouble::of(signature, error);
            trouble.headline = None;
            trouble.fix = enable.map_or(trouble.fix, |command| vec![command]);
            trouble.evidence.insert(0, headline);
            return Err(Box::new(trouble));
        }
        Err(failure) if signs && failure.kind == FailureKind::Unauthenticated => {
            let mut trouble = Trouble::new(Signature::TokenNotTaken);
            trouble.headline = Some(format!("{who} is refused: its key is deleted or replaced"));
            trouble.evidence =
                vec![format!("the API does not take its token: {}", failure.message)];
            let account = quoted(who);
            trouble.fix = vec![
                format!("gcloud iam service-accounts keys create key.json --iam-account={account}"),
                "gcloud auth list".to_owned(),
            ];
            return Err(Box::new(trouble));
        }
        // A project that is not visible cannot be told from one that does not exist.
        Err(failure) if failure.kind == FailureKind::PermissionDenied => {
            let mut trouble = Trouble::new(Signature::NoProject);
            trouble.headline = Some(format!(
                "there is no project `{}`, or {who} may see nothing of it",
                project.value
            ));
            trouble.is_certain = false;
            trouble.evidence = vec![format!("the regions may not be listed: {}", failure.message)];
            return Err(Box::new(trouble));
        }
        Err(failure) => {
            let kind = failure.kind;
            let signature = match kind {
                FailureKind::NotFound | FailureKind::InvalidArgument => Signature::NoProject,
                FailureKind::Unauthenticated | FailureKind::Credentials => Signature::TokenNotTaken,
                _ => Signature::Unreachable,
            };
            let is_certain = !kind.says_nothing() && kind != FailureKind::Refused;
            let trouble = Trouble::of(signature, cx.adapt_hints(failure.into()));
            return Err(Box::new(Trouble { is_certain, ..trouble }));
        }
    }
    Ok(())
}

fn short(time: OffsetDateTime) -> String {
    let format = time::macros::format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
    time.format(&format).unwrap_or_default()
}
