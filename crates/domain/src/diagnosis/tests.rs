//! Each signature, from what tells it from the others.

use time::macros::datetime;

use super::*;

const NOW: OffsetDateTime = datetime!(2026-06-01 00:00 UTC);

fn token(audience: &str) -> Credential {
    Credential::IdToken(TokenFacts {
        issuer: "https://accounts.google.com".to_owned(),
        audience: audience.to_owned(),
        expires: Some(datetime!(2026-06-01 01:00 UTC)),
    })
}

fn symptoms() -> Symptoms<'static> {
    Symptoms {
        is_preflight: false,
        path: "/",
        now: NOW,
        credential: token("https://s-1.us-central1.run.app"),
        with: None,
        without: None,
        audiences: Some(vec!["https://s-1.us-central1.run.app".to_owned()]),
        told: None,
        granted_lately: false,
        decision: None,
        has_url: true,
        is_reachable: None,
        default_url_off: false,
        exists: Some(true),
    }
}

fn decided(layers: &[(Layer, Outcome)]) -> &'static Decision<'static> {
    Box::leak(Box::new(Decision::sample(layers)))
}

type Case = (fn(&mut Symptoms<'static>), Finding);

const CASES: [Case; 35] = [
    (
        |s| {
            s.with = Some(Reply::Forbidden);
            s.without = Some(Reply::Application(200));
            s.told = Some(false);
        },
        Finding::Refused(Signature::DenyPolicy),
    ),
    (|s| s.with = Some(Reply::Application(200)), Finding::Ok),
    (|s| s.with = Some(Reply::Application(404)), Finding::Ok),
    (|s| s.with = Some(Reply::Application(500)), Finding::Ok),
    (|s| s.with = Some(Reply::Application(401)), Finding::Refused(Signature::Application401)),
    (|s| s.with = Some(Reply::Application(403)), Finding::Refused(Signature::Application403)),
    (|s| s.with = Some(Reply::Branded), Finding::Refused(Signature::ReservedPath)),
    (|s| s.with = Some(Reply::IapSignIn), Finding::Refused(Signature::IapRedirect)),
    (|s| s.with = Some(Reply::IapRefused(401)), Finding::Refused(Signature::IapToken)),
    (|s| s.with = Some(Reply::IapRefused(403)), Finding::Refused(Signature::IapDenied)),
    (|s| s.with = Some(Reply::Nothing("x".to_owned())), Finding::Unknown(Signature::Unreachable)),
    (|s| s.without = Some(Reply::Forbidden), Finding::Refused(Signature::NoCredential)),
    (
        |s| {
            s.with = Some(Reply::NotFound);
            s.exists = None;
        },
        Finding::Unknown(Signature::NoSuchServiceOrIngress),
    ),
    (
        |s| {
            s.with = Some(Reply::NotFound);
            s.exists = Some(false);
        },
        Finding::Refused(Signature::NoSuchService),
    ),
    (
        |s| {
            s.with = Some(Reply::NotFound);
            s.is_reachable = Some(false);
        },
        Finding::Refused(Signature::Ingress),
    ),
    (
        |s| {
            s.with = Some(Reply::NotFound);
            s.is_reachable = Some(false);
            s.default_url_off = true;
        },
        Finding::Refused(Signature::DefaultUrlOff),
    ),
    (
        |s| {
            s.with = Some(Reply::TokenRefused);
            s.credential = Credential::Opaque;
        },
        Finding::Refused(Signature::AccessToken),
    ),
    (
        |s| {
            s.with = Some(Reply::TokenRefused);
            s.credential = token("https://other.example");
        },
        Finding::Refused(Signature::WrongAudience),
    ),
    (
        |s| {
            s.with = Some(Reply::TokenRefused);
            s.credential = token("https://canary---s-1.us-central1.run.app");
        },
        Finding::Refused(Signature::TagAudience),
    ),
    (
        |s| {
            s.with = Some(Reply::TokenRefused);
            s.audiences = None;
            s.credential = token("https://canary---s-1.us-central1.run.app/");
        },
        Finding::Refused(Signature::TagAudience),
    ),
    (
        |s| {
            s.with = Some(Reply::TokenRefused);
            s.now = datetime!(2026-06-01 02:00 UTC);
        },
        Finding::Refused(Signature::Expired),
    ),
    (
        |s| {
            s.with = Some(Reply::TokenRefused);
            s.credential = Credential::IdToken(TokenFacts::default());
        },
        Finding::Refused(Signature::ForeignIssuer),
    ),
    (|s| s.with = Some(Reply::TokenRefused), Finding::Refused(Signature::TokenNotTaken)),
    (
        |s| {
            s.with = Some(Reply::TokenRefused);
            s.credential = token("32555940559.apps.googleusercontent.com");
        },
        Finding::Refused(Signature::TokenNotTaken),
    ),
    (
        |s| {
            s.with = Some(Reply::TokenRefused);
            s.credential = token("1.apps.googleusercontent.com");
        },
        Finding::Refused(Signature::WrongAudience),
    ),
    (
        |s| {
            s.with = Some(Reply::NotFound);
            s.path = "/healthz";
            s.is_reachable = Some(false);
        },
        Finding::Refused(Signature::ReservedPath),
    ),
    (
        |s| {
            s.with = Some(Reply::Forbidden);
            s.told = Some(true);
        },
        Finding::Refused(Signature::Propagation),
    ),
    (
        |s| {
            s.with = Some(Reply::Forbidden);
            s.told = Some(false);
        },
        Finding::Refused(Signature::NoPermission),
    ),
    (
        |s| {
            s.with = Some(Reply::Forbidden);
            s.told = Some(false);
            s.decision = Some(decided(&[(Layer::Deny, Outcome::Block)]));
        },
        Finding::Refused(Signature::DenyPolicy),
    ),
    (|s| s.with = Some(Reply::Forbidden), Finding::Refused(Signature::NoPermission)),
    (
        |s| {
            s.with = Some(Reply::Forbidden);
            s.granted_lately = true;
        },
        Finding::Unknown(Signature::Propagation),
    ),
    (
        |s| {
            s.with = Some(Reply::Application(204));
            s.without = Some(Reply::Forbidden);
            s.is_preflight = true;
        },
        Finding::Refused(Signature::Preflight),
    ),
    (
        |s| {
            s.with = Some(Reply::Application(204));
            s.without = Some(Reply::Application(204));
            s.is_preflight = true;
        },
        Finding::Ok,
    ),
    (
        |s| {
            s.with = Some(Reply::Application(200));
            s.without = Some(Reply::Forbidden);
        },
        Finding::Ok,
    ),
    (
        |s| {
            s.with = Some(Reply::NotFound);
            s.is_reachable = Some(true);
        },
        Finding::Unknown(Signature::NoSuchServiceOrIngress),
    ),
];

#[test]
fn each_signature_is_told_from_the_others() {
    for (number, (edit, expected)) in CASES.into_iter().enumerate() {
        let mut symptoms = symptoms();
        edit(&mut symptoms);
        assert_eq!(diagnose(&symptoms), expected, "case {number}");
    }
    assert_eq!(diagnose(&symptoms()), Finding::Undetermined);
}

#[test]
fn without_a_request_what_was_read_tells() {
    use Outcome::{Block, Pass, Skip, Unknown};
    for (layers, signature) in [
        (&[(Layer::Reachability, Block)][..], Signature::Ingress),
        (&[(Layer::Reachability, Block), (Layer::Deny, Block)], Signature::Ingress),
        (&[(Layer::Iap, Block)], Signature::IapDenied),
        (&[(Layer::Boundary, Block)], Signature::DenyPolicy),
        (&[(Layer::Deny, Block)], Signature::DenyPolicy),
        (&[(Layer::Iap, Skip), (Layer::Allow, Block)], Signature::NoPermission),
        (&[(Layer::Iap, Pass), (Layer::Allow, Block)], Signature::IapAgent),
        (&[(Layer::Allow, Unknown), (Layer::InvokerCheck, Block)], Signature::NoPermission),
    ] {
        let symptoms = Symptoms { decision: Some(decided(layers)), ..symptoms() };
        assert_eq!(diagnose(&symptoms), Finding::Refused(signature), "{layers:?}");
    }
    let found = |edit: fn(&mut Symptoms<'static>), layers| {
        let mut symptoms = Symptoms { decision: Some(decided(layers)), ..symptoms() };
        edit(&mut symptoms);
        diagnose(&symptoms)
    };
    let refused = Finding::Refused;
    let shut = &[(Layer::Reachability, Block)][..];
    assert_eq!(found(|s| s.path = "/healthz", shut), refused(Signature::ReservedPath));
    assert_eq!(found(|s| s.default_url_off = true, shut), refused(Signature::DefaultUrlOff));
    assert_eq!(found(|s| s.exists = Some(false), shut), refused(Signature::NoSuchService));
    let open = &[(Layer::Allow, Pass)][..];
    assert_eq!(found(|_| (), open), Finding::Ok);
    let no_url = |s: &mut Symptoms<'static>| (s.has_url, s.default_url_off) = (false, true);
    assert_eq!(found(no_url, open), refused(Signature::DefaultUrlOff));
    assert_eq!(found(|_| (), &[(Layer::Allow, Unknown)]), Finding::Undetermined);
    let anonymous = |s: &mut Symptoms<'static>| s.credential = Credential::None("x".to_owned());
    assert_eq!(found(anonymous, &[(Layer::Allow, Block)]), refused(Signature::NoCredential));
}

#[test]
fn every_signature_has_a_word_of_its_own() {
    let mut words: Vec<&str> = Signature::ALL.iter().map(|one| one.as_str()).collect();
    assert!(words.is_sorted());
    words.dedup();
    assert_eq!(words.len(), Signature::ALL.len());
    assert!(Signature::ALL.iter().all(|one| !one.meaning().is_empty()));
}
