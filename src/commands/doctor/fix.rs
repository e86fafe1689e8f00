//! The fix for a finding.

use super::super::remedy::{Refused, grant, remedy};
use super::Args;
use crate::context::Context;
use crate::domain::access::Layer;
use crate::domain::diagnosis::{Finding, Signature};
use crate::domain::error::quoted;
use crate::domain::member::{Member, MemberKind};

/// The facts that a remedy depends on.
pub(super) struct Case<'a> {
    /// What could be read, if the caller is known and there is enough of it.
    pub(super) refused: Option<Refused<'a>>,
    /// The token's audience and the address of the request, for a domain that is mapped.
    pub(super) at_domain: Option<(&'a str, &'a str)>,
    /// `None` if the caller is unknown or there is no credential.
    pub(super) who: Option<&'a Member>,
    pub(super) target: &'a str,
    /// What the missing credential's own error suggests.
    pub(super) login: &'a [String],
    pub(super) args: &'a Args,
}

/// The remedy.
pub(super) fn fix(cx: &Context, found: Finding, case: &Case<'_>) -> Vec<String> {
    let Some(signature) = found.signature() else { return Vec::new() };
    let target = quoted(case.target);
    let named = case.refused.map(|refused| cx.named_to_others(&refused.gathered.service.name));
    // The fix for the layer that refused: a request that an earlier layer refuses never reaches the
    // others.
    let open = |layer: Layer, who: Option<&Member>| -> Vec<String> {
        let (Some(refused), Some(who)) = (case.refused, who) else { return Vec::new() };
        let step = refused.decision.steps.iter().find(|step| step.layer == layer);
        let refused = Refused { who, ..refused };
        step.map(|step| remedy(cx, &refused, step)).unwrap_or_default()
    };
    let anyone = Member::all_users();
    let own_token = || match case.args.id_token_file {
        Some(_) => vec![cx.suggest(&format!("token {target}"))],
        None => vec![cx.suggest(&format!("token {target} --decode"))],
    };
    match signature {
        // The service can learn to take the token, or the caller can get another.
        Signature::WrongAudience => match (&named, case.at_domain) {
            (Some(named), Some((audience, origin))) if audience == origin => {
                vec![cx.suggest_to_others(&format!("audience add {named} {}", quoted(origin)))]
            }
            _ => own_token(),
        },
        Signature::AccessToken
        | Signature::Expired
        | Signature::ForeignIssuer
        | Signature::TagAudience
        | Signature::TokenNotTaken => own_token(),
        Signature::NoPermission if case.refused.is_some() => open(Layer::Allow, case.who),
        // The service may not be read: `grant` takes its address too.
        Signature::NoPermission => {
            let command = case.who.map(|who| cx.suggest_to_others(&grant(who, &target)));
            command.into_iter().collect()
        }
        // The principals to allow do not depend on the caller.
        Signature::IapAgent => open(Layer::Allow, Some(&anyone)),
        Signature::DefaultUrlOff | Signature::Ingress => open(Layer::Reachability, Some(&anyone)),
        // No role lets a person's ID token past: a browser does, or an account with the role.
        Signature::IapToken if case.who.is_some_and(|who| who.kind() == MemberKind::User) => {
            Vec::new()
        }
        // Signing in helps only a principal that Identity-Aware Proxy then allows.
        Signature::IapDenied | Signature::IapRedirect | Signature::IapToken
            if case.refused.is_some_and(|refused| refused.decision.blocks(Layer::Iap)) =>
        {
            open(Layer::Iap, case.who)
        }
        Signature::NoCredential => case.login.iter().take(1).cloned().collect(),
        Signature::Propagation => vec![cx.command()],
        Signature::ReservedPath => vec![cx.suggest(&format!("doctor {target} /health"))],
        // The origin of a page that is being worked on, as most tools serve it.
        Signature::Preflight => {
            let service = named.unwrap_or(target);
            vec![cx.suggest(&format!("proxy {service} --cors http://localhost:3000"))]
        }
        Signature::NoSuchService | Signature::NoSuchServiceOrIngress => vec![cx.suggest("list")],
        _ => Vec::new(),
    }
}
