//! Decides when a read is repeated. Writes are never repeated here: the code that drives a change
//! plans again.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use super::deadline::Deadline;
use super::failure::Failure;
use super::failure_kind::FailureKind;

const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(8);
/// A server that cannot be reached usually does not exist, so this limit is low.
const CONNECT_ATTEMPTS: u32 = 3;

/// Sends a read until it succeeds, fails permanently, or the deadline passes.
pub(super) async fn until_answered<T, F>(
    call: &str,
    deadline: &Deadline,
    mut send: impl FnMut() -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let mut attempt = 0;
    loop {
        attempt += 1;
        let failure = match once(call, deadline, send()).await {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        let given_up = failure.kind == FailureKind::Connect && attempt >= CONNECT_ATTEMPTS;
        if !failure.kind.is_passing() || given_up {
            return Err(failure);
        }
        let wake = Instant::now() + wait(attempt, failure.retry_after);
        if wake >= deadline.end() {
            return Err(failure);
        }
        sleep_until(wake).await;
    }
}

/// Sends a call once, within the deadline.
pub(super) async fn once<T>(
    call: &str,
    deadline: &Deadline,
    send: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    match timeout_at(deadline.end(), send).await {
        Ok(answer) => answer,
        Err(_) => Err(Failure::deadline(call, deadline.limit())),
    }
}

/// Doubles for each attempt, jittered to between half of the wait and all of it; never shorter than
/// the server asks.
fn wait(attempt: u32, asked: Option<Duration>) -> Duration {
    let longest = FIRST_WAIT.saturating_mul(1 << (attempt - 1).min(10)).min(LONGEST_WAIT);
    let jittered = longest.mul_f64(0.5 + fastrand::f64() / 2.0);
    jittered.max(asked.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn failing(kind: FailureKind) -> Failure {
        Failure::new(kind, "c", "m")
    }

    #[tokio::test(start_paused = true)]
    async fn passing_failures_are_tried_again_and_others_are_not() {
        let deadline = Deadline::after(Duration::from_mins(1));
        let count = Cell::new(0);
        let answer = until_answered("c", &deadline, || async {
            count.set(count.get() + 1);
            if count.get() < 4 { Err(failing(FailureKind::Unavailable)) } else { Ok(count.get()) }
        })
        .await;
        assert_eq!(answer.unwrap(), 4);
        count.set(0);
        let answer: Result<(), _> = until_answered("c", &deadline, || async {
            count.set(count.get() + 1);
            Err(failing(FailureKind::PermissionDenied))
        })
        .await;
        assert!(answer.is_err());
        assert_eq!(count.get(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_servers_wish_and_the_deadline_are_kept() {
        let deadline = Deadline::after(Duration::from_secs(10));
        let start = Instant::now();
        let mut asked = failing(FailureKind::RateLimited);
        asked.retry_after = Some(Duration::from_secs(4));
        let answer: Result<(), _> =
            until_answered("c", &deadline, || async { Err(asked.clone()) }).await;
        assert_eq!(answer.unwrap_err().kind, FailureKind::RateLimited);
        assert_eq!(start.elapsed(), Duration::from_secs(8));
        let silent: Result<(), _> = until_answered("c", &deadline, std::future::pending).await;
        assert_eq!(silent.unwrap_err().kind, FailureKind::Deadline);
    }
}
