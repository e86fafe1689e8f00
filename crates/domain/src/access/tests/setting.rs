//! A small language for evidence, so that a verdict is one line of a table.
//!
//! Parts are divided by `;`. A grant is `PLACE MEMBER ROLE [if CONDITION]`, where PLACE is `own`,
//! `project`, `folder`, `org` or `iap`; ROLE goes without `roles/`, or is a custom role's. A rule that
//! denies is `deny PRINCIPAL,… PERMISSION,… [but PRINCIPAL,…] [keeping PERMISSION,…] [if CONDITION]`,
//! on the folder; principals are those of allow policies or begin after `principalSet://goog/`.
//! `set NAME=VALUE` turns a setting of the service; `unread PLACE` takes evidence away; `told yes`
//! is Cloud Run's own answer.
//!
//! `team@x.com` holds `dev@x.com`, `outer@x.com` holds it through another group, and who is in
//! `hidden@x.com` cannot be read. `projects/p/roles/caller` invokes, `…/dead` is deleted, `…/hidden`
//! cannot be read. The service is tagged `5/env` = `prod`.

use std::collections::BTreeMap;
use std::sync::Arc;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::datetime;

use crate::access::{Caller, Decision, Entry, Hierarchy, Origin, Request};
use crate::condition::{Condition, Tag};
use crate::deny::DenyRule;
use crate::evidence::{PolicyLayer, ResourceEvidence, RoleFacts, ServiceEvidence};
use crate::invokers::Grant;
use crate::member::Member;
use crate::service::{Ingress, Service, TrafficTag};

pub(super) const NOW: OffsetDateTime = datetime!(2026-06-01 00:00 UTC);
const HOST: &str = "s-1.us-central1.run.app";
const PLACES: [(&str, &str); 4] = [
    ("own", "projects/p/locations/us-central1/services/s"),
    ("project", "projects/p"),
    ("folder", "folders/1"),
    ("org", "organizations/5"),
];

#[derive(Clone, Debug)]
pub(super) struct Setting(pub(super) ServiceEvidence);

impl Setting {
    pub(super) fn empty() -> Self {
        fn layers<T>(places: &[(&str, &str)]) -> Vec<PolicyLayer<T>> {
            let layer = |(_, resource): &(&str, &str)| PolicyLayer {
                resource: (*resource).to_owned(),
                read: Ok(Vec::new()),
            };
            places.iter().map(layer).collect()
        }
        let custom = |permissions: &[&str], is_dead| {
            let permissions = permissions.iter().map(|text| (*text).to_owned()).collect();
            Some(RoleFacts { permissions, is_dead })
        };
        let roles = [
            ("projects/p/roles/caller", custom(&["run.routes.invoke"], false)),
            ("projects/p/roles/dead", custom(&["run.routes.invoke"], true)),
            ("projects/p/roles/reader", custom(&["run.services.get"], false)),
            ("projects/p/roles/hidden", None),
            ("roles/storage.admin", custom(&["storage.buckets.get"], false)),
        ];
        let mut groups = BTreeMap::new();
        for (group, holds) in
            [("team@x.com", Some(true)), ("outer@x.com", Some(true)), ("empty@x.com", Some(false))]
        {
            groups.insert((group.to_owned(), "user:dev@x.com".to_owned()), holds);
        }
        groups.insert(("team@x.com".to_owned(), "user:other@x.com".to_owned()), Some(false));
        Self(ServiceEvidence {
            service: Service::sample(),
            iap: layers(&[("iap", "projects/12/iap_web/cloud_run-us-central1/services/s")]),
            told: None,
            around: ResourceEvidence {
                allow: layers(&PLACES),
                deny: layers(&PLACES[1..]),
                boundaries: None,
                place: Hierarchy {
                    project: "p".to_owned(),
                    number: Some("12".to_owned()),
                    above: vec!["folders/1".to_owned(), "organizations/5".to_owned()],
                    customer: Some(("C01".to_owned(), "x.com".to_owned())),
                    homes: Vec::new(),
                },
                roles: roles.map(|(name, facts)| (name.to_owned(), facts)).into(),
                groups,
                members: None,
                tags: Some(Arc::from([Tag {
                    key: "5/env".to_owned(),
                    key_id: "tagKeys/7".to_owned(),
                    value: "prod".to_owned(),
                    value_id: "tagValues/8".to_owned(),
                }])),
            },
        })
    }

    pub(super) fn parse(text: &str) -> Self {
        let mut setting = Self::empty();
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let (word, rest) = part.split_once(' ').unwrap_or((part, ""));
            match word {
                "deny" => setting.deny_rules("folder").push(rule(rest)),
                "set" => setting.set(rest),
                "told" => setting.0.told = Some(rest == "yes"),
                "unread" => setting.unread(rest),
                place => setting.grants(place).push(grant(rest)),
            }
        }
        setting
    }

    pub(super) fn grants(&mut self, place: &str) -> &mut Vec<Grant> {
        let layer = match PLACES.iter().position(|(name, _)| *name == place) {
            Some(at) => &mut self.0.around.allow[at],
            None if place == "iap" => &mut self.0.iap[0],
            None => panic!("no place {place}"),
        };
        layer.read.as_mut().unwrap()
    }

    pub(super) fn deny_rules(&mut self, place: &str) -> &mut Vec<DenyRule> {
        let at = PLACES[1..].iter().position(|(name, _)| *name == place).unwrap();
        self.0.around.deny[at].read.as_mut().unwrap()
    }

    fn set(&mut self, text: &str) {
        let service = &mut self.0.service;
        match text.split_once('=').unwrap() {
            ("ingress", "internal") => service.ingress = Ingress::Internal,
            ("ingress", "lb") => service.ingress = Ingress::InternalAndLoadBalancing,
            ("ingress", "none") => service.ingress = Ingress::None,
            ("ingress", other) => service.ingress = Ingress::Other(other.to_owned()),
            ("check", value) => service.invoker_check = value == "on",
            ("iap", value) => service.iap = value == "on",
            ("url", value) => service.default_url = value == "on",
            ("tag", tag) => {
                let (tag, url, revision) = (tag.to_owned(), None, None);
                service.tags.push(TrafficTag { tag, url, revision, percent: 0 });
            }
            other => panic!("no setting {other:?}"),
        }
    }

    pub(super) fn unread(&mut self, place: &str) {
        let why = "it may not be read".to_owned();
        match place {
            "tags" => self.0.around.tags = None,
            "iap" => self.0.iap[0].read = Err(why),
            "deny" => self.0.around.deny[1].read = Err(why),
            "number" => self.0.around.place.number = None,
            place => {
                let at = PLACES.iter().position(|(name, _)| *name == place);
                self.0.around.allow[at.unwrap_or_else(|| panic!("no place {place}"))].read =
                    Err(why);
            }
        }
    }

    pub(super) fn decide<T>(
        &self,
        caller: &str,
        request: &str,
        take: impl FnOnce(Decision<'_>) -> T,
    ) -> T {
        let member = if caller.contains('@') && !caller.contains(':') {
            Member::of_account(caller)
        } else {
            Member::from_policy(caller)
        };
        let caller = if caller.is_empty() { Caller::Anonymous } else { Caller::Verified(&member) };
        take(self.0.decide(caller, &request_of(request)))
    }

    /// The verdict, and what it would be if what is unread were silent.
    pub(super) fn answer(&self, caller: &str, request: &str) -> String {
        self.decide(caller, request, |decision| {
            let verdict = decision.verdict.as_str();
            match decision.otherwise() {
                Some(otherwise) => format!("{verdict}, else {}", otherwise.as_str()),
                None => verdict.to_owned(),
            }
        })
    }

    pub(super) fn steps(&self, caller: &str, request: &str) -> Vec<String> {
        self.decide(caller, request, |decision| {
            let text = |step: &crate::access::Step<'_>| {
                let mut text =
                    format!("{}: {}: {}", step.layer.as_str(), step.outcome.as_str(), step.reason);
                if let Some(source) = step.source {
                    let role = source.role.map(|role| format!("{role} ")).unwrap_or_default();
                    text.extend([": ", source.resource, " ", &role, source.member.as_str()]);
                    if let Some(condition) = source.condition {
                        text.extend([" ", &condition.expression]);
                    }
                }
                text
            };
            decision.steps.iter().map(text).collect()
        })
    }
}

/// `PATH [from ORIGIN] [at TIME] [host HOST] [tag TAG] [by domain|elsewhere|unread]`.
fn request_of(text: &str) -> Request<'_> {
    let mut words = text.split_whitespace();
    let mut request = Request {
        path: Some(words.next().unwrap_or("/")),
        host: Some(HOST),
        time: NOW,
        from: Origin::Internet,
        entry: Entry::DefaultUrl,
    };
    while let Some(word) = words.next() {
        let value = words.next().unwrap();
        match word {
            "from" => {
                request.from =
                    Origin::ALL.into_iter().find(|origin| origin.as_str() == value).unwrap();
            }
            "at" => request.time = OffsetDateTime::parse(value, &Rfc3339).unwrap(),
            "host" => request.host = Some(value).filter(|host| *host != "unknown"),
            "tag" => request.entry = Entry::Tag(value),
            "by" => {
                request.entry = match value {
                    "domain" => Entry::Domain,
                    "elsewhere" => Entry::Elsewhere,
                    _ => Entry::Unread,
                }
            }
            other => panic!("no word {other}"),
        }
    }
    request
}

fn condition(text: &str) -> (&str, Option<Condition>) {
    match text.split_once(" if ") {
        Some((rest, expression)) => {
            let expression = expression.to_owned();
            (rest, Some(Condition { expression, ..Condition::default() }))
        }
        None => (text, None),
    }
}

pub(super) fn grant(text: &str) -> Grant {
    let (text, condition) = condition(text);
    let (member, role) = text.split_once(' ').unwrap();
    let role = if role.contains('/') { role.to_owned() } else { format!("roles/{role}") };
    Grant { role, member: Member::from_policy(member), condition }
}

/// A principal as a deny policy writes it.
fn denied(text: &str) -> Member {
    let text = match text.split_once(':') {
        Some(("user", address)) => format!("principal://goog/subject/{address}"),
        Some(("serviceAccount", address)) => {
            format!("principal://iam.googleapis.com/projects/-/serviceAccounts/{address}")
        }
        Some(("group", address)) => format!("principalSet://goog/group/{address}"),
        Some(("public", "all")) => "principalSet://goog/public:all".to_owned(),
        _ => text.to_owned(),
    };
    Member::from_policy(text)
}

pub(super) fn rule(text: &str) -> DenyRule {
    let (text, condition) = condition(text);
    let mut words = text.split(' ');
    let list = |text: &str| text.split(',').map(denied).collect();
    let permissions = |text: &str| -> Vec<String> {
        let full = |word: &str| {
            if word.contains('/') { word.to_owned() } else { format!("run.googleapis.com/{word}") }
        };
        text.split(',').map(full).collect()
    };
    let mut rule = DenyRule {
        policy: "policies/cloudresourcemanager.googleapis.com%2Ffolders%2F1/denypolicies/guard"
            .to_owned(),
        denied_principals: list(words.next().unwrap()),
        denied_permissions: permissions(words.next().unwrap()),
        condition,
        ..DenyRule::default()
    };
    while let Some(word) = words.next() {
        let value = words.next().unwrap();
        match word {
            "but" => rule.exception_principals = list(value),
            "keeping" => rule.exception_permissions = permissions(value),
            other => panic!("no word {other}"),
        }
    }
    rule
}
