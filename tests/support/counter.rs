//! A wire between the program and a server, on which requests are counted.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Passes bytes on and counts the requests among them.
pub(crate) struct Counter {
    pub(crate) endpoint: String,
    requests: Arc<AtomicUsize>,
}

impl Counter {
    pub(crate) fn before(endpoint: &str) -> Self {
        let target = endpoint.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = format!("http://{}/", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&requests);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(&target).unwrap();
                let count = Arc::clone(&count);
                let (mut back, mut to_client) =
                    (server.try_clone().unwrap(), client.try_clone().unwrap());
                thread::spawn(move || std::io::copy(&mut back, &mut to_client));
                thread::spawn(move || pass_on(client, server, &count));
            }
        });
        Self { endpoint: own, requests }
    }

    /// How many requests there were since this was last asked.
    pub(crate) fn take(&self) -> usize {
        self.requests.swap(0, Ordering::SeqCst)
    }
}

fn pass_on(mut client: TcpStream, mut server: TcpStream, count: &AtomicUsize) {
    let mark = b" HTTP/1.1\r\n";
    let mut kept: Vec<u8> = Vec::new();
    let mut buffer = [0; 8192];
    while let Ok(read @ 1..) = client.read(&mut buffer) {
        // A mark may be split between two reads.
        kept.extend_from_slice(&buffer[..read]);
        let found = kept.windows(mark.len()).filter(|window| window == mark).count();
        count.fetch_add(found, Ordering::SeqCst);
        let from = match found {
            0 => kept.len().saturating_sub(mark.len() - 1),
            _ => kept.len(),
        };
        kept.drain(..from);
        if server.write_all(&buffer[..read]).is_err() {
            return;
        }
    }
}
