//! Whom the front end lets in, in the order that is inferred for Cloud Run's: host, reserved
//! paths, https, reachability, Identity-Aware Proxy, the invoker check, the public, the
//! credential, the permission.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use time::OffsetDateTime;

use super::super::api_error::ApiError;
use super::super::authority::{NO_GROUPS, grants, lineage};
use super::super::facts::facts;
use super::super::options::Options;
use super::super::roles;
use super::super::store::Sandbox;
use super::super::tokens::{Claims, bearer};
use super::super::world::World;
use super::audience::{is_client, is_taken, principal};
use super::place::{Place, find};
use crate::domain::access::{
    Attached, Caller, Decision, Knowledge, Layer, Origin, Outcome, Request, Verdict, decide,
};
use crate::domain::invokers::Grant;
use crate::domain::member::{Member, MemberKind};
use crate::domain::service::{Ingress, Service};

const INVOKE: &str = "run.routes.invoke";
/// Paths that never reach a service: documented, but `/healthz`, which is observed. "Some paths
/// that end with `z`" are documented too, without saying which.
const RESERVED: [&str; 2] = ["/eventlog", "/healthz"];
const RESERVED_BELOW: &str = "/_ah/";
pub(super) const SERVERLESS: &str = "x-serverless-authorization";

/// What is judged.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Without its port.
    pub(super) host: String,
    pub(super) path: String,
    pub(super) from: Origin,
    /// The token, where it has one.
    pub(super) token: Option<String>,
    /// Whether it came over http where https is to be had.
    pub(super) is_insecure: bool,
    pub(super) now: OffsetDateTime,
}

/// A request that is let in.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) service: Service,
    pub(super) tag: Option<String>,
    /// The audience of the token that was checked; `None` where none was.
    pub(super) audience: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) enum Judged {
    Refused(Refusal),
    Through(Box<Entry>),
}

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    BadToken,
    Iap,
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
pub(super) fn token_of(headers: &HeaderMap) -> Option<&str> {
    let header = headers.get(SERVERLESS).or_else(|| headers.get(AUTHORIZATION))?;
    bearer(header.to_str().unwrap_or_default())
}

/// Judges a request.
pub(super) fn judge(
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
        let Some(place) = find(self.world, &self.asked.host)? else {
            return refused(Refusal::UnknownHost);
        };
        let Some(body) = self.world.service(&place.name)? else {
            return refused(Refusal::UnknownHost);
        };
        let service = facts(&body, &place.name);
        let has_tag = |tag: &String| service.tags.iter().any(|known| known.tag == *tag);
        if !place.tag.as_ref().is_none_or(has_tag) {
            return refused(Refusal::UnknownHost);
        }
        let path = self.asked.path.as_str();
        if RESERVED.contains(&path) || path.starts_with(RESERVED_BELOW) {
            return refused(Refusal::Reserved);
        }
        if self.asked.is_insecure {
            return refused(Refusal::Insecure);
        }
        let court = Case { court: self, policies: self.policies(&place)?, service, place };
        court.judge()
    }

    /// The policies of a service and of everything above it.
    fn policies(&self, place: &Place) -> Result<Vec<(String, Vec<Grant>)>, ApiError> {
        let lineage = lineage(self.world, &place.name.to_string())?;
        let of = |resource: String| Ok((resource.clone(), grants(self.world, &resource)?));
        lineage.into_iter().map(of).collect()
    }
}

struct Case<'a> {
    court: &'a Court<'a>,
    service: Service,
    place: Place,
    policies: Vec<(String, Vec<Grant>)>,
}

impl Case<'_> {
    fn judge(mut self) -> Result<Judged, ApiError> {
        let settings = &self.court.options.settings;
        let refused = |refusal| Ok(Judged::Refused(refusal));
        let mut stranger = self.decide(Caller::Anonymous);
        if stranger.verdict == Verdict::Allowed {
            return Ok(self.through(None));
        }
        let unreachable = stranger.blocked_by() == Some(Layer::Reachability);
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
        if asks_iap(&stranger) {
            return refused(Refusal::Iap);
        }
        let Some(token) = &self.court.asked.token else {
            return refused(Refusal::NoCredential);
        };
        let now = self.court.asked.now;
        let Ok(claims) = self.court.sandbox.issuer().verify(token, settings, now) else {
            return refused(Refusal::BadToken);
        };
        let Some(member) = self.principal(&claims)? else {
            return refused(Refusal::BadToken);
        };
        match self.decide(Caller::Verified(&member)).verdict {
            Verdict::Allowed if unreachable => refused(Refusal::Unreachable(status)),
            Verdict::Allowed => Ok(self.through(claims.aud)),
            // What cannot be told gives nothing: a condition that cannot be weighed is not met.
            Verdict::Denied | Verdict::Unknown => refused(Refusal::NoPermission),
        }
    }

    /// Whose a verified token is, if it is one that this service takes.
    fn principal(&self, claims: &Claims) -> Result<Option<Member>, ApiError> {
        let settings = &self.court.options.settings;
        if let Some(principal) = &claims.principal {
            let member = Member::from_policy(principal.as_str());
            return Ok(settings.access_token.then_some(member));
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

    fn decide(&self, caller: Caller<'_>) -> Decision {
        let attached: Vec<Attached<'_>> = self
            .policies
            .iter()
            .map(|(resource, grants)| Attached { resource, grants: Some(grants) })
            .collect();
        let asked = self.court.asked;
        let request = Request {
            path: &asked.path,
            host: &asked.host,
            time: asked.now,
            from: asked.from,
            by_default_url: self.place.by_default_url,
        };
        let carries = |role: &str| Some(roles::carries(role, INVOKE));
        let known = Knowledge { carries: &carries, holds: NO_GROUPS };
        decide(&self.service, &attached, caller, &request, known)
    }

    fn through(self, audience: Option<String>) -> Judged {
        Judged::Through(Box::new(Entry { service: self.service, tag: self.place.tag, audience }))
    }
}

fn asks_iap(decision: &Decision) -> bool {
    decision.steps.iter().any(|step| step.layer == Layer::Iap && step.outcome == Outcome::Unknown)
}
