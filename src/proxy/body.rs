//! Bodies in transit: counted, and watched for their end.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::task::AtomicWaker;
use http::{HeaderMap, HeaderName, Request};
use http_body_util::Full;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};

use super::rewrite;
use super::ticket::Ticket;

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
            rewrite::trailers(trailers, header);
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

/// The body of a response on its way to the client.
#[derive(Debug)]
pub(super) struct Download {
    content: Content,
    /// The length of the body, if known.
    length: Option<u64>,
    ticket: Option<Ticket>,
}

#[derive(Debug)]
enum Content {
    Here(Full<Bytes>),
    Service(Incoming),
}

impl Download {
    /// A body that the proxy made.
    pub(super) fn here(text: impl Into<Bytes>, ticket: Ticket) -> Self {
        let (content, length) = (Content::Here(Full::new(text.into())), None);
        Self { content, length, ticket: Some(ticket) }
    }

    /// The body of a response that has no end of its own.
    pub(super) fn nothing() -> Self {
        Self { content: Content::Here(Full::default()), length: None, ticket: None }
    }

    /// The body of a service's response; `has_none` if the head alone is the response, whatever
    /// length it states.
    pub(super) fn service(body: Incoming, has_none: bool, ticket: Ticket) -> Self {
        let length = if has_none { Some(0) } else { body.size_hint().exact() };
        Self { content: Content::Service(body), length, ticket: Some(ticket) }
    }
}

/// The gRPC status in trailers, or in the headers of a response without trailers.
pub(super) fn grpc_status(headers: &HeaderMap) -> Option<u16> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

impl Drop for Download {
    fn drop(&mut self) {
        if let Some(mut ticket) = self.ticket.take()
            && !self.is_end_stream()
            && self.length != Some(ticket.sent)
        {
            let why = "the client went away before the end";
            ticket.note(|told| {
                told.reason.get_or_insert_with(|| why.to_owned());
            });
        }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let frame = match &mut this.content {
            Content::Here(body) => {
                let frame = ready!(Pin::new(body).poll_frame(cx));
                frame.map(|frame| frame.map_err(|never: Infallible| match never {}))
            }
            Content::Service(body) => ready!(Pin::new(body).poll_frame(cx)),
        };
        match &frame {
            Some(Ok(part)) => {
                if let Some(ticket) = &mut this.ticket {
                    ticket.sent += part.data_ref().map_or(0, Bytes::len) as u64;
                    let status = part.trailers_ref().and_then(grpc_status);
                    ticket.note(|told| told.grpc_status = status.or(told.grpc_status));
                }
            }
            Some(Err(error)) => {
                if let Some(mut ticket) = this.ticket.take() {
                    let why = crate::transport::chain(error);
                    ticket.note(|told| told.reason = Some(format!("the answer broke off: {why}")));
                }
            }
            None => drop(this.ticket.take()),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Here(body) => body.is_end_stream(),
            Content::Service(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Here(body) => body.size_hint(),
            Content::Service(body) => body.size_hint(),
        }
    }
}
