//! The local reverse proxy: services at `localhost` with the caller's identity. It gets the token
//! first and only then sends a request on; if there is no token, it answers itself and sends nothing.
//!
//! The path of a request: `guard` (complete and unambiguous, or refused) → the HTTP library → `gate`
//! (is the host ours, and which page sends it) → `keeper` (the token) → `rewrite` → `upstream`, and
//! back.

mod answer;
mod arrival;
mod connection;
mod cookie;
mod download;
mod fields;
mod forward;
mod gate;
mod grpc;
mod guard;
mod keeper;
mod log;
mod origin;
mod rewrite;
mod site;
mod ticket;
mod upload;
mod upstream;
mod workers;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

pub use self::fields::SECRET;
pub use self::keeper::{Keeper, NoToken, Source};
pub use self::log::{By, Event, Listener};
pub use self::site::{Served, Serving};
pub use self::upstream::Upstream;

use self::site::Site;
use self::workers::{Taken, Workers};

/// How long requests in progress may take after the proxy is asked to stop.
pub const GRACE: Duration = Duration::from_secs(5);
/// The number of connections that may wait to be accepted.
const BACKLOG: u32 = 1024;
/// How long to wait after a connection could not be accepted.
const OUT_OF_FILES: Duration = Duration::from_millis(50);

/// Opens a socket for clients on this address.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address.ip() {
        IpAddr::V4(_) => TcpSocket::new_v4()?,
        IpAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A port that was just released may be used; a port that is being served may not.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Raises this process's limit of open connections to the machine's maximum: the default is low, and
/// each request may need two.
pub fn raise_limit() {
    #[cfg(unix)]
    {
        use nix::sys::resource::{Resource, getrlimit, setrlimit};

        if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
            && soft < hard
        {
            // If the limit cannot be raised, fewer connections are served at once.
            let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
        }
    }
}

/// A secret that cannot be guessed.
pub fn new_secret() -> io::Result<String> {
    let mut bytes = [0; 24];
    rand::fill(&mut bytes).map_err(|_| io::Error::other("this machine gives no random numbers"))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// Serves until `stop` is done and the requests in progress have ended or their grace period is over.
/// Each socket is the door with the same index in `serving.doors`.
pub async fn serve(
    serving: Serving,
    sockets: Vec<TcpListener>,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let addresses: Vec<SocketAddr> =
        sockets.iter().map(TcpListener::local_addr).collect::<io::Result<_>>()?;
    let site = Arc::new(Site::new(serving, &addresses));
    let (asked, told) = watch::channel(false);
    let workers = Workers::start(&site, &told)?;
    let (running, mut ended) = mpsc::channel(1);
    // Dropped at the end, together with the tasks.
    let mut tasks = JoinSet::new();
    for (name, keeper) in site.keepers() {
        let listener = Arc::clone(&site.listener);
        tasks.spawn(async move {
            keeper.keep(|no_token| listener.no_token(&name, no_token)).await;
        });
    }
    for (door, socket) in sockets.into_iter().enumerate() {
        let (workers, running, told) = (workers.clone(), running.clone(), told.clone());
        tasks.spawn(async move { accept(&workers, &socket, door, &running, told).await });
    }
    drop(running);
    stop.await;
    asked.send_replace(true);
    // No message comes: the channel ends when its last sender is dropped.
    drop(timeout(GRACE, ended.recv()).await);
    Ok(())
}

async fn accept(
    workers: &Workers,
    socket: &TcpListener,
    door: usize,
    running: &arrival::Running,
    mut stop: arrival::Stop,
) {
    for number in door.. {
        let taken = tokio::select! {
            taken = socket.accept() => taken,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        match taken.and_then(|(stream, peer)| Ok((stream.into_std()?, peer))) {
            Ok((stream, peer)) => {
                let running = running.clone();
                workers.hand(number, Taken { stream, peer, door, running });
            }
            // In most cases no file descriptors are left: other connections must end first.
            Err(_) => sleep(OUT_OF_FILES).await,
        }
    }
}

/// The length of a request's head, for the tests of raw bytes; `None` if it is not complete yet.
#[cfg(any(test, fuzzing))]
pub(crate) fn read_head(bytes: &[u8], seen: usize) -> Result<Option<usize>, String> {
    guard::head_length(bytes, seen).map_err(|fault| fault.to_string())
}
