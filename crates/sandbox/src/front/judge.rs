//! Whom the front end lets in, in the order that is inferred for Cloud Run's: host, reserved
//! paths, https, reachability, Identity-Aware Proxy, the invoker check, the public, the
//! credential, the permission.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::Value;
use time::OffsetDateTime;

use super::audience::{is_client, is_taken, principal};
use super::place::{HostTarget, find};
use crate::authority::{Lore, grants, grants_seen, lineage, rules_on};
use crate::dialect::api_error::ApiError;
use crate::options::Options;
use crate::records::account_keys::signed_by_key;
use crate::records::facts::facts;
use crate::records::iap;
use crate::records::store::Sandbox;
use crate::records::world::{Collection, World};
use crate::signing::issuer::{Claims, check_times};
use crate::tokens::bearer;
use runaccess_domain::access::{
    Attached, Caller, Entry, Evidence, Knowledge, Layer, Origin, Request, Verdict, decide,
    is_reserved,
};
use runaccess_domain::condition::asks_for_tags;
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
    pub(crate) service: Service,
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

/// Judges a request.
pub(crate) fn judge(
    sandbox: &Sandbox,
    options: &Options,
    asked: &Asked,
) -> Result<Judged, ApiError> {
    sandbox.read(|world| Court { sandbox, options, asked, world }.judge())
}

struct Court<'a> {
    sandbox: &'a Sandbox,
    options: &'a Options,
    asked: &'a Asked,
    world: &'a World<'a>,
}

impl Court<'_> {
    fn judge(&self) -> Result<Judged, ApiError> {
        let refused = |refusal| Ok(Judged::Refused(refusal));
        let Some(place) = find(self.world, &self.asked.host, self.asked.function.as_deref())?
        else {
            return refused(Refusal::UnknownHost);
        };
        let Some((body, guarded)) = self.guarded(&place.name)? else {
            return refused(Refusal::UnknownHost);
        };
        let service = facts(&body, &place.name);
        let has_tag = |tag: &String| service.tags.iter().any(|known| known.tag == *tag);
        if !place.tag.as_ref().is_none_or(has_tag) {
            return refused(Refusal::UnknownHost);
        }
        let path = self.asked.path.as_str();
        if from_of(self.asked, &place) != Origin::LoadBalancer && is_reserved(path) {
            return refused(Refusal::Reserved);
        }
        if self.asked.is_insecure {
            return refused(Refusal::Insecure);
        }
        Case::new(self, service, place, guarded)?.judge()
    }

    /// What is at a name, with what guards it: a service, or else an instance. That the two share
    /// their names' hosts is not known.
    fn guarded(&self, name: &ServiceName) -> Result<Option<(Value, Guarded)>, ApiError> {
        if let Some(body) = self.world.service(name)? {
            let guarded = Guarded { resource: name.to_string(), permission: INVOKE };
            return Ok(Some((body, guarded)));
        }
        let (project, region) = (name.project(), name.region());
        let place = Collection { kind: "instances", project, region };
        let Some(body) = self.world.resource(place, name.service())? else { return Ok(None) };
        let resource = body["name"].as_str().unwrap_or_default().to_owned();
        let by_route = self.options.settings.instance_by_route;
        let permission = if by_route { INVOKE } else { INVOKE_INSTANCE };
        Ok(Some((body, Guarded { resource, permission })))
    }
}

/// The resource whose policy counts, and the permission that is needed on it.
struct Guarded {
    resource: String,
    permission: &'static str,
}

/// The permission to invoke an instance, by its name.
const INVOKE_INSTANCE: &str = "run.instances.invoke";

/// Where a request comes from: at the host of a custom audience, by the load balancer there.
fn from_of(asked: &Asked, place: &HostTarget) -> Origin {
    if place.behind_balancer { Origin::LoadBalancer } else { asked.from }
}

struct Case<'a> {
    court: &'a Court<'a>,
    service: Service,
    place: HostTarget,
    /// The permission to invoke it.
    guard: &'static str,
    policies: Vec<(String, Vec<Grant>)>,
    rules: Vec<(String, Vec<DenyRule>)>,
    iap: Vec<(String, Vec<Grant>)>,
    lore: Lore<'a>,
}

/// What the engine says, as far as the front end needs it.
#[derive(Clone, Copy, Debug)]
struct Said {
    verdict: Verdict,
    blocked_by: Option<Layer>,
}

impl<'a> Case<'a> {
    /// Gathers the policies of a service, or of an instance, and of everything above it.
    fn new(
        court: &'a Court<'a>,
        service: Service,
        place: HostTarget,
        guarded: Guarded,
    ) -> Result<Self, ApiError> {
        let world = court.world;
        let Guarded { resource, permission: guard } = guarded;
        let lineage = lineage(world, &resource)?;
        let (now, delay) = (court.asked.now, court.options.settings.access_delay);
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
        let lore = Lore::new(world, &lineage, asks)?;
        Ok(Self { court, service, place, guard, policies, rules, iap, lore })
    }

    fn judge(mut self) -> Result<Judged, ApiError> {
        let settings = &self.court.options.settings;
        let refused = |refusal| Ok(Judged::Refused(refusal));
        let mut stranger = self.decide(Caller::Anonymous);
        let unreachable = stranger.blocked_by == Some(Layer::Reachability);
        let status = if self.place.by_default_url && !self.service.default_url {
            settings.disabled_url_status
        } else {
            settings.ingress_status
        };
        if unreachable {
            if !settings.permission_first {
                return refused(Refusal::Unreachable(status));
            }
            // The rest is asked as if it could be reached.
            (self.service.ingress, self.service.default_url) = (Ingress::All, true);
            stranger = self.decide(Caller::Anonymous);
            if stranger.verdict == Verdict::Allowed {
                return refused(Refusal::Unreachable(status));
            }
        }
        let known = self.known()?;
        if let Some(member) = known.member() {
            self.lore = self.lore.with_home_of(member)?;
        }
        if stranger.verdict == Verdict::Allowed {
            // Whatever bearer came along, unless a deny policy reaches whose it is.
            return match known.member().map(|member| self.decide(Caller::Verified(member))) {
                Some(said) if said.verdict == Verdict::Denied => refused(Refusal::NoPermission),
                _ => Ok(self.through(None, None)),
            };
        }
        let (member, audience) = match known {
            Known::Nobody if self.service.iap => return refused(Refusal::Iap),
            Known::Nobody => return refused(Refusal::NoCredential),
            Known::NotTaken if self.service.iap => return refused(Refusal::IapBadToken),
            Known::NotTaken => return refused(Refusal::BadToken),
            Known::Somebody(member, audience) => (member, audience),
        };
        let said = self.decide(Caller::Verified(&member));
        match said.verdict {
            Verdict::Allowed if unreachable => refused(Refusal::Unreachable(status)),
            Verdict::Allowed => {
                let user = self.service.iap.then(|| member.address().to_owned());
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
        if self.service.iap {
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
            self.service.urls.iter().any(|url| url.trim_end_matches('/') == bare)
        };
        if let Ok(claims) = self.court.sandbox.issuer().verify(token, settings, now) {
            let audience = claims.aud.as_deref().unwrap_or_default();
            let is_meant = is_here(audience) || (settings.iap_user_token && is_client(audience));
            let member = claims.email.as_deref().map(Member::of_account).filter(|_| is_meant);
            return Ok(member.map_or(Known::NotTaken, |member| Known::Somebody(member, claims.aud)));
        }
        let signed = signed_by_key(self.court.world, token)?;
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
        if !claims.aud.as_ref().is_some_and(|audience| is_taken(&self.service, audience, settings))
        {
            return Ok(None);
        }
        let member = principal(self.court.world, claims, settings)?;
        // A client's audience is a user's (documented for gcloud's).
        let of_client = claims.aud.as_deref().is_some_and(is_client);
        Ok(member.filter(|member| !of_client || member.kind() == MemberKind::User))
    }

    fn decide(&self, caller: Caller<'_>) -> Said {
        fn attached<T>(layers: &[(String, Vec<T>)]) -> Vec<Attached<'_, T>> {
            layers.iter().map(|(resource, read)| Attached { resource, read: Ok(read) }).collect()
        }
        let (allow, deny, iap) =
            (attached(&self.policies), attached(&self.rules), attached(&self.iap));
        let asked = self.court.asked;
        let entry = match &self.place.tag {
            _ if !self.place.by_default_url => Entry::Domain,
            Some(tag) => Entry::Tag(tag),
            None => Entry::DefaultUrl,
        };
        let request = Request {
            path: Some(&asked.path),
            host: Some(&asked.host),
            time: asked.at,
            from: from_of(asked, &self.place),
            entry,
        };
        self.lore.with(|known| {
            // The engine asks for the permission to invoke a service.
            let carries = |role: &str, permission: &str| {
                (known.carries)(role, if permission == INVOKE { self.guard } else { permission })
            };
            let known = Knowledge { carries: &carries, ..known };
            let evidence = Evidence {
                service: &self.service,
                allow: &allow,
                deny: &deny,
                iap: &iap,
                known,
                told: None,
            };
            let decision = decide(&evidence, caller, &request);
            Said { verdict: decision.verdict, blocked_by: decision.blocked_by() }
        })
    }

    fn through(self, audience: Option<String>, iap_user: Option<String>) -> Judged {
        let (service, tag) = (self.service, self.place.tag);
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
