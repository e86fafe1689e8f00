//! A client's connection, plain or over TLS, which can be told to break as networks do.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How long a client may take to begin and to shake hands.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The first byte of a TLS connection: that of its handshake records (RFC 8446, 5.1).
const TLS_HANDSHAKE: u8 = 0x16;
/// Connections that have shaken hands and were not yet taken in.
const WAITING: usize = 64;

/// Takes connections in.
#[derive(Debug)]
pub(crate) enum Door {
    Plain(TcpListener),
    /// Either kind, told apart by the first byte.
    Both {
        arrived: mpsc::Receiver<(Connection, SocketAddr)>,
        address: SocketAddr,
    },
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Stream,
    line: Line,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What a request knows of the connection that it came on.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    reset: Arc<AtomicBool>,
    pub(crate) peer: SocketAddr,
    pub(crate) is_secure: bool,
}

impl Line {
    /// Resets the connection in place of the next bytes that would be sent.
    pub(crate) fn reset(&self) {
        self.reset.store(true, Ordering::Relaxed);
    }
}

impl Door {
    /// A door for plain connections, and for TLS if there is an acceptor.
    pub(crate) fn new(listener: TcpListener, tls: Option<TlsAcceptor>) -> io::Result<Self> {
        let Some(acceptor) = tls else { return Ok(Self::Plain(listener)) };
        let address = listener.local_addr()?;
        let (sender, arrived) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            let mut listener = listener;
            loop {
                let (stream, peer) = tokio::select! {
                    // Waits out errors by itself.
                    taken = Listener::accept(&mut listener) => taken,
                    () = sender.closed() => return,
                };
                let (acceptor, sender) = (acceptor.clone(), sender.clone());
                tokio::spawn(async move {
                    let taken = timeout(HANDSHAKE, take(stream, peer, &acceptor)).await;
                    if let Ok(Ok(connection)) = taken {
                        // Nobody takes it where the server has stopped.
                        drop(sender.send((connection, peer)).await);
                    }
                });
            }
        });
        Ok(Self::Both { arrived, address })
    }
}

/// Shakes hands where the client speaks TLS.
async fn take(
    stream: TcpStream,
    peer: SocketAddr,
    acceptor: &TlsAcceptor,
) -> io::Result<Connection> {
    let mut first = [0];
    stream.peek(&mut first).await?;
    if first[0] != TLS_HANDSHAKE {
        return Ok(Connection::new(Stream::Plain(stream), peer));
    }
    drop(stream.set_nodelay(true));
    let stream = acceptor.accept(stream).await?;
    Ok(Connection::new(Stream::Tls(Box::new(stream)), peer))
}

impl Listener for Door {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        match self {
            Self::Plain(listener) => {
                let (stream, peer) = Listener::accept(listener).await;
                (Connection::new(Stream::Plain(stream), peer), peer)
            }
            Self::Both { arrived, .. } => match arrived.recv().await {
                Some(taken) => taken,
                None => std::future::pending().await,
            },
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Plain(listener) => listener.local_addr(),
            Self::Both { address, .. } => Ok(*address),
        }
    }
}

impl Connected<IncomingStream<'_, Door>> for Line {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.io().line.clone()
    }
}

impl Connection {
    fn new(stream: Stream, peer: SocketAddr) -> Self {
        let is_secure = matches!(stream, Stream::Tls(_));
        let connection = Self { stream, line: Line { reset: Arc::default(), peer, is_secure } };
        // Without it the last part of an answer may wait for a client's acknowledgement; where
        // it cannot be set, answers are but slower.
        drop(connection.tcp().set_nodelay(true));
        connection
    }

    fn tcp(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => stream.get_ref().0,
        }
    }

    /// An error where the connection is to break: it is then closed with a reset.
    fn check(&self) -> io::Result<()> {
        if !self.line.reset.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.tcp().set_zero_linger()?;
        Err(io::ErrorKind::ConnectionReset.into())
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
