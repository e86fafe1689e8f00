//! Joins two connections that speak another protocol after an upgrade.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};

/// Copies bytes in both directions until both sides have ended. Returns the number of bytes from
/// each side.
pub async fn join(client: OnUpgrade, server: OnUpgrade) -> (u64, u64) {
    let Ok((client, server)) = futures::future::try_join(client, server).await else {
        return (0, 0);
    };
    let mut client = Metered { inner: TokioIo::new(client), read: 0 };
    let mut server = Metered { inner: TokioIo::new(server), read: 0 };
    // If either side breaks off, the other is closed. Nothing else can be done.
    drop(copy_bidirectional(&mut client, &mut server).await);
    (client.read, server.read)
}

/// A connection that counts the bytes read from it.
struct Metered<S> {
    inner: S,
    read: u64,
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buffer);
        self.read += (buffer.filled().len() - before) as u64;
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
