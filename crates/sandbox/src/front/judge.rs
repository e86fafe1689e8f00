//! Whom the front end lets in, in the order that is inferred for Cloud Run's: host, reserved
//! paths, https, reachability, Identity-Aware Proxy, the invoker check, the public, the
//! credential, the permission.

use std::borrow::Cow;
use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::Value;
use time::OffsetDateTime;

use super::audience::{is_client, is_taken, principal};
use super::place::{HostTarget, find};
use crate::authority::{Lore, grants, grants_seen, home_of, lineage, rules_on};
use crate::dialect::api_error::ApiError;
use crate::options::Options;
use crate::records::account_keys::signed_by_key;
use crate::records::facts::facts;
use crate::records::memory::{Remembered, Version};
use crate::records::store::Sandbox;
use crate::records::world::{Collection, World};
use crate::records::{groups, iap, roles};
use crate::settings::Settings;
use crate::signing::issuer::{Claims, check_times};
use crate::tokens::bearer;
use runaccess_domain::access::{
    Attached, Caller, Entry, Evidence, Hierarchy, Knowledge, Layer, Origin, Request, Verdict,
    decide, is_reserved,
};
use runaccess_domain::condition::{Tags, asks_for_tags};
use runaccess_domain::deny::DenyRule;
use runaccess_domain::invokers::Grant;
use runaccess_domain::member::{Member, MemberKind};
use runaccess_domain::resource::ServiceName;
use runaccess_domain::role::{INVOKE, PASS_IAP};
use runaccess_domain::service::{Ingress, Service};

pub(crate) const SERVERLESS: &str = "x-serverless-authorization";

/// What is judged.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Without its port.
    pub(crate) host: String,
    /// The function that is asked for, at a host of functions.
    pub(crate) function: Option<String>,
    /// As the service is given it.
    pub(crate) path: String,
    pub(crate) from: Origin,
    /// The token, if it has one.
    pub(crate) token: Option<String>,
    /// Whether it came over http where https is to be had.
    pub(crate) is_insecure: bool,
    pub(crate) now: OffsetDateTime,
    /// When it is taken to be made, where conditions ask.
    pub(crate) at: OffsetDateTime,
}

/// A request that is let in.
#[derive(Clone, Debug)]
pub(crate) struct Entered {
    pub(crate) service: Arc<Service>,
    pub(crate) tag: Option<String>,
    /// The audience of the token that was checked; `None` if none was.
    pub(crate) audience: Option<String>,
    /// Whom Identity-Aware Proxy let by.
    pub(crate) iap_user: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) enum Judged {
    Refused(Refusal),
    Through(Box<Entered>),
}

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    BadToken,
    /// Identity-Aware Proxy knows nobody: it asks to sign in.
    Iap,
    /// Identity-Aware Proxy does not take the token.
    IapBadToken,
    /// Identity-Aware Proxy does not let them by.
    IapDenied,
    Insecure,
    NoCredential,
    NoPermission,
    Reserved,
    UnknownHost,
    /// With the status that it is answered.
    Unreachable(u16),
}

/// The token that counts: that of `X-Serverless-Authorization` where it is there, and only then
/// that of `Authorization` (documented).
pub(crate) fn token_of(headers: &HeaderMap) -> Option<&str> {
    let header = headers.get(SERVERLESS).or_else(|| headers.get(AUTHORIZATION))?;
    bearer(header.to_str().unwrap_or_default())
}

/// What requests ask of the world again and again.
#[derive(Debug, Default)]
pub(crate) struct FrontMemory {
    /// By the host, and the function there.
    sites: Remembered<(String, Option<String>), Option<Arc<Site>>>,
    /// Whether a group holds a principal.
    groups: Remembered<(String, String), bool>,
    /// Where the project of a service account stands, by its address.
    homes: Remembered<String, Option<Arc<Hierarchy>>>,
    /// Whether a role of one's own holds a permission.
    roles: Remembered<(String, String), bool>,
}

/// Judges a request.
pub(crate) fn judge(
    sandbox: &Sandbox,
    options: &Options,
    memory: &FrontMemory,
    asked: &Asked,
) -> Result<Judged, ApiError> {
    // What is written after this is not looked at, unless it is read after all.
    let version = sandbox.version()?;
    Court { sandbox, options, memory, version, asked }.judge()
}

struct Court<'a> {
    sandbox: &'a Sandbox,
    options: &'a Options,
    memory: &'a FrontMemory,
    version: Version,
    asked: &'a Asked,
}

impl Court<'_> {
    fn judge(&self) -> Result<Judged, ApiError> {
        let refused = |refusal| Ok(Judged::Refused(refusal));
        let Some(site) = self.site()? else { return refused(Refusal::UnknownHost) };
        let has_tag = |tag: &String| site.service.tags.iter().any(|known| known.tag == *tag);
        if !site.place.tag.as_ref().is_none_or(has_tag) {
            return refused(Refusal::UnknownHost);
        }
        let path = self.asked.path.as_str();
        if from_of(self.asked, &site.place) != Origin::LoadBalancer && is_reserved(path) {
            return refused(Refusal::Reserved);
        }
        if self.asked.is_insecure {
            return refused(Refusal::Insecure);
        }
        Case { court: self, site: &site }.judge()
    }

    /// What is at the host. With a delay, what is seen there turns on the time too.
    fn site(&self) -> Result<Option<Arc<Site>>, ApiError> {
        let Asked { host, function, now, .. } = self.asked;
        let settings = &self.options.settings;
        let read = || {
            let found = self
                .sandbox
                .read(|world| Site::find(world, settings, (host, function.as_deref()), *now));
            Ok(found?.map(Arc::new))
        };
        if settings.access_delay.is_zero() {
            self.memory.sites.get(self.version, (host.clone(), function.clone()), read)
        } else {
            read()
        }
    }

    /// Where the project of a service account stands.
    fn home_of(&self, member: &Member) -> Result<Option<Arc<Hierarchy>>, ApiError> {
        if member.kind() != MemberKind::ServiceAccount {
            return Ok(None);
        }
        self.memory.homes.get(self.version, member.address().to_owned(), || {
            Ok(self.sandbox.read(|world| home_of(world, member))?.map(Arc::new))
        })
    }

    /// Whether a role holds a permission. What cannot be read gives nothing.
    fn carries(&self, role: &str, permission: &str) -> Option<bool> {
        if role.starts_with("roles/") {
            return Some(roles::predefined_carries(role, permission));
        }
        let key = (role.to_owned(), permission.to_owned());
        let read = || self.sandbox.read(|world| roles::carries(world, role, permission));
        self.memory.roles.get(self.version, key, read).ok()
    }

    /// Whether a group holds a principal. What cannot be read gives nothing.
    fn holds(&self, group: &str, member: &Member) -> Option<bool> {
        let key = (group.to_owned(), member.key());
        let read = || self.sandbox.read(|world| groups::holds(world, group, member));
        self.memory.groups.get(self.version, key, read).ok()
    }
}

/// The permission to invoke an instance, by its name.
const INVOKE_INSTANCE: &str = "run.instances.invoke";

/// Where a request comes from: at the host of a custom audience, by the load balancer there.
fn from_of(asked: &Asked, place: &HostTarget) -> Origin {
    if place.behind_balancer { Origin::LoadBalancer } else { asked.from }
}

/// What is at a host, with everything that bears on who gets in there.
#[derive(Debug)]
struct Site {
    place: HostTarget,
    service: Arc<Service>,
    /// The permission to invoke it.
    guard: &'static str,
    policies: Vec<(String, Vec<Grant>)>,
    rules: Vec<(String, Vec<DenyRule>)>,
    iap: Vec<(String, Vec<Grant>)>,
    /// Where it stands.
    hierarchy: Hierarchy,
    /// The tags in force on it, if a condition asks for them.
    tags: Option<Tags>,
}

/// What is kept at a name, with the resource whose policy counts and the permission that is needed
/// on it.
struct Guarded {
    body: Value,
    resource: String,
    permission: &'static str,
}

impl Guarded {
    /// A service, or else an instance. That the two share their names' hosts is not known.
    fn at(
        world: &World<'_>,
        settings: &Settings,
        name: &ServiceName,
    ) -> Result<Option<Self>, ApiError> {
        if let Some(body) = world.service(name)? {
            return Ok(Some(Self { body, resource: name.to_string(), permission: INVOKE }));
        }
        let (project, region) = (name.project(), name.region());
        let place = Collection { kind: "instances", project, region };
        let Some(body) = world.resource(place, name.service())? else { return Ok(None) };
        let resource = body["name"].as_str().unwrap_or_default().to_owned();
        let permission = if settings.instance_by_route { INVOKE } else { INVOKE_INSTANCE };
        Ok(Some(Self { body, resource, permission }))
    }
}

impl Site {
    /// Finds what is at a host, and gathers its policies and those of everything above it.
    fn find(
        world: &World<'_>,
        settings: &Settings,
        (host, function): (&str, Option<&str>),
        now: OffsetDateTime,
    ) -> Result<Option<Self>, ApiError> {
        let Some(place) = find(world, host, function)? else { return Ok(None) };
        let Some(guarded) = Guarded::at(world, settings, &place.name)? else { return Ok(None) };
        let Guarded { body, resource, permission: guard } = guarded;
        let service = facts(&body, &place.name);
        let lineage = lineage(world, &resource)?;
        let delay = settings.access_delay;
        let of =
            |resource: &String| Ok((resource.clone(), grants_seen(world, resource, now, delay)?));
        let policies: Vec<_> = lineage.iter().map(of).collect::<Result<_, ApiError>>()?;
        let asked = if service.iap { vec![guard, PASS_IAP] } else { vec![guard] };
        let mut rules = Vec::new();
        for permission in asked {
            let found = rules_on(world, permission)?.into_iter();
            for (at, mut rule) in found.filter(|(at, _)| lineage.contains(at)) {
                if permission != PASS_IAP && guard != INVOKE {
                    // The engine asks for a service's permission: what the rule is about is known.
                    rule.denied_permissions = vec![in_deny_policies(INVOKE)];
                    rule.exception_permissions.clear();
                }
                rules.push((at, vec![rule]));
            }
        }
        let iap = if service.iap { passers(world, &place.name)? } else { Vec::new() };
        let conditions = policies
            .iter()
            .chain(&iap)
            .flat_map(|(_, grants)| grants.iter().filter_map(|grant| grant.condition.as_ref()))
            .chain(rules.iter().flat_map(|(_, rules)| rules).filter_map(|r| r.condition.as_ref()));
        let asks = conditions.into_iter().any(|condition| asks_for_tags(&condition.expression));
        let (hierarchy, tags) = Lore::new(world, &lineage, asks)?.into_parts();
        let service = Arc::new(service);
        Ok(Some(Self { place, service, guard, policies, rules, iap, hierarchy, tags }))
    }
}

/// A request at a site.
struct Case<'a> {
    court: &'a Court<'a>,
    site: &'a Site,
}

/// What the engine says, as far as the front end needs it.
#[derive(Clone, Copy, Debug)]
struct Said {
    verdict: Verdict,
    blocked_by: Option<Layer>,
}

impl Case<'_> {
    fn judge(self) -> Result<Judged, ApiError> {
        let settings = &self.court.options.settings;
        let refused = |refusal| Ok(Judged::Refused(refusal));
        let hierarchy = &self.site.hierarchy;
        let mut service = Cow::Borrowed(&*self.site.service);
        let mut stranger = self.decide(&service, hierarchy, Caller::Anonymous);
        let unreachable = stranger.blocked_by == Some(Layer::Reachability);
        let status = if self.site.place.by_default_url && !service.default_url {
            settings.disabled_url_status
        } else {
            settings.ingress_status
        };
        if unreachable {
            if !settings.permission_first {
                return refused(Refusal::Unreachable(status));
            }
            // The rest is asked as if it could be reached.
            let reachable = service.to_mut();
            (reachable.ingress, reachable.default_url) = (Ingress::All, true);
            stranger = self.decide(&service, hierarchy, Caller::Anonymous);
            if stranger.verdict == Verdict::Allowed {
                return refused(Refusal::Unreachable(status));
            }
        }
        let known = self.known()?;
        let mut hierarchy = Cow::Borrowed(hierarchy);
        if let Some(member) = known.member()
            && let Some(home) = self.court.home_of(member)?
            && home.project != hierarchy.project
        {
            hierarchy.to_mut().homes.push(Hierarchy::clone(&home));
        }
        let says_of = |member| self.decide(&service, &hierarchy, Caller::Verified(member));
        if stranger.verdict == Verdict::Allowed {
            // Whatever bearer came along, unless a deny policy reaches whose it is.
            return match known.member().map(says_of) {
                Some(said) if said.verdict == Verdict::Denied => refused(Refusal::NoPermission),
                _ => Ok(self.through(None, None)),
            };
        }
        let (member, audience) = match known {
            Known::Nobody if service.iap => return refused(Refusal::Iap),
            Known::Nobody => return refused(Refusal::NoCredential),
            Known::NotTaken if service.iap => return refused(Refusal::IapBadToken),
            Known::NotTaken => return refused(Refusal::BadToken),
            Known::Somebody(member, audience) => (member, audience),
        };
        let said = says_of(&member);
        match said.verdict {
            Verdict::Allowed if unreachable => refused(Refusal::Unreachable(status)),
            Verdict::Allowed => {
                let user = service.iap.then(|| member.address().to_owned());
                Ok(self.through(audience, user))
            }
            // What cannot be told gives nothing: a condition that cannot be weighed is not met.
            Verdict::Denied | Verdict::Unknown if said.blocked_by == Some(Layer::Iap) => {
                refused(Refusal::IapDenied)
            }
            Verdict::Denied | Verdict::Unknown => refused(Refusal::NoPermission),
        }
    }

    /// Whose the request's token is, if it has one that is taken here.
    fn known(&self) -> Result<Known, ApiError> {
        let Some(token) = &self.court.asked.token else { return Ok(Known::Nobody) };
        let (settings, now) = (&self.court.options.settings, self.court.asked.now);
        if self.site.service.iap {
            return self.known_to_iap(token);
        }
        let Ok(claims) = self.court.sandbox.issuer().verify(token, settings, now) else {
            return Ok(Known::NotTaken);
        };
        let member = self.principal(&claims)?;
        Ok(member.map_or(Known::NotTaken, |member| Known::Somebody(member, claims.aud)))
    }

    /// Identity-Aware Proxy takes a service account's own signature for the address, or for all below
    /// it (documented), an ID token for the service's URL (taken to be so), and of a person a session
    /// alone.
    fn known_to_iap(&self, token: &str) -> Result<Known, ApiError> {
        let (settings, now) = (&self.court.options.settings, self.court.asked.now);
        let is_here = |audience: &str| {
            let bare = audience.trim_end_matches('*').trim_end_matches('/');
            self.site.service.urls.iter().any(|url| url.trim_end_matches('/') == bare)
        };
        if let Ok(claims) = self.court.sandbox.issuer().verify(token, settings, now) {
            let audience = claims.aud.as_deref().unwrap_or_default();
            let is_meant = is_here(audience) || (settings.iap_user_token && is_client(audience));
            let member = claims.email.as_deref().map(Member::of_account).filter(|_| is_meant);
            return Ok(member.map_or(Known::NotTaken, |member| Known::Somebody(member, claims.aud)));
        }
        let signed = self.court.sandbox.read(|world| signed_by_key(world, token))?;
        let good = |claims: &Claims| {
            claims.iss == claims.sub
                && check_times(claims, settings, now).is_ok()
                && claims.aud.as_deref().is_some_and(is_here)
        };
        Ok(signed.filter(good).map_or(Known::NotTaken, |claims| {
            Known::Somebody(Member::of_account(&claims.iss), claims.aud)
        }))
    }

    /// Whose a verified token is, if it is one that this service takes.
    fn principal(&self, claims: &Claims) -> Result<Option<Member>, ApiError> {
        let settings = &self.court.options.settings;
        if let Some(principal) = &claims.principal {
            let member = Member::from_policy(principal.as_str());
            let is_taken = settings.access_token || (settings.agent_identity && member.is_agent());
            return Ok(is_taken.then_some(member));
        }
        let is_meant = |audience: &String| is_taken(&self.site.service, audience, settings);
        if !claims.aud.as_ref().is_some_and(is_meant) {
            return Ok(None);
        }
        let member = principal(self.court.sandbox, claims, settings)?;
        // A client's audience is a user's (documented for gcloud's).
        let of_client = claims.aud.as_deref().is_some_and(is_client);
        Ok(member.filter(|member| !of_client || member.kind() == MemberKind::User))
    }

    fn decide(&self, service: &Service, hierarchy: &Hierarchy, caller: Caller<'_>) -> Said {
        fn attached<T>(layers: &[(String, Vec<T>)]) -> Vec<Attached<'_, T>> {
            layers.iter().map(|(resource, read)| Attached { resource, read: Ok(read) }).collect()
        }
        let Site { place, guard, policies, rules, iap, tags, .. } = self.site;
        let (allow, deny, iap) = (attached(policies), attached(rules), attached(iap));
        let asked = self.court.asked;
        let entry = match &place.tag {
            _ if !place.by_default_url => Entry::Domain,
            Some(tag) => Entry::Tag(tag),
            None => Entry::DefaultUrl,
        };
        let request = Request {
            path: Some(&asked.path),
            host: Some(&asked.host),
            time: asked.at,
            from: from_of(asked, place),
            entry,
        };
        // The engine asks for the permission to invoke a service.
        let carries = |role: &str, permission: &str| {
            self.court.carries(role, if permission == INVOKE { guard } else { permission })
        };
        let holds = |group: &str, member: &Member| self.court.holds(group, member);
        let known =
            Knowledge { carries: &carries, holds: &holds, place: hierarchy, tags: tags.as_ref() };
        let evidence =
            Evidence { service, allow: &allow, deny: &deny, iap: &iap, known, told: None };
        let decision = decide(&evidence, caller, &request);
        Said { verdict: decision.verdict, blocked_by: decision.blocked_by() }
    }

    fn through(&self, audience: Option<String>, iap_user: Option<String>) -> Judged {
        let (service, tag) = (Arc::clone(&self.site.service), self.site.place.tag.clone());
        Judged::Through(Box::new(Entered { service, tag, audience, iap_user }))
    }
}

/// What is known of who asks.
enum Known {
    Nobody,
    /// There is a token, and it is not taken.
    NotTaken,
    /// With the audience of the token.
    Somebody(Member, Option<String>),
}

impl Known {
    fn member(&self) -> Option<&Member> {
        match self {
            Self::Somebody(member, _) => Some(member),
            Self::Nobody | Self::NotTaken => None,
        }
    }
}

/// Whom Identity-Aware Proxy lets pass on a service's way: the grants of each resource, the nearest
/// first.
fn passers(world: &World<'_>, name: &ServiceName) -> Result<Vec<(String, Vec<Grant>)>, ApiError> {
    let of = |resource: String| Ok((resource.clone(), grants(world, &resource)?));
    iap::on_the_way(name).into_iter().map(of).collect()
}

/// A permission as deny policies write it, such as `run.googleapis.com/routes.invoke`.
fn in_deny_policies(permission: &str) -> String {
    let (api, rest) = permission.split_once('.').unwrap_or((permission, ""));
    format!("{api}.googleapis.com/{rest}")
}
