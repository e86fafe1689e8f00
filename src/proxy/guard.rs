//! The filter between a client's bytes and the HTTP library. It passes on only complete, unambiguous
//! requests, one at a time, and gives up on clients that stall.

mod alarm;
mod framing;
mod line;
mod output;

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use self::alarm::Alarm;
use self::framing::Expecting;

pub(super) use self::framing::{Fault, LONGEST_HEAD};
pub(super) use self::line::Line;

/// How long a client may take to send the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(15);
/// How long a connection may be idle.
const IDLE_TIME: Duration = Duration::from_mins(5);
/// How long a response may take to begin, or to continue, after its client has closed its side. The
/// client may be waiting or gone, which looks the same until something is sent.
const HALF_CLOSED: Duration = Duration::from_secs(2);
/// How many bytes are read at once while it is unknown what they are.
const PIECE: usize = 8 * 1024;
/// How many bytes of a client are read and discarded after its response was sent: the response could
/// be lost if the connection were closed earlier.
const THROWN_AWAY: usize = 256 * 1024 * 1024;
/// The request that the library reads in place of a refused one, so that the refusal is sent in turn.
const STAND_IN: &[u8] = b"GET /refused HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
/// The first bytes of HTTP/2 (RFC 9113, 3.4), enough to tell it from HTTP/1.
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The connection of a client.
#[derive(Debug)]
pub(super) struct Guard<S> {
    stream: S,
    line: Arc<Line>,
    /// The bytes that were read and not yet passed on.
    held: Vec<u8>,
    /// How many of the held bytes may be passed on.
    good: usize,
    /// How many of the held bytes were searched for the end of a head.
    seen: usize,
    stage: Stage,
    /// Whether no part of the current request was passed on yet.
    is_whole: bool,
    /// Whether an empty line before the request was passed over.
    has_skipped: bool,
    has_ended: bool,
    thrown_away: usize,
    last_written: Instant,
    head_since: Option<Instant>,
    /// Whether the client does not accept what is written.
    is_full: bool,
    lingers_until: Option<Instant>,
    alarm: Alarm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing was read yet.
    First,
    Reading(Expecting),
    /// A head that asks for another protocol was passed on.
    Upgrading,
    /// Bytes are passed on as they come.
    Open,
    /// A request was refused; nothing more is accepted.
    Refused,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Guard<S> {
    pub(super) fn new(stream: S, line: Arc<Line>) -> Self {
        Self {
            stream,
            line,
            held: Vec::new(),
            good: 0,
            seen: 0,
            stage: Stage::First,
            is_whole: true,
            has_skipped: false,
            has_ended: false,
            thrown_away: 0,
            last_written: Instant::now(),
            head_since: None,
            is_full: false,
            lingers_until: None,
            alarm: Alarm::default(),
        }
    }

    /// Waits for the first bytes. Returns whether they are HTTP/2; an error if none come.
    pub(super) async fn speaks_http2(&mut self) -> io::Result<bool> {
        std::future::poll_fn(|cx| self.poll_first(cx)).await
    }

    fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        loop {
            let known = self.held.len().min(HTTP2.len());
            if self.held[..known] != HTTP2[..known] {
                self.stage = Stage::Reading(Expecting::Head);
                return Poll::Ready(Ok(false));
            }
            if known == HTTP2.len() {
                self.stage = Stage::Open;
                self.good = self.held.len();
                self.head_since = None;
                return Poll::Ready(Ok(true));
            }
            match self.fill(cx) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if self.is_late(cx) => {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Reads more into the held bytes. Returns how many bytes came, 0 at the end.
    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut piece = [MaybeUninit::uninit(); PIECE];
        let mut buffer = ReadBuf::uninit(&mut piece);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        self.held.extend_from_slice(buffer.filled());
        if buffer.filled().is_empty() {
            (self.has_ended, self.last_written) = (true, Instant::now());
        }
        let is_head = matches!(self.stage, Stage::First | Stage::Reading(Expecting::Head));
        if is_head && !self.held.is_empty() {
            self.head_since.get_or_insert_with(Instant::now);
        }
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Checks the held bytes as far as possible.
    fn judge(&mut self) -> Result<(), Fault> {
        while self.good < self.held.len() {
            let Stage::Reading(expecting) = self.stage else { return Ok(()) };
            if expecting != Expecting::Head {
                let (taken, next) = framing::body(&self.held[self.good..], expecting)?;
                self.good += taken;
                self.stage = Stage::Reading(next);
                if taken == 0 {
                    return Ok(());
                }
                continue;
            }
            // The next request waits for the response to this one.
            if self.line.is_busy() || self.good > 0 {
                return Ok(());
            }
            self.is_whole = true;
            // An empty line before a request does no harm (RFC 9112, 2.2).
            if !self.has_skipped && self.held[0] == b'\r' {
                match self.held.get(1) {
                    Some(b'\n') => {
                        self.held.drain(..2);
                        self.has_skipped = true;
                        continue;
                    }
                    Some(_) => return Err(Fault::BareLineEnd),
                    None => {}
                }
            }
            let is_line_end = !self.has_skipped && self.held == b"\r";
            let found = if is_line_end { None } else { framing::head(&self.held, self.seen)? };
            let Some(head) = found else {
                self.seen = if is_line_end { 0 } else { self.held.len() };
                // It may have come together with the end of the request before.
                self.head_since.get_or_insert_with(Instant::now);
                return Ok(());
            };
            (self.good, self.seen, self.has_skipped) = (head.length, 0, false);
            self.head_since = None;
            self.stage = if head.upgrades { Stage::Upgrading } else { Stage::Reading(head.then) };
        }
        Ok(())
    }

    /// Refuses a malformed request. Replaces it with [`STAND_IN`] if no part of it was passed on;
    /// fails otherwise.
    fn refuse(&mut self, fault: Fault) -> io::Result<()> {
        self.line.refuse(fault);
        if !self.is_whole {
            return Err(io::Error::new(io::ErrorKind::InvalidData, fault));
        }
        self.seen = 0;
        self.held.clear();
        self.held.extend_from_slice(STAND_IN);
        self.good = STAND_IN.len();
        self.stage = Stage::Refused;
        Ok(())
    }

    fn hand_on(&mut self, buffer: &mut ReadBuf<'_>) {
        if self.is_whole {
            self.is_whole = false;
            // If the library does not accept it as a request, it closes the connection.
            if self.stage != Stage::Open {
                self.line.begin();
            }
        }
        let here = self.good.min(buffer.remaining());
        buffer.put_slice(&self.held[..here]);
        self.good -= here;
        if here == self.held.len() {
            // An idle connection holds no memory.
            self.held = Vec::new();
        } else {
            self.held.drain(..here);
        }
    }

    /// Reads bytes that belong to no request that is being read: while one is answered, to detect
    /// that the client disconnects.
    fn wait_turn(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.has_ended && self.held.len() < LONGEST_HEAD {
            match self.fill(cx) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => break,
            }
        }
        if self.has_ended && self.is_late(cx) {
            return Poll::Ready(Ok(()));
        }
        // The library does not poll again by itself after a response has ended, and an idle
        // connection must be detected.
        self.alarm.set(Instant::now() + IDLE_TIME, cx);
        if self.has_ended || !self.held.is_empty() {
            // The library does not poll again by itself.
            self.line.reader.register(cx.waker());
            if !self.line.is_busy() {
                cx.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }

    /// Reads and discards bytes, until the end or until more than a client sends in good faith.
    fn discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.has_ended && self.thrown_away < THROWN_AWAY {
            self.thrown_away += ready!(self.fill(cx))?;
            self.held.clear();
        }
        Poll::Ready(Ok(()))
    }

    /// Accepts nothing more, and ends after the refusal was sent.
    fn throw_away(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(Err(error)) = self.discard(cx) {
            return Poll::Ready(Err(error));
        }
        self.line.reader.register(cx.waker());
        if self.line.is_busy() { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    /// Whether the client's time is up. If not, this task is woken when it is.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let due = if self.line.is_busy() {
            if !self.has_ended {
                return false;
            }
            self.last_written + HALF_CLOSED
        } else {
            match self.head_since {
                _ if self.is_full => self.last_written + IDLE_TIME,
                Some(since) => since.max(self.line.idle_since()) + HEAD_TIME,
                None => self.line.idle_since() + IDLE_TIME,
            }
        };
        self.alarm.set(due, cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Guard<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.good > 0 {
                this.hand_on(buffer);
                return Poll::Ready(Ok(()));
            }
            if let Err(fault) = this.judge() {
                this.refuse(fault)?;
                continue;
            }
            if this.good > 0 {
                continue;
            }
            match this.stage {
                Stage::Refused => return this.throw_away(cx),
                Stage::Upgrading if this.line.upgraded.load(Ordering::Acquire) => {
                    this.stage = Stage::Open;
                    this.good = this.held.len();
                    continue;
                }
                Stage::Upgrading if !this.line.is_busy() => {
                    this.stage = Stage::Reading(Expecting::Head);
                    continue;
                }
                Stage::Open => {
                    let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
                    return match read {
                        Poll::Pending if this.is_late(cx) => Poll::Ready(Ok(())),
                        read => read,
                    };
                }
                Stage::Reading(Expecting::Body(left)) if this.held.is_empty() => {
                    return this.read_body(cx, buffer, left);
                }
                Stage::Reading(Expecting::Head) if !this.line.is_busy() => {
                    if this.has_ended {
                        // The response may not be written completely yet.
                        let waits = this.is_full && !this.is_late(cx);
                        return if waits { Poll::Pending } else { Poll::Ready(Ok(())) };
                    }
                    match this.fill(cx) {
                        Poll::Ready(Ok(_)) => continue,
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                        Poll::Pending if this.is_late(cx) => return Poll::Ready(Ok(())),
                        Poll::Pending => return Poll::Pending,
                    }
                }
                Stage::First | Stage::Upgrading | Stage::Reading(Expecting::Head) => {}
                Stage::Reading(_) => {
                    if ready!(this.fill(cx))? == 0 {
                        return Poll::Ready(Ok(()));
                    }
                    continue;
                }
            }
            return this.wait_turn(cx);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Guard<S> {
    /// Reads bytes of a body of known length directly into the destination buffer.
    fn read_body(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
        left: u64,
    ) -> Poll<io::Result<()>> {
        let room = buffer.remaining().min(usize::try_from(left).unwrap_or(usize::MAX));
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(room));
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut part))?;
        let count = part.filled().len();
        buffer.advance(count);
        self.stage = Stage::Reading(match left - count as u64 {
            0 => Expecting::Head,
            left => Expecting::Body(left),
        });
        Poll::Ready(Ok(()))
    }
}

/// The length of a valid and complete head, for the tests of raw bytes.
#[cfg(any(test, fuzzing))]
pub(super) fn head_length(bytes: &[u8], seen: usize) -> Result<Option<usize>, Fault> {
    Ok(framing::head(bytes, seen)?.map(|head| head.length))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn half_a_head_that_came_with_a_body_has_its_time() {
        let (mut client, server) = tokio::io::duplex(4096);
        let line = Line::new();
        let mut guard = Guard::new(server, Arc::clone(&line));
        let whole = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok";
        client.write_all(&[&whole[..], b"GET / HTT"].concat()).await.unwrap();
        assert!(!guard.speaks_http2().await.unwrap());
        let mut read = vec![0; whole.len()];
        guard.read_exact(&mut read).await.unwrap();
        assert_eq!(read, whole);
        line.end();
        let begun = Instant::now();
        assert_eq!(guard.read(&mut [0; 64]).await.unwrap(), 0);
        let waited = begun.elapsed();
        assert!((HEAD_TIME..HEAD_TIME + Duration::from_secs(2)).contains(&waited), "{waited:?}");
    }
}
