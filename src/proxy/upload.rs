//! The body of a request on its way to the service: counted, and held back until it is wanted.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::task::AtomicWaker;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, COOKIE, HOST, TE, TRAILER};
use http::{HeaderMap, HeaderName, Request};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};

use super::fields::{FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PROTO, SECRET_HEADER, SERVERLESS};
use crate::hop_by_hop;

/// How long a body waits for `100 Continue` before it is sent without it. This is necessary because a
/// server may not know the expectation (RFC 9110, 10.1.1).
const PATIENCE: Duration = Duration::from_secs(1);

/// The body of a request on its way to the service.
#[derive(Debug)]
pub(super) enum Upload {
    Nothing,
    Streamed {
        body: Incoming,
        received: Arc<AtomicU64>,
        waits: Option<Waits>,
        /// The header that carries the token; no trailer may have this name.
        header: HeaderName,
    },
}

/// The wait until the service sends `100 Continue`.
#[derive(Debug)]
pub(super) struct Waits {
    word: Arc<Word>,
    at_most: Pin<Box<Sleep>>,
}

#[derive(Debug, Default)]
struct Word {
    was_said: AtomicBool,
    waker: AtomicWaker,
}

impl Waits {
    /// Waits for the response to this request: it is notified when `100 Continue` arrives.
    pub(super) fn for_answer<B>(request: &mut Request<B>) -> Self {
        let word = Arc::new(Word::default());
        let said = Arc::clone(&word);
        hyper::ext::on_informational(request, move |answer| {
            if answer.status() == 100 {
                said.was_said.store(true, Ordering::Release);
                said.waker.wake();
            }
        });
        Self { word, at_most: Box::pin(sleep(PATIENCE)) }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.word.waker.register(cx.waker());
        if self.word.was_said.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        self.at_most.as_mut().poll(cx)
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Self::Streamed { body, received, waits, header } = self.get_mut() else {
            return Poll::Ready(None);
        };
        if let Some(waiting) = waits {
            ready!(waiting.poll(cx));
            *waits = None;
        }
        let mut frame = ready!(Pin::new(body).poll_frame(cx));
        if let Some(Ok(frame)) = &mut frame
            && let Some(trailers) = frame.trailers_mut()
        {
            clean(trailers, header);
        }
        if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
            received.fetch_add(data.len() as u64, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Streamed { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Nothing => SizeHint::with_exact(0),
            Self::Streamed { body, .. } => body.size_hint(),
        }
    }
}

/// Removes from a client's trailers the fields that would have a meaning in the head made here, or
/// that say where a message ends (RFC 9110, 6.5.1).
fn clean(trailers: &mut HeaderMap, header: &HeaderName) {
    hop_by_hop::remove(trailers);
    for name in [AUTHORIZATION, CONTENT_LENGTH, COOKIE, HOST, TE, TRAILER] {
        trailers.remove(name);
    }
    for name in [&SERVERLESS, &FORWARDED_FOR, &FORWARDED_HOST, &FORWARDED_PROTO, header] {
        trailers.remove(name);
    }
    trailers.remove(SECRET_HEADER);
}
