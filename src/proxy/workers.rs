//! The threads that serve connections, each with a runtime and connections to services of its
//! own: no request crosses from one to another, which costs more than serving it.

use std::io;
use std::net::{SocketAddr, TcpStream as StdStream};
use std::sync::Arc;
use std::thread;

use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};

use super::connection::{self, Running, Stop};
use super::site::Site;

/// More threads than this serve nobody at one desk.
const MOST: usize = 4;

/// A connection that was taken.
pub(super) struct Taken {
    pub(super) stream: StdStream,
    pub(super) peer: SocketAddr,
    pub(super) door: usize,
    pub(super) running: Running,
}

/// The threads, while this lives.
#[derive(Clone, Debug)]
pub(super) struct Workers {
    senders: Arc<[mpsc::UnboundedSender<Taken>]>,
    /// The threads end with it.
    _alive: watch::Sender<()>,
}

/// How many threads serve.
pub(super) fn count() -> usize {
    thread::available_parallelism().map_or(1, usize::from).min(MOST)
}

impl Workers {
    pub(super) fn start(site: &Arc<Site>, stop: &Stop) -> io::Result<Self> {
        let (alive, over) = watch::channel(());
        let start = |worker: usize| {
            let (sender, taken) = mpsc::unbounded_channel();
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let (site, stop, over) = (Arc::clone(site), stop.clone(), over.clone());
            let name = format!("proxy-{worker}");
            thread::Builder::new()
                .name(name)
                .spawn(move || runtime.block_on(serve(worker, &site, taken, &stop, over)))?;
            Ok(sender)
        };
        let senders: io::Result<Vec<_>> = (0..count()).map(start).collect();
        Ok(Self { senders: senders?.into(), _alive: alive })
    }

    /// Hands a connection to the thread of this number, round and round.
    pub(super) fn hand(&self, number: usize, taken: Taken) {
        // A thread that has ended has no use for it.
        drop(self.senders[number % self.senders.len()].send(taken));
    }
}

async fn serve(
    worker: usize,
    site: &Arc<Site>,
    mut taken: mpsc::UnboundedReceiver<Taken>,
    stop: &Stop,
    mut over: watch::Receiver<()>,
) {
    let serving = async {
        while let Some(Taken { stream, peer, door, running }) = taken.recv().await {
            // One that cannot be watched is of no use, and is closed.
            let Ok(stream) = TcpStream::from_std(stream) else { continue };
            let whence = connection::Whence { peer: peer.ip(), door, worker, running };
            tokio::spawn(connection::serve(Arc::clone(site), stream, whence, stop.clone()));
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = serving => {}
        // An error: nobody holds the other end any more.
        _ = over.changed() => {}
    }
}
