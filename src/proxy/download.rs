//! The body of a response on its way to the client: counted, and watched for its end.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body_util::Full;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};

use super::grpc::grpc_status;
use super::ticket::Ticket;

/// The body of a response on its way to the client.
#[derive(Debug)]
pub(super) struct Download {
    content: Content,
    /// The length of the body, if known.
    length: Option<u64>,
    /// An error that came before anything else, told once the head is on its way.
    broken: Option<hyper::Error>,
    has_begun: bool,
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
        Self { content, length, broken: None, has_begun: false, ticket: Some(ticket) }
    }

    /// The body of a response that has no end of its own.
    pub(super) fn nothing() -> Self {
        let content = Content::Here(Full::default());
        Self { content, length: None, broken: None, has_begun: false, ticket: None }
    }

    /// The body of a service's response; `has_none` if the head alone is the response, whatever
    /// length it states.
    pub(super) fn service(body: Incoming, has_none: bool, ticket: Ticket) -> Self {
        let length = if has_none { Some(0) } else { body.size_hint().exact() };
        let (content, ticket) = (Content::Service(body), Some(ticket));
        Self { content, length, broken: None, has_begun: false, ticket }
    }
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
        if let Some(error) = this.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
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
                // Nothing follows trailers, and nobody looks whether anything does.
                if part.is_trailers() {
                    drop(this.ticket.take());
                }
            }
            Some(Err(error)) => {
                if let Some(mut ticket) = this.ticket.take() {
                    let why = crate::transport::chain(error);
                    ticket.note(|told| told.reason = Some(format!("the answer broke off: {why}")));
                }
                // The library would close the connection before it has sent the head.
                if !this.has_begun
                    && let Some(Err(error)) = frame
                {
                    (this.broken, this.has_begun) = (Some(error), true);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                return Poll::Ready(frame);
            }
            None => drop(this.ticket.take()),
        }
        this.has_begun = true;
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
