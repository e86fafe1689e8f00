//! The threads that serve connections, each with its own runtime and its own connections to services.
//! No request moves from one thread to another, because that costs more than serving it.

use std::io;
use std::net::{SocketAddr, TcpStream as StdStream};
use std::sync::Arc;
use std::thread;

use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};

use super::arrival::{Running, Stop, Whence};
use super::connection;
use super::site::Site;
use super::upstream;

/// An accepted connection.
pub(super) struct Taken {
    pub(super) stream: StdStream,
    pub(super) peer: SocketAddr,
    pub(super) door: usize,
    pub(super) running: Running,
}

/// The threads, which run while this value exists.
#[derive(Clone, Debug)]
pub(super) struct Workers {
    senders: Arc<[mpsc::UnboundedSender<Taken>]>,
    /// The threads end when this is dropped.
    _alive: watch::Sender<()>,
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
        let senders: io::Result<Vec<_>> = (0..upstream::workers()).map(start).collect();
        Ok(Self { senders: senders?.into(), _alive: alive })
    }

    /// Hands a connection to the thread of this number, modulo the number of threads.
    pub(super) fn hand(&self, number: usize, taken: Taken) {
        // A thread that has ended does not need it.
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
            // A connection that cannot be watched is of no use, and is closed.
            let Ok(stream) = TcpStream::from_std(stream) else { continue };
            let whence = Whence { peer: peer.ip(), door, worker, running };
            tokio::spawn(connection::serve(Arc::clone(site), stream, whence, stop.clone()));
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = serving => {}
        // An error: the sender was dropped.
        _ = over.changed() => {}
    }
}
