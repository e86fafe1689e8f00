//! What the programs measured here share; the transport is the program's own source.
#![allow(dead_code, unreachable_pub, reason = "the transport is compiled as it is")]

pub use runaccess_domain as domain;

#[path = "../../../src/transport/mod.rs"]
pub mod transport;

/// The URL to get: the one argument.
pub fn url() -> String {
    std::env::args().nth(1).expect("URL")
}

/// Runs on one thread, as a command does.
pub fn run(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(work);
}

/// A reqwest client with the settings of our transport.
pub fn comparable() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .user_agent("runaccess/bench")
        .tcp_nodelay(true)
        .no_proxy()
}

/// One GET.
pub async fn get(client: reqwest::Client) {
    let answer = client.get(url()).send().await.expect("an answer");
    assert_eq!(answer.bytes().await.expect("a body").len(), 200);
}
