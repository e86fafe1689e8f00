//! Domains that lead to services: their certificates, and the DNS records that they need.

use std::fmt;

use super::resource::ServiceName;

serialized_as_words!(Certificate);

/// A custom domain and the service that it leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DomainMapping {
    pub domain: String,
    pub project: String,
    pub region: String,
    pub service: String,
    /// Whether it serves; `None` while that is not settled.
    pub ready: Option<bool>,
    pub certificate: Certificate,
    /// Since when the certificate is in its state, as the API writes it.
    pub since: Option<String>,
    /// What the API says of what is wrong, or waited for.
    pub message: Option<String>,
    pub records: Vec<Record>,
}

impl DomainMapping {
    /// The service, by its full name: a domain leads to one of its own region (documented).
    pub fn leads_to(&self) -> ServiceName {
        ServiceName::new(&self.project, &self.region, &self.service)
    }
}

/// The state of a domain's certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Certificate {
    Failed,
    /// None is made for it.
    None,
    Pending,
    Ready,
    #[default]
    Unknown,
}

impl Certificate {
    /// Its word in JSON and in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::None => "none",
            Self::Pending => "pending",
            Self::Ready => "ready",
            Self::Unknown => "unknown",
        }
    }
}

/// A DNS record that a domain needs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    pub kind: RecordKind,
    pub data: String,
}

/// The type of a DNS record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordKind {
    A,
    Aaaa,
    Caa,
    Cname,
    Other(String),
}

serialized_as_words!(RecordKind);

impl RecordKind {
    /// By the word that zone files have for it.
    pub fn parse(word: &str) -> Self {
        match word {
            "A" => Self::A,
            "AAAA" => Self::Aaaa,
            "CAA" => Self::Caa,
            "CNAME" => Self::Cname,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The word that zone files have for it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Caa => "CAA",
            Self::Cname => "CNAME",
            Self::Other(word) => word,
        }
    }

    /// Whether it says an address.
    pub fn is_address(&self) -> bool {
        matches!(self, Self::A | Self::Aaaa)
    }
}

/// What the public DNS says of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolves {
    /// What is there instead; empty if nothing is.
    No(Vec<Record>),
    /// Why it could not be told.
    Unknown(String),
    Yes,
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.data)
    }
}

impl Record {
    /// Whether addresses of somebody else's stand where it, an alias, belongs: a proxy in front does that.
    pub fn is_hidden_by(&self, found: &[Self]) -> bool {
        let all_addresses = found.iter().all(|found| found.kind.is_address());
        self.kind == RecordKind::Cname && !found.is_empty() && all_addresses
    }

    /// Whether answers hold the record: of an alias its end's addresses come along, and of addresses
    /// there may be more than these.
    pub fn is_among(&self, answers: &[Self]) -> bool {
        answers.iter().any(|answer| answer.kind == self.kind && same(&answer.data, &self.data))
    }
}

/// Which authorities alone may make certificates, by these CAA records, where Google's own is not among
/// them (RFC 8659; that Cloud Run's certificates are of `pki.goog` is documented for Google Trust Services,
/// and of Let's Encrypt was so before).
pub fn authorities_of(records: &[Record]) -> Option<String> {
    let issuers: Vec<String> = records
        .iter()
        .filter(|record| record.kind == RecordKind::Caa)
        .filter_map(|record| {
            let mut words = record.data.split_whitespace().skip(1);
            let is_issue = words.next()?.eq_ignore_ascii_case("issue");
            let value = words.next().unwrap_or_default().trim_matches('"');
            is_issue.then(|| value.split(';').next().unwrap_or_default().trim().to_lowercase())
        })
        .collect();
    let is_googles = |issuer: &String| ["pki.goog", "letsencrypt.org"].contains(&issuer.as_str());
    if issuers.is_empty() || issuers.iter().any(is_googles) {
        return None;
    }
    let named: Vec<String> =
        issuers.iter().filter(|issuer| !issuer.is_empty()).map(|it| format!("`{it}`")).collect();
    Some(if named.is_empty() { "nobody".to_owned() } else { named.join(", ") })
}

/// Names are the same in any case, with and without the dot that ends them; addresses however they are
/// written.
fn same(one: &str, other: &str) -> bool {
    let address = |text: &str| text.parse::<std::net::IpAddr>().ok();
    match (address(one), address(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one.trim_end_matches('.').eq_ignore_ascii_case(other.trim_end_matches('.')),
    }
}

/// Whether a text can be a domain that is mapped: a host name with a dot.
pub fn is_domain(text: &str) -> bool {
    let good = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    text.len() <= 253
        && text.split('.').count() > 1
        && text.split('.').all(good)
        && text.parse::<std::net::IpAddr>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caa_records_shut_out_who_is_not_named() {
        let records = |texts: &[&str]| -> Vec<Record> {
            let record = |text: &&str| Record { kind: RecordKind::Caa, data: (*text).to_owned() };
            texts.iter().map(record).collect()
        };
        for (texts, only) in [
            (&[][..], None),
            (&["0 issue \"pki.goog\""], None),
            (&["0 issue \"digicert.com\"", "0 issue \"pki.goog; x=y\""], None),
            (&["0 iodef \"mailto:a@b.c\""], None),
            (&["0 issue \"digicert.com\""], Some("`digicert.com`")),
            (&["0 issue \";\""], Some("nobody")),
        ] {
            assert_eq!(authorities_of(&records(texts)).as_deref(), only, "{texts:?}");
        }
    }

    #[test]
    fn records_are_compared_by_what_they_mean() {
        let record = |kind: &str, data: &str| Record {
            kind: RecordKind::parse(kind),
            data: data.to_owned(),
        };
        let answers = [
            record("CNAME", "GHS.GoogleHosted.com"),
            record("AAAA", "2001:4860:4802:32:0:0:0:15"),
            record("A", "216.239.32.21"),
        ];
        for (kind, data, expected) in [
            ("CNAME", "ghs.googlehosted.com.", true),
            ("AAAA", "2001:4860:4802:32::15", true),
            ("A", "216.239.32.21", true),
            ("A", "216.239.34.21", false),
            ("CNAME", "old.example.net.", false),
        ] {
            assert_eq!(record(kind, data).is_among(&answers), expected, "{kind} {data}");
        }
    }

    #[test]
    fn domains() {
        for good in ["shop.example.com", "example.com", "a.b-c.d1"] {
            assert!(is_domain(good), "{good}");
        }
        for bad in ["", "localhost", "1.2.3.4", "Shop.example.com", "-a.b", "a..b", "a_b.c", "a.b."]
        {
            assert!(!is_domain(bad), "{bad}");
        }
    }
}
