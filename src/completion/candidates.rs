//! Candidates for the word being typed.

use super::Known;

/// A candidate and its description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub value: String,
    pub about: String,
}

/// Services: by name if the name is in one region only, else by `REGION/NAME`, which is also
/// offered after a region is typed. Only services in `region`, if one is set.
pub fn services(known: &Known, typed: &str, region: Option<&str>) -> Vec<Candidate> {
    let in_region =
        |service: &&super::KnownService| region.is_none_or(|region| service.region == region);
    let all = || known.services.iter().filter(in_region);
    let count = |name: &str| all().filter(|other| other.name == name).count();
    let named = all().map(|service| {
        let whole = typed.contains('/') || count(&service.name) > 1;
        let value = if whole {
            format!("{}/{}", service.region, service.name)
        } else {
            service.name.clone()
        };
        Candidate { value, about: format!("{}, {}", service.region, service.exposure) }
    });
    let about_name = |value: &str| value.split_once('/').is_some_and(|(_, n)| n.starts_with(typed));
    named.filter(|known| known.value.starts_with(typed) || about_name(&known.value)).collect()
}

/// Regions, and `-` for all of them; regions with services come first.
pub fn regions(known: &Known, typed: &str) -> Vec<Candidate> {
    let count = |region: &str| known.services.iter().filter(|s| s.region == region).count();
    let mut regions: Vec<&String> = known.regions.iter().collect();
    regions.sort_by_key(|region| (count(region) == 0, *region));
    let named = regions.into_iter().map(|region| {
        let about = match count(region) {
            0 => String::new(),
            1 => "1 service".to_owned(),
            more => format!("{more} services"),
        };
        Candidate { value: region.clone(), about }
    });
    let every = Candidate { value: "-".to_owned(), about: "every region".to_owned() };
    named.chain([every]).filter(|known| known.value.starts_with(typed)).collect()
}

/// Members in their shortest form. The text before the last comma stays unchanged.
pub fn members(known: &Known, typed: &str) -> Vec<Candidate> {
    let (kept, last) = match typed.rsplit_once(',') {
        Some((kept, last)) => (format!("{kept},"), last),
        None => (String::new(), typed),
    };
    let fixed = [
        ("me", "the account that acts"),
        ("allUsers", "everyone"),
        ("allAuthenticatedUsers", "every Google account"),
    ];
    let fixed = fixed.map(|(value, about)| (value.to_owned(), about.to_owned()));
    // Deleted principals can only be revoked, so they are offered only after `deleted:` is typed.
    let gone = |member: &str| member.starts_with("deleted:");
    let asks_for_gone = last.starts_with('d');
    // Anyone may have written the policy: a member that a shell could interpret as more than one
    // word is not offered.
    let plain = |member: &str| {
        member.chars().all(|c| c.is_ascii_alphanumeric() || "@.:/_+=%?-".contains(c))
    };
    let seen = known.members.iter().filter(|member| plain(member));
    let seen = seen.filter(|member| !gone(member) || asks_for_gone);
    let seen = seen.map(|member| match member.split_once(':') {
        Some((kind @ ("user" | "serviceAccount"), address))
            if last.is_empty() || !member.starts_with(last) =>
        {
            (address.to_owned(), kind.to_owned())
        }
        Some((kind, _)) => (member.clone(), kind.to_owned()),
        None => (member.clone(), String::new()),
    });
    let accounts = known.services.iter().map(|service| {
        (format!("service:{}", service.name), "the account that it runs as".to_owned())
    });
    // Without a typed letter, there are too many services to be useful.
    let accounts = accounts.filter(|_| last.starts_with('s'));
    let mut found: Vec<Candidate> = Vec::new();
    for (value, about) in seen.chain(accounts).chain(fixed) {
        if value.starts_with(last)
            && !found.iter().any(|other| other.value == format!("{kept}{value}"))
        {
            found.push(Candidate { value: format!("{kept}{value}"), about });
        }
    }
    found
}

/// Traffic tags of the services on the command line; without any, of all services.
pub fn tags(known: &Known, typed: &str, words: &[String]) -> Vec<Candidate> {
    let is_named = |service: &&super::KnownService| {
        words.iter().any(|word| {
            *word == service.name || *word == format!("{}/{}", service.region, service.name)
        })
    };
    let named: Vec<_> = known.services.iter().filter(is_named).collect();
    let of = if named.is_empty() { known.services.iter().collect() } else { named };
    let mut found: Vec<Candidate> = Vec::new();
    for service in of {
        for tag in service.tags.iter().filter(|tag| tag.starts_with(typed)) {
            if !found.iter().any(|other| other.value == *tag) {
                found.push(Candidate { value: tag.clone(), about: service.name.clone() });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::KnownService;
    use super::*;

    fn known() -> Known {
        let service = |region: &str, name: &str, tags: &[&str]| KnownService {
            name: name.to_owned(),
            region: region.to_owned(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            exposure: "public".to_owned(),
        };
        Known {
            services: vec![
                service("us-central1", "hello", &["blue"]),
                service("europe-west1", "orders", &[]),
                service("us-central1", "orders", &["canary"]),
            ],
            regions: ["asia-east1", "europe-west1", "us-central1"].map(str::to_owned).to_vec(),
            members: [
                "user:ana@x.com",
                "user:a;reboot@x.com",
                "group:team@x.com",
                "deleted:user:b@x.com?uid=1",
            ]
            .map(str::to_owned)
            .to_vec(),
        }
    }

    fn values(candidates: Vec<Candidate>) -> Vec<String> {
        candidates.into_iter().map(|candidate| candidate.value).collect()
    }

    #[test]
    fn services_are_named_as_short_as_they_can_be() {
        for (typed, found) in [
            ("", &["hello", "europe-west1/orders", "us-central1/orders"][..]),
            ("h", &["hello"]),
            ("or", &["europe-west1/orders", "us-central1/orders"]),
            ("us-central1/", &["us-central1/hello", "us-central1/orders"]),
            ("nosuch", &[]),
        ] {
            assert_eq!(values(services(&known(), typed, None)), found, "{typed}");
        }
    }

    #[test]
    fn a_region_that_is_set_narrows_services() {
        assert_eq!(values(services(&known(), "", Some("europe-west1"))), ["orders"]);
        assert_eq!(values(services(&known(), "h", Some("europe-west1"))), [""; 0]);
    }

    #[test]
    fn members_are_completed_after_each_comma() {
        for (typed, found) in [
            ("a", &["ana@x.com", "allUsers", "allAuthenticatedUsers"][..]),
            ("user:", &["user:ana@x.com"]),
            ("g", &["group:team@x.com"]),
            ("me,an", &["me,ana@x.com"]),
            ("service:h", &["service:hello"]),
            ("b", &[]),
            ("dele", &["deleted:user:b@x.com?uid=1"]),
        ] {
            assert_eq!(values(members(&known(), typed)), found, "{typed}");
        }
    }

    #[test]
    fn regions_with_services_come_first_and_tags_are_the_services_own() {
        assert_eq!(
            values(regions(&known(), "")),
            ["europe-west1", "us-central1", "asia-east1", "-"]
        );
        let of = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            values(tags(&known(), "", &words))
        };
        assert_eq!(of(&["url", "hello", "--tag"]), ["blue"]);
        assert_eq!(of(&["url", "us-central1/orders"]), ["canary"]);
        assert_eq!(of(&["url"]), ["blue", "canary"]);
    }
}
