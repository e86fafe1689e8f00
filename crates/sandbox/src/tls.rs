//! The sandbox's own certificate authority, for `--tls`.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    NameConstraints,
};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::{default_provider, sign::any_supported_type};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use time::{Duration, OffsetDateTime};
use tokio_rustls::TlsAcceptor;

use crate::records::store::Sandbox;
use runaccess_ground::private_files;

const CERTIFICATE: &str = "ca.pem";
const KEY: &str = "ca-key.pem";
/// What a client that names no host is shown.
const UNNAMED: &str = "localhost";
/// More names than these are forgotten, all at once.
const REMEMBERED: usize = 10_000;

/// Makes a certificate for whatever name a client asks for.
struct Certificates {
    issuer: Issuer<'static, KeyPair>,
    clock: fn() -> OffsetDateTime,
    made: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificates(…)")
    }
}

/// The authority's certificate in a folder, made with its key if it is not there yet. Of
/// processes that do so at once the first one's key counts, and whichever certificate: all are
/// signed by that key.
pub(crate) fn authority(folder: &Path, now: OffsetDateTime) -> io::Result<PathBuf> {
    let path = folder.join(CERTIFICATE);
    if !path.exists() {
        let fresh = KeyPair::generate().map_err(io::Error::other)?;
        private_files::create(&folder.join(KEY), fresh.serialize_pem().as_bytes())?;
        let made = of_authority(now).self_signed(&key(folder)?).map_err(io::Error::other)?;
        private_files::create(&path, made.pem().as_bytes())?;
    }
    Ok(path)
}

fn key(folder: &Path) -> io::Result<KeyPair> {
    KeyPair::from_pem(&fs::read_to_string(folder.join(KEY))?).map_err(io::Error::other)
}

/// What the authority's certificate says. It may sign for the sandbox's own names alone, so that
/// who trusts it trusts it for nothing else.
fn of_authority(now: OffsetDateTime) -> CertificateParams {
    let names = ["localhost", "run.app", "googleapis.com", "google.internal", "example.com"];
    let mut permitted: Vec<GeneralSubtree> =
        names.iter().map(|name| GeneralSubtree::DnsName((*name).to_owned())).collect();
    permitted.push(GeneralSubtree::IpAddress(CidrSubnet::V4([127, 0, 0, 0], [255, 0, 0, 0])));
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "runaccess sandbox");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints =
        Some(NameConstraints { permitted_subtrees: permitted, excluded_subtrees: Vec::new() });
    params.not_before = now - Duration::days(1);
    params.not_after = now + Duration::days(3650);
    params
}

/// What takes TLS in, with certificates of the authority in a folder.
pub(crate) fn acceptor(folder: &Path, clock: fn() -> OffsetDateTime) -> io::Result<TlsAcceptor> {
    authority(folder, clock())?;
    let issuer = Issuer::new(of_authority(clock()), key(folder)?);
    let certificates = Arc::new(Certificates { issuer, clock, made: Mutex::default() });
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

impl Certificates {
    fn make(&self, name: &str) -> Result<CertifiedKey, Box<dyn std::error::Error>> {
        let key = KeyPair::generate()?;
        let mut names = vec![name.to_owned()];
        if name == UNNAMED {
            names.push("127.0.0.1".to_owned());
        }
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = DistinguishedName::new();
        // No verifier takes longer ones.
        let now = (self.clock)();
        params.not_before = now - Duration::days(1);
        params.not_after = now + Duration::days(365);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Ok(CertifiedKey::new(vec![certificate.der().clone()], any_supported_type(&key)?))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().unwrap_or(UNNAMED);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = made.get(name) {
            return Some(Arc::clone(known));
        }
        if made.len() >= REMEMBERED {
            made.clear();
        }
        let fresh = Arc::new(self.make(name).ok()?);
        made.insert(name.to_owned(), Arc::clone(&fresh));
        Some(fresh)
    }
}

impl Sandbox {
    /// The certificate of its own authority, made if it is not there yet.
    pub fn authority(&self, now: OffsetDateTime) -> std::io::Result<PathBuf> {
        authority(self.directory(), now)
    }
}
