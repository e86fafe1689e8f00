//! Over TLS, as to Google: trusted certificates only, one connection for many requests, and
//! through a proxy where the environment names one.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use insta::assert_snapshot;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::support::{Run, Serve, World};

/// A serving sandbox behind TLS, in a world whose commands go there.
struct Behind {
    world: World,
    port: u16,
    connections: Arc<AtomicUsize>,
    _serve: Serve,
}

async fn behind_tls() -> Behind {
    let mut world = World::new();
    let serve = Serve::start(&world);
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let trusted = world.home().join("trusted.pem");
    fs::write(&trusted, certified.cert.pem()).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der()));
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let target = serve.endpoint.trim_start_matches("http://").to_owned();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let (acceptor, target) = (acceptor.clone(), target.clone());
            tokio::spawn(async move {
                let Ok(mut client) = acceptor.accept(client).await else { return };
                let mut server = TcpStream::connect(target).await.unwrap();
                drop(copy_bidirectional(&mut client, &mut server).await);
            });
        }
    });
    let endpoint = format!("https://localhost:{port}/");
    world.set("CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", &endpoint);
    world.set("CLOUDSDK_AUTH_ACCESS_TOKEN", "opaque");
    world.set("CLOUDSDK_CORE_PROJECT", "sandbox-project");
    world.set("SSL_CERT_FILE", trusted.to_str().unwrap());
    Behind { world, port, connections, _serve: serve }
}

impl Behind {
    /// Runs the program while the proxies between it and the sandbox go on.
    async fn run(&self, arguments: &[&str]) -> Run {
        let mut command = tokio::process::Command::from(self.world.command(arguments));
        let output = command.stdin(std::process::Stdio::null()).output().await.unwrap();
        self.world.finished(output)
    }
}

#[tokio::test]
async fn one_connection_carries_a_fleet() {
    let behind = behind_tls().await;
    let run = behind.run(&["list", "-o", "json"]).await;
    assert_eq!(run.status, 0, "{run}");
    let list: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(list["services"].as_array().unwrap().len(), 12);
    assert_eq!(behind.connections.load(Ordering::SeqCst), 1);
    let run = behind.run(&["grant", "ana@example.com", "us-central1/hello"]).await;
    assert_eq!(run.status, 0, "{run}");
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts_is_refused() {
    let mut behind = behind_tls().await;
    let empty = behind.world.home().join("empty");
    fs::create_dir(&empty).unwrap();
    behind.world.set("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt");
    behind.world.set("SSL_CERT_DIR", empty.to_str().unwrap());
    let mut run = behind.run(&["policy", "us-central1/hello"]).await;
    run.stderr = run.stderr.replace(&behind.port.to_string(), "[PORT]");
    assert_snapshot!(run, @"
    --- stderr
    error: could not read the policy of `us-central1/hello`
    caused by: https://localhost:[PORT]: invalid peer certificate: UnknownIssuer
    hint: runaccess policy us-central1/hello --verbose
    --- status 1
    ");
}

#[tokio::test]
async fn a_proxy_of_the_environment_is_gone_through() {
    let mut behind = behind_tls().await;
    let (port, mut seen) = proxy().await;
    let proxy = format!("http://user:word@127.0.0.1:{port}");
    behind.world.set("https_proxy", &proxy);
    let run = behind.run(&["url", "us-central1/hello"]).await;
    assert_eq!(run.stdout, "https://hello-k4qx7v2nza-uc.a.run.app\n", "{run}");
    let head = seen.recv().await.unwrap();
    assert!(head.starts_with(&format!("CONNECT localhost:{} HTTP/1.1\r\n", behind.port)), "{head}");
    assert!(head.to_lowercase().contains("proxy-authorization: basic"), "{head}");
    assert!(!head.contains("opaque"), "{head}");
    behind.world.set("no_proxy", "localhost");
    let run = behind.run(&["url", "us-central1/hello"]).await;
    assert_eq!(run.status, 0, "{run}");
    assert!(seen.try_recv().is_err());
}

/// What gcloud is told of the network holds here too: its authorities alone are trusted, and its proxy
/// counts before the environment's.
#[tokio::test]
async fn gclouds_authorities_and_proxy_are_taken() {
    let mut behind = behind_tls().await;
    let trusted = behind.world.home().join("trusted.pem");
    behind.world.set("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt");
    let run = behind.run(&["url", "us-central1/hello"]).await;
    assert_eq!(run.status, 1, "{run}");
    behind.world.set("CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", trusted.to_str().unwrap());
    let run = behind.run(&["url", "us-central1/hello"]).await;
    assert_eq!(run.status, 0, "{run}");
    let (port, mut seen) = proxy().await;
    behind.world.set("https_proxy", "http://127.0.0.1:1");
    for (name, value) in [
        ("TYPE", "http"),
        ("ADDRESS", "127.0.0.1"),
        ("PORT", &port.to_string()),
        ("USERNAME", "user"),
        ("PASSWORD", "word"),
    ] {
        behind.world.set(&format!("CLOUDSDK_PROXY_{name}"), value);
    }
    let run = behind.run(&["url", "us-central1/hello"]).await;
    assert_eq!(run.status, 0, "{run}");
    let head = seen.recv().await.unwrap();
    assert!(head.starts_with(&format!("CONNECT localhost:{} HTTP/1.1\r\n", behind.port)), "{head}");
    assert!(head.contains("Basic dXNlcjp3b3Jk"), "{head}");
}

/// A proxy that opens tunnels: its port, and the heads of what it was asked.
async fn proxy() -> (u16, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (send, seen) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let send = send.clone();
            tokio::spawn(async move {
                let mut client = BufReader::new(client);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    client.read_line(&mut head).await.unwrap();
                }
                let target = head.split(' ').nth(1).unwrap().to_owned();
                send.send(head).unwrap();
                let mut server = TcpStream::connect(target).await.unwrap();
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                drop(copy_bidirectional(&mut client, &mut server).await);
            });
        }
    });
    (port, seen)
}
