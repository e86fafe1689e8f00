//! The ID token that requests are sent with: kept valid and renewed before it expires, by one task at
//! a time.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use time::OffsetDateTime;
use tokio::time::{Instant, sleep, timeout};

use crate::auth::{BearerToken, IdToken, Tokens, renewal_time};
use crate::domain::error::{CommandError, ErrorKind};
use crate::jwt::{claims, expiry};

/// How often the clock is checked: a machine that slept has missed its timers.
const LOOK: Duration = Duration::from_secs(15);
/// How long to wait after a failure before the next attempt, at first and at most.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// How long it may take to get a new token.
const PATIENCE: Duration = Duration::from_secs(30);
/// A token that is younger than this is not replaced because it was refused.
const JUST_NOW: Duration = Duration::from_secs(30);
/// For how long requests get the same failure without another attempt.
const SAME_FAILURE: Duration = Duration::from_secs(2);

/// The source of the tokens.
#[derive(Debug)]
pub enum Source {
    /// A credential, for an audience if the audience can be chosen.
    Minted { tokens: Arc<Tokens>, audience: Option<String> },
    /// A file, which is read again when it changes.
    File(PathBuf),
}

/// Keeps one token valid.
#[derive(Debug)]
pub struct Keeper {
    source: Source,
    clock: fn() -> OffsetDateTime,
    /// The command that gets a new token, suggested if there is no token.
    fix: Option<String>,
    state: RwLock<State>,
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    current: Option<Arc<Current>>,
    failure: Option<(Instant, NoToken)>,
}

#[derive(Clone)]
struct Current {
    header: HeaderValue,
    /// `None` if the token does not say.
    expires: Option<OffsetDateTime>,
    /// When to renew it.
    due: Option<OffsetDateTime>,
    obtained: Instant,
    /// The version of the file that the token is from.
    version: Option<Version>,
}

type Version = (Option<SystemTime>, u64);

impl Current {
    fn new(bearer: &BearerToken, version: Option<Version>) -> Self {
        let header = bearer.header();
        let expires = expiry(token_in(&header));
        let issued = claims(token_in(&header)).and_then(|claims| claims["iat"].as_i64());
        let issued = issued.and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
        let due =
            expires.map(|end| renewal_time(issued.unwrap_or(end - time::Duration::HOUR), end));
        Self { header, expires, due, obtained: Instant::now(), version }
    }

    /// Whether it does not need to be renewed yet.
    fn is_fresh(&self, now: OffsetDateTime) -> bool {
        self.due.is_none_or(|due| due > now)
    }
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Current").field("expires", &self.expires).finish_non_exhaustive()
    }
}

/// A token that must be replaced.
#[derive(Clone, Copy, Debug)]
enum Unwanted<'a> {
    /// The token expires soon.
    Old(&'a HeaderValue),
    /// The service rejected the token.
    Refused(&'a HeaderValue),
}

impl Unwanted<'_> {
    fn header(&self) -> &HeaderValue {
        match self {
            Self::Old(header) | Self::Refused(header) => header,
        }
    }
}

/// Why there is no token, and what may help.
#[derive(Clone, Debug)]
pub struct NoToken(pub CommandError);

impl NoToken {
    /// The reason and the fix, in one line.
    pub(super) fn text(&self) -> String {
        let fix = self.0.hints.first().map(|hint| format!("; try `{hint}`")).unwrap_or_default();
        format!("there is no token, so nothing was sent: {}{fix}", self.0.in_one_line())
    }
}

impl Keeper {
    /// A keeper that starts with a token, if one is available.
    pub fn new(
        source: Source,
        clock: fn() -> OffsetDateTime,
        fix: Option<String>,
        first: Option<&IdToken>,
    ) -> Self {
        let first = first.and_then(|first| BearerToken::new(&first.token).ok());
        let current = first.map(|first| Arc::new(Current::new(&first, None)));
        let state = RwLock::new(State { current, failure: None });
        Self { source, clock, fix, state, turn: tokio::sync::Mutex::default() }
    }

    /// The header with a token that is valid now.
    pub async fn header(&self) -> Result<HeaderValue, NoToken> {
        if let Some(current) = self.good() {
            return Ok(current.header.clone());
        }
        self.renewed(None).await
    }

    /// The header with another token than one that was rejected before it expired; `None` if there is
    /// no other.
    pub(super) async fn other_than(&self, refused: &HeaderValue) -> Option<HeaderValue> {
        match self.good() {
            Some(current) if current.header != *refused => Some(current.header.clone()),
            // A new token would be rejected too.
            Some(current) if self.is_minted() && current.obtained.elapsed() < JUST_NOW => None,
            _ => {
                let renewed = self.renewed(Some(Unwanted::Refused(refused))).await;
                renewed.ok().filter(|header| header != refused)
            }
        }
    }

    fn is_minted(&self) -> bool {
        matches!(self.source, Source::Minted { .. })
    }

    /// When the token expires, if it says so.
    pub fn expires(&self) -> Option<OffsetDateTime> {
        self.good()?.expires
    }

    /// The account that the token names.
    pub fn account(&self) -> Option<String> {
        let claims = claims(token_in(&self.good()?.header))?;
        claims["email"].as_str().map(str::to_owned)
    }

    /// Renews the token before it expires, forever. Calls `failed` for each failure.
    pub(super) async fn keep(&self, failed: impl Fn(&NoToken)) {
        // A file is checked at each request.
        if !self.is_minted() {
            return std::future::pending().await;
        }
        let mut wait = FIRST_WAIT;
        loop {
            let now = (self.clock)();
            let current = self.good();
            if let Some(fresh) = current.as_ref().filter(|current| current.is_fresh(now)) {
                wait = FIRST_WAIT;
                let left = fresh.due.and_then(|due| Duration::try_from(due - now).ok());
                sleep(left.unwrap_or(LOOK).min(LOOK)).await;
                continue;
            }
            let old = current.as_ref().map(|current| Unwanted::Old(&current.header));
            match self.renewed(old).await {
                Ok(_) if self.good().is_some_and(|current| current.is_fresh((self.clock)())) => {
                    continue;
                }
                // The new token is as old as the previous one.
                Ok(_) => {}
                Err(no_token) => failed(&no_token),
            }
            sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// The current token, if it is still valid.
    fn good(&self) -> Option<Arc<Current>> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let current = state.current.as_ref()?;
        let in_time = current.expires.is_none_or(|end| end > (self.clock)());
        let is_it = match &self.source {
            // A pipe is read once: whoever writes to it may not write again.
            Source::File(path) => current.version == version(path) || !is_regular(path),
            Source::Minted { .. } => true,
        };
        (in_time && is_it).then(|| Arc::clone(current))
    }

    /// Gets a new token. A caller that arrives while another call gets one receives the same token. A
    /// caller that arrives right after a failure receives that failure.
    async fn renewed(&self, unwanted: Option<Unwanted<'_>>) -> Result<HeaderValue, NoToken> {
        let _turn = self.turn.lock().await;
        let is_it = |current: &Arc<Current>| {
            unwanted.is_none_or(|unwanted| *unwanted.header() != current.header)
        };
        if let Some(current) = self.good().filter(is_it) {
            return Ok(current.header.clone());
        }
        let failure = self.with_state(|state| state.failure.clone());
        if let Some((when, no_token)) = failure
            && when.elapsed() < SAME_FAILURE
            && self.is_minted()
        {
            return Err(no_token);
        }
        let tried = match &self.source {
            Source::File(path) => version(path),
            Source::Minted { .. } => None,
        };
        match self.obtain(unwanted).await {
            Ok(current) => {
                let header = current.header.clone();
                self.with_state(|state| {
                    *state = State { current: Some(Arc::new(current)), failure: None };
                });
                Ok(header)
            }
            Err(mut error) => {
                if let Some(header) = self.held_on(unwanted, tried) {
                    return Ok(header);
                }
                if let (Some(fix), true) = (&self.fix, error.hints.is_empty()) {
                    error = error.hint(fix.as_str());
                }
                let no_token = NoToken(error);
                self.with_state(|state| state.failure = Some((Instant::now(), no_token.clone())));
                Err(no_token)
            }
        }
    }

    /// The token that is held, if it is still good and the file that it is from no longer gives one:
    /// until the file changes again, it is not looked at.
    fn held_on(
        &self,
        unwanted: Option<Unwanted<'_>>,
        tried: Option<Version>,
    ) -> Option<HeaderValue> {
        let Source::File(_) = self.source else { return None };
        self.with_state(|state| {
            let current = state.current.as_ref()?;
            let in_time = current.expires.is_none_or(|end| end > (self.clock)());
            let is_refused =
                matches!(unwanted, Some(Unwanted::Refused(header)) if *header == current.header);
            if !in_time || is_refused {
                return None;
            }
            let held = Current { version: tried, ..Current::clone(current) };
            let header = held.header.clone();
            state.current = Some(Arc::new(held));
            Some(header)
        })
    }

    fn with_state<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.write().unwrap_or_else(PoisonError::into_inner))
    }

    async fn obtain(&self, unwanted: Option<Unwanted<'_>>) -> Result<Current, CommandError> {
        let (bearer, version) = match &self.source {
            Source::Minted { tokens, audience } => {
                let audience = audience.as_deref();
                if let Some(Unwanted::Refused(header)) = unwanted {
                    tokens.forget_id(audience, token_in(header));
                }
                let minted = timeout(PATIENCE, tokens.id_token(audience)).await.map_err(|_| {
                    let message = "no ID token came in time";
                    CommandError::new(ErrorKind::Deadline, message)
                })?;
                let minted = minted.map_err(|error| CommandError::from(&error))?;
                let bearer = BearerToken::new(&minted.token).map_err(|error| {
                    refused("what came back is not an ID token").because(error.to_string())
                })?;
                (bearer, None)
            }
            Source::File(path) => {
                let version = version(path);
                // A pipe has its own time.
                let file = path.clone();
                let read = tokio::task::spawn_blocking(move || BearerToken::in_file(&file));
                let read = timeout(PATIENCE, read)
                    .await
                    .map_err(|_| refused(&format!("`{}` gives nothing to read", path.display())))?;
                let read = read.map_err(|error| refused(&error.to_string()))?;
                (read?, version)
            }
        };
        let current = Current::new(&bearer, version);
        if current.expires.is_some_and(|end| end <= (self.clock)()) {
            let place = match &self.source {
                Source::File(path) => format!("what stands in `{}`", path.display()),
                Source::Minted { .. } => "what came back".to_owned(),
            };
            return Err(refused(&format!("{place} is an ID token whose time is up")));
        }
        Ok(current)
    }
}

/// The token in a header.
fn token_in(header: &HeaderValue) -> &str {
    let text = header.to_str().unwrap_or_default();
    text.split_once(' ').map_or(text, |(_, token)| token)
}

fn refused(message: &str) -> CommandError {
    CommandError::new(ErrorKind::NotAuthenticated, message)
}

/// Whether a file can be read again: nothing is there, or it is no pipe.
fn is_regular(path: &PathBuf) -> bool {
    fs::metadata(path).map_or(true, |data| data.is_file())
}

/// The attributes that change with a file; the same for all files that cannot be examined.
fn version(path: &PathBuf) -> Option<Version> {
    let data = fs::metadata(path).ok()?;
    Some((data.modified().ok(), data.len()))
}
