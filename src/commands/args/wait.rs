//! `--wait`: after a change, requests are sent to the front end until it agrees several times in a
//! row.

use std::time::Duration;

use http::Method;
use tokio::time::{Instant, sleep_until};

use super::super::token::id_token;
use super::write::{WriteOptions, report};
use crate::auth::BearerToken;
use crate::change::ChangeResult;
use crate::context::Context;
use crate::domain::diagnosis::Reply;
use crate::domain::error::{CommandError, ErrorKind};
use crate::domain::exit_code::ExitCode;
use crate::domain::member::{Member, MemberKind};
use crate::domain::resource::ServiceName;
use crate::invoke::{self, Call, Prober, Wanted};

/// Default time limit: longer than most changes take to propagate (Google: "potentially 7 minutes
/// or longer").
const USUAL: &str = "10m";
const LONGEST: Duration = Duration::from_hours(24);
/// The number of responses in a row that must agree: one alone may come from a server that has the
/// change before others do.
const IN_A_ROW: u32 = 5;
/// The pause between responses that agree, and the first pause between those that do not.
const PAUSE: Duration = Duration::from_millis(500);
/// The sandbox has one server.
const NEAR_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The option of the commands that let somebody in.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(in crate::commands) struct WaitOptions {
    /// Wait until the front end agrees, several times in a row: for ten minutes, or as long as is said.
    /// Where it does not by then, the change stands and the exit code is 9
    #[arg(
        long,
        value_name = "TIME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = USUAL,
        value_parser = time
    )]
    wait: Option<Duration>,
}

fn time(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if !time.is_zero() && time <= LONGEST => Ok(time),
        _ => Err("write a time such as 90s or 10m".to_owned()),
    }
}

/// The principal of the test requests.
#[derive(Clone, Debug)]
enum As {
    Nobody,
    Myself,
    /// A service account that can be impersonated.
    Account(String),
}

/// The tests to wait for, if any.
#[derive(Clone, Debug)]
pub(in crate::commands) struct Waiting {
    limit: Option<Duration>,
    whom: Vec<As>,
}

impl WaitOptions {
    /// Whether there is anything to wait for.
    pub(in crate::commands) fn is_on(self) -> bool {
        self.wait.is_some()
    }

    /// Tests for a change that allows everyone.
    pub(in crate::commands) fn for_everyone(self) -> Waiting {
        Waiting { limit: self.wait, whom: vec![As::Nobody] }
    }

    /// Tests for a change that allows these members. Only the caller, and accounts that the caller
    /// can impersonate, can send requests.
    pub(in crate::commands) async fn for_members(
        self,
        cx: &Context,
        members: &[Member],
    ) -> Result<Waiting, CommandError> {
        let mut waiting = Waiting { limit: self.wait, whom: Vec::new() };
        if self.wait.is_none() {
            return Ok(waiting);
        }
        let account = cx.identity()?.account.clone();
        let me = account.map(|account| Member::of_account(&account));
        for member in members {
            let is_me = me.as_ref().is_some_and(|me| member.reaches(me));
            match member.kind() {
                MemberKind::AllUsers => waiting.whom.push(As::Nobody),
                _ if is_me => waiting.whom.push(As::Myself),
                MemberKind::ServiceAccount if is_own(cx, member.address()).await => {
                    waiting.whom.push(As::Account(member.address().to_owned()));
                }
                _ => cx.terminal.warning(&format!(
                    "the front end cannot be asked as `{member}`: only its own token would tell"
                )),
            }
        }
        if waiting.whom.is_empty() {
            return Err(CommandError::usage("there is nobody to wait for as whom one could ask")
                .because("`--wait` asks as oneself, as nobody, or as a service account that one may act as")
                .hint(cx.command_without(&["--wait"])));
        }
        Ok(waiting)
    }
}

/// Whether a token of a service account can be obtained.
async fn is_own(cx: &Context, account: &str) -> bool {
    let Ok(identity) = cx.identity_as(account) else { return false };
    let token =
        cx.in_time("get an ID token", identity.tokens.id_token(Some("https://run.app"))).await;
    matches!(token, Ok(Ok(_)))
}

impl Waiting {
    /// Reports the outcomes, waits if requested, and returns the exit code of the command.
    pub(in crate::commands) async fn finish(
        self,
        cx: &Context,
        result: ChangeResult,
        write: &WriteOptions,
    ) -> Result<u8, CommandError> {
        let outcomes = result.outcomes.iter().filter(|outcome| outcome.status.is_settled());
        let names: Vec<ServiceName> =
            outcomes.filter_map(|outcome| outcome.target.service().cloned()).collect();
        let reported = report(cx, result, write)?;
        let code = reported.code;
        let Some(limit) = self.limit.filter(|_| !write.only_shows()) else {
            reported.tell_undo(cx);
            return Ok(code);
        };
        let end = Instant::now() + limit;
        cx.deadline.put_off_to(end + Duration::from_secs(1));
        let mut agreed = true;
        for name in names {
            for whom in &self.whom {
                if let Err(error) = agrees(cx, &name, whom, end).await {
                    cx.terminal.error(&cx.adapt_hints(error));
                    agreed = false;
                }
            }
        }
        reported.tell_undo(cx);
        let is_done = code == ExitCode::Done.number();
        Ok(if is_done && !agreed { ExitCode::Undetermined.number() } else { code })
    }
}

/// Sends requests to a service's front end until it allows them.
async fn agrees(
    cx: &Context,
    name: &ServiceName,
    whom: &As,
    end: Instant,
) -> Result<(), CommandError> {
    let typed = name.to_string();
    let wanted =
        Wanted { typed: &typed, tag: None, audience: None, allowed: &[], only_audience: false };
    let call = invoke::find(cx, wanted).await?;
    let token = token(cx, whom, &call).await?;
    let prober = Prober::new(cx, &call)?;
    let short = cx.named(name);
    let who = match whom {
        As::Nobody => "anyone".to_owned(),
        As::Myself => "you".to_owned(),
        As::Account(account) => format!("`{account}`"),
    };
    cx.terminal.note(&format!(
        "waiting for the front end of `{short}` to let {who} in: GET {}/",
        call.origin
    ));
    let usual = if cx.is_on_this_machine()? { NEAR_PAUSE } else { PAUSE };
    let (mut in_a_row, mut pause) = (0, usual);
    loop {
        let reply = prober.ask(cx, &Method::GET, "/", token.as_ref()).await?;
        match reply {
            Reply::Application(_) | Reply::NoInstance(_) | Reply::TooLarge => {
                (in_a_row, pause) = (in_a_row + 1, usual);
            }
            // A closed entry denies every principal, whatever is granted.
            Reply::IapSignIn | Reply::IapRefused(_) => {
                return Err(undetermined(&short, "Identity-Aware Proxy is on, and asks first")
                    .hint(cx.suggest(&format!("doctor {short}"))));
            }
            Reply::NotFound | Reply::Branded => {
                return Err(undetermined(&short, "its address does not let requests from here in")
                    .hint(cx.suggest(&format!("doctor {short}"))));
            }
            Reply::Forbidden | Reply::TokenRefused | Reply::Nothing(_) => {
                in_a_row = 0;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
        if in_a_row == IN_A_ROW {
            cx.terminal.note(&format!("the front end of `{short}` lets {who} in"));
            return Ok(());
        }
        let wake = Instant::now() + pause;
        if wake >= end {
            return Err(undetermined(&short, "it did not agree in time; the change stands")
                .hint(cx.suggest(&format!("doctor {short}"))));
        }
        sleep_until(wake).await;
    }
}

fn undetermined(short: &str, why: &str) -> CommandError {
    let message = format!("whether the front end of `{short}` lets in is not settled");
    CommandError::new(ErrorKind::Undetermined, message).because(why)
}

async fn token(cx: &Context, whom: &As, call: &Call) -> Result<Option<BearerToken>, CommandError> {
    let text = match whom {
        As::Nobody => return Ok(None),
        As::Myself => id_token(cx, Some(&call.audience), false).await?.token,
        As::Account(account) => {
            let identity = cx.identity_as(account)?;
            let token = identity.tokens.id_token(Some(&call.audience));
            cx.in_time("get an ID token", token).await??.token
        }
    };
    BearerToken::new(&text).map(Some).map_err(|error| {
        let message = format!("what came back is not an ID token: {error}");
        CommandError::new(ErrorKind::NotAuthenticated, message)
    })
}
