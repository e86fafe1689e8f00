//! RSA keys: made, kept, and what signs and verifies by them.

use std::fs;
use std::io;
use std::path::Path;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::Value;
use time::{Duration, OffsetDateTime};

use crate::dialect::names::fnv1a;
use runaccess_ground::private_files;

/// A key that signs.
pub(crate) struct SigningKey {
    pub(crate) public: PublicKey,
    signs: EncodingKey,
    pem: String,
}

/// A key that verifies, as a JWK names its parts.
#[derive(Clone)]
pub(crate) struct PublicKey {
    pub(crate) id: String,
    pub(crate) modulus: String,
    pub(crate) exponent: String,
    verifies: DecodingKey,
}

impl PublicKey {
    /// A key by its parts, in base64 for URLs.
    pub(crate) fn new(modulus: &str, exponent: &str) -> Option<Self> {
        let verifies = DecodingKey::from_rsa_components(modulus, exponent).ok()?;
        let (low, high) = (fnv1a(modulus.bytes()), fnv1a(modulus.bytes().rev()));
        let id = format!("{low:016x}{high:016x}{:08x}", low ^ high);
        Some(Self {
            id: id[..40].to_owned(),
            modulus: modulus.to_owned(),
            exponent: exponent.to_owned(),
            verifies,
        })
    }

    /// The claims of a token whose signature is this key's; nothing else of it is checked.
    pub(crate) fn claims(&self, token: &str) -> Option<Value> {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        jsonwebtoken::decode(token, &self.verifies, &validation).ok().map(|data| data.claims)
    }
}

impl SigningKey {
    /// The key that a file keeps, made if there is none.
    pub(crate) fn kept_in(path: &Path) -> io::Result<Self> {
        if !path.exists() {
            let (pem, _) = generate()?;
            // If another process was first, its key counts.
            private_files::create(path, pem.as_bytes())?;
        }
        let pem = fs::read_to_string(path)?;
        Self::of_pem(&pem).ok_or_else(|| io::Error::other("it holds no RSA key"))
    }

    fn of_pem(pem: &str) -> Option<Self> {
        let der: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let pair = KeyPair::from_pkcs8(&BASE64_STANDARD.decode(der).ok()?).ok()?;
        let signs = EncodingKey::from_rsa_pem(pem.as_bytes()).ok()?;
        Some(Self { public: public(&pair)?, signs, pem: pem.to_owned() })
    }

    /// Signs claims; `kind` is the header's `typ`.
    pub(crate) fn sign(
        &self,
        kind: &str,
        claims: &Value,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let mut header = Header::new(Algorithm::RS256);
        header.typ = Some(kind.to_owned());
        header.kid = Some(self.public.id.clone());
        jsonwebtoken::encode(&header, claims, &self.signs)
    }
}

impl SigningKey {
    /// A certificate that it signs for itself, good for a month about a time.
    pub(crate) fn certificate(&self, now: OffsetDateTime) -> Result<String, rcgen::Error> {
        let key = rcgen::KeyPair::from_pem(&self.pem)?;
        let mut asked = rcgen::CertificateParams::default();
        asked.distinguished_name.push(rcgen::DnType::CommonName, "federated-signon.sandbox");
        (asked.not_before, asked.not_after) = (now - Duration::days(15), now + Duration::days(15));
        Ok(asked.self_signed(&key)?.pem())
    }

    /// The signature of bytes, by RS256.
    pub(crate) fn sign_bytes(&self, bytes: &[u8]) -> Result<Vec<u8>, jsonwebtoken::errors::Error> {
        let text = jsonwebtoken::crypto::sign(bytes, &self.signs, Algorithm::RS256)?;
        Ok(BASE64_URL_SAFE_NO_PAD.decode(text)?)
    }
}

/// A new key: what is secret of it, as PEM, and what is public.
pub(crate) fn generate() -> io::Result<(String, PublicKey)> {
    let failed = |_| io::Error::other("no RSA key could be made");
    let pair = KeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
    let der: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
    let text = BASE64_STANDARD.encode(der.as_ref());
    let mut pem = "-----BEGIN PRIVATE KEY-----\n".to_owned();
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    let public = public(&pair).ok_or_else(|| io::Error::other("no RSA key could be made"))?;
    Ok((pem, public))
}

fn public(pair: &KeyPair) -> Option<PublicKey> {
    let public = pair.public_key();
    let text = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let modulus = text(public.modulus().big_endian_without_leading_zero());
    let exponent = text(public.exponent().big_endian_without_leading_zero());
    PublicKey::new(&modulus, &exponent)
}
