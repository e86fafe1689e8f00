//! The evidence of a verdict, as sentences.

use time::format_description::well_known::Rfc3339;

use crate::domain::access::{Layer, Outcome, Verdict};
use crate::domain::diagnosis::{Credential, Reply, Symptoms};

pub(super) fn in_words(reply: &Reply) -> String {
    match reply {
        Reply::Application(status) => format!("{status} from the application"),
        Reply::Branded => "404 on a page of Google's own".to_owned(),
        Reply::Forbidden => "403 from Cloud Run's front end".to_owned(),
        Reply::IapRefused(status) => format!("{status} from Identity-Aware Proxy"),
        Reply::IapSignIn => "sent to sign in by Identity-Aware Proxy".to_owned(),
        Reply::NoInstance(status) => {
            format!("{status} from Cloud Run's front end: no instance of the service answered")
        }
        Reply::TooLarge => "413 from Cloud Run's front end".to_owned(),
        Reply::Nothing(why) => format!("no answer: {why}"),
        Reply::NotFound => "404 from Cloud Run's front end".to_owned(),
        Reply::TokenRefused => {
            "401 from Cloud Run's front end, which does not take the token".to_owned()
        }
    }
}

/// The claims of the token.
pub(super) fn of_token(credential: &Credential, is_iap: bool) -> String {
    match credential {
        Credential::None(why) => format!("no token was sent: {why}"),
        Credential::Opaque => "the token is not in the form of an ID token".to_owned(),
        Credential::IdToken(token) => {
            let end = token.expires.and_then(|end| end.format(&Rfc3339).ok());
            let end = end.map_or(String::new(), |end| format!(", it ends at {end}"));
            let of = if is_iap { "; Identity-Aware Proxy takes none of a person's" } else { "" };
            format!("the token is for `{}`, by `{}`{end}{of}", token.audience, token.issuer)
        }
    }
}

/// The facts that could be read.
pub(super) fn of_reading(symptoms: &Symptoms<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let decision = symptoms.decision;
    let is_iap = decision.is_some_and(|decision| decision.asks(Layer::Iap));
    // Behind Identity-Aware Proxy, another principal needs the permission.
    match symptoms.told.filter(|_| !is_iap) {
        Some(true) => lines.push("Cloud Run's API says that you may invoke it".to_owned()),
        Some(false) => lines.push("Cloud Run's API says that you may not invoke it".to_owned()),
        None => {}
    }
    let is_open = decision.is_some_and(|decision| decision.verdict == Verdict::Unknown);
    let tells =
        |outcome: Outcome| outcome == Outcome::Block || (is_open && outcome == Outcome::Unknown);
    let steps = decision.into_iter().flat_map(|decision| &decision.steps);
    for step in steps.filter(|step| tells(step.outcome)) {
        let on = step.source.map(|source| {
            let role = source.role.map_or(String::new(), |role| format!("{role} to "));
            let condition = source.condition.map(|c| format!(", if {}", c.expression));
            format!(
                ": {role}{} on {}{}",
                source.member,
                source.resource,
                condition.unwrap_or_default()
            )
        });
        lines.push(format!("{}: {}{}", step.layer.as_str(), step.reason, on.unwrap_or_default()));
    }
    if symptoms.granted_lately {
        lines.push("somebody was let in from this machine a few minutes ago".to_owned());
    }
    lines
}
