//! DNS records of domains that are mapped to services, as the public resolver sees them.

use std::collections::BTreeSet;

use http::{HeaderMap, Uri};
use serde_json::Value;

use super::api::Api;
use super::failure::Failure;
use super::gateway::Gateway;
use super::request::parsed;
use crate::domain::mapping::{Record, RecordKind, Resolves, authorities_of};
use crate::transport::encoded;

impl Gateway {
    /// Asks Google's public DNS resolver for a record: the certificate authority sees the same
    /// answer. Sends only the name.
    pub async fn resolves(&self, domain: &str, record: &Record) -> Resolves {
        match self.answers(domain, &record.kind).await {
            Ok(answers) if record.is_among(&answers) => Resolves::Yes,
            // Behind a third party's proxy, a name has addresses instead of the CNAME.
            Ok(answers) if answers.is_empty() && record.kind == RecordKind::Cname => {
                let (four, six) = tokio::join!(
                    self.answers(domain, &RecordKind::A),
                    self.answers(domain, &RecordKind::Aaaa)
                );
                let found: BTreeSet<Record> = four.into_iter().chain(six).flatten().collect();
                // A name server may answer with the addresses of the CNAME's target.
                if !found.is_empty() && self.are_of_alias(&record.data, &found).await {
                    return Resolves::Yes;
                }
                Resolves::No(found.into_iter().collect())
            }
            Ok(answers) => Resolves::No(answers),
            Err(failure) => Resolves::Unknown(failure.message),
        }
    }

    /// Whether all of these addresses belong to the expected CNAME target.
    async fn are_of_alias(&self, alias: &str, found: &BTreeSet<Record>) -> bool {
        let alias = alias.trim_end_matches('.');
        let (four, six) = tokio::join!(
            self.answers(alias, &RecordKind::A),
            self.answers(alias, &RecordKind::Aaaa)
        );
        let own: BTreeSet<Record> = four.into_iter().chain(six).flatten().collect();
        found.is_subset(&own)
    }

    /// The only authorities that may issue certificates for a domain, if Google's is not among
    /// them: by the nearest CAA records at the domain or above it (RFC 8659, 3).
    pub async fn other_authorities(&self, domain: &str) -> Option<String> {
        let mut at = domain;
        loop {
            let records = self.answers(at, &RecordKind::Caa).await.ok()?;
            if records.iter().any(|record| record.kind == RecordKind::Caa) {
                return authorities_of(&records);
            }
            at = at.split_once('.').map(|(_, above)| above).filter(|above| above.contains('.'))?;
        }
    }

    async fn answers(&self, domain: &str, kind: &RecordKind) -> Result<Vec<Record>, Failure> {
        let call = format!("resolve `{domain}`");
        let transport = self.endpoints.transport(Api::PublicDns);
        let transport = transport.map_err(|error| Failure::of_transport(&call, &error))?;
        let query = encoded(&[("name", domain), ("type", kind.as_str())]);
        let base = self.endpoints.endpoint(Api::PublicDns).as_str();
        let uri = Uri::try_from(format!("{base}/resolve?{query}"));
        let uri = uri.map_err(|_| Failure::malformed(&call))?;
        let answer = self
            .read(&call, || async {
                let sent = transport.get(uri.clone(), HeaderMap::new()).await;
                sent.map_err(|error| {
                    self.placed(Api::PublicDns, Failure::of_transport(&call, &error))
                })
            })
            .await?;
        let code = answer.status.as_u16();
        if !answer.status.is_success() {
            return Err(Failure::from_answer(&call, code, &answer.headers, &answer.body));
        }
        let body: Value = parsed(&call, &answer.body)?;
        // Every status except success and "no such name" is a failure (RFC 1035, 4.1.1).
        match body["Status"].as_u64() {
            Some(0 | 3) => {}
            _ => return Err(Failure::malformed(&call)),
        }
        let answers = body["Answer"].as_array().into_iter().flatten();
        Ok(answers
            .filter_map(|answer| {
                let kind = match answer["type"].as_u64()? {
                    1 => RecordKind::A,
                    5 => RecordKind::Cname,
                    28 => RecordKind::Aaaa,
                    257 => RecordKind::Caa,
                    _ => return None,
                };
                let data = answer["data"].as_str()?.to_owned();
                Some(Record { kind, data })
            })
            .collect())
    }
}
