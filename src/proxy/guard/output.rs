//! Writes to a client, and reads what follows its last response.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::{Guard, Stage};

/// How long a client may be silent before its connection is closed for good, after its response was
/// sent and if it has not closed its side.
const LINGER: Duration = Duration::from_secs(1);
/// How long that may take in all.
const LONGEST_LINGER: Duration = Duration::from_secs(10);

impl<S: AsyncRead + AsyncWrite + Unpin> Guard<S> {
    /// Notes whether the client accepts what is written.
    fn note(&mut self, written: &Poll<io::Result<usize>>) {
        self.is_full = written.is_pending();
        if !self.is_full {
            self.last_written = Instant::now();
        }
    }

    /// Reads what a client still sends after its last response: a client that sends much reads the
    /// response only afterwards, and would find the connection reset.
    fn linger(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ends = *self.lingers_until.get_or_insert_with(|| Instant::now() + LONGEST_LINGER);
        let before = self.thrown_away;
        // If this fails, the client is gone, and nothing more can be lost.
        let is_done = self.discard(cx).is_ready();
        if self.thrown_away > before {
            self.last_written = Instant::now();
        }
        let due = ends.min(self.last_written + LINGER);
        if is_done || self.alarm.set(due, cx) { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.note(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        // The other half of another protocol continues.
        if this.stage == Stage::Open { Poll::Ready(Ok(())) } else { this.linger(cx) }
    }
}
