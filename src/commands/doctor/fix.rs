//! The remedy for a finding.

use super::super::remedy::{grant, remedy};
use super::Args;
use crate::context::Context;
use crate::domain::access::{Decision, Layer, Request};
use crate::domain::diagnosis::{Finding, Signature};
use crate::domain::error::quoted;
use crate::domain::evidence::ServiceEvidence;
use crate::domain::member::Member;

/// The facts that a remedy depends on.
pub(super) struct Case<'a> {
    pub(super) gathered: Option<&'a ServiceEvidence>,
    pub(super) decision: Option<&'a Decision<'a>>,
    pub(super) request: &'a Request<'a>,
    /// `None` if the caller is unknown or there is no credential.
    pub(super) who: Option<&'a Member>,
    pub(super) target: &'a str,
    pub(super) args: &'a Args,
}

/// The remedy.
pub(super) fn fix(cx: &Context, found: Finding, case: &Case<'_>) -> Vec<String> {
    let signature = match found {
        Finding::Ok | Finding::Undetermined => return Vec::new(),
        Finding::Refused(signature) | Finding::Unknown(signature) => signature,
    };
    let target = quoted(case.target);
    let again = || cx.command();
    let named = case.gathered.map(|gathered| cx.named_to_others(&gathered.service.name));
    // Of the layer that refused: a request that an earlier layer refuses never reaches the others.
    let open = |layer: Layer, who: Option<&Member>| -> Vec<String> {
        let command = || {
            let step = case.decision?.steps.iter().find(|step| step.layer == layer)?;
            remedy(cx, case.gathered?, step, case.request, who?)
        };
        command().into_iter().collect()
    };
    let anyone = Member::all_users();
    let own_token = || match case.args.id_token_file {
        Some(_) => vec![cx.suggest(&format!("token {target}"))],
        None => vec![cx.suggest(&format!("token {target} --decode"))],
    };
    match signature {
        Signature::AccessToken
        | Signature::Expired
        | Signature::ForeignIssuer
        | Signature::TagAudience
        | Signature::TokenNotTaken
        | Signature::WrongAudience => own_token(),
        Signature::NoPermission => {
            let service = named.unwrap_or_else(|| "SERVICE".to_owned());
            let command = case.who.map(|who| cx.suggest_to_others(&grant(who, &service)));
            command.into_iter().collect()
        }
        // Who is allowed does not depend on the caller.
        Signature::IapAgent => open(Layer::Allow, Some(&anyone)),
        Signature::DefaultUrlOff | Signature::Ingress => open(Layer::Reachability, Some(&anyone)),
        Signature::IapDenied => open(Layer::Iap, case.who),
        // Signing in helps only a principal that is allowed then.
        Signature::IapRedirect | Signature::IapToken
            if case.decision.is_some_and(|decision| decision.blocks(Layer::Iap)) =>
        {
            open(Layer::Iap, case.who)
        }
        Signature::NoCredential if !cx.is_sandbox() => vec!["gcloud auth login".to_owned()],
        Signature::Propagation => vec![again()],
        Signature::ReservedPath => vec![cx.suggest(&format!("doctor {target} /health"))],
        Signature::Preflight => {
            let service = named.unwrap_or(target);
            vec![cx.suggest(&format!("proxy {service} --cors ORIGIN"))]
        }
        Signature::NoSuchService | Signature::NoSuchServiceOrIngress => vec![cx.suggest("list")],
        _ => Vec::new(),
    }
}
