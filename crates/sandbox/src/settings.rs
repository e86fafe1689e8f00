//! What is not certain about Cloud Run's front end and its tokens, as named settings: each with
//! its default, the other values it may take, and where the default comes from. The list is also
//! printed by `runaccess sandbox settings` and stands in `docs/sandbox.md`.

use std::time::Duration;

use thiserror::Error;

use runaccess_domain::member::Member;

/// One point that is not certain.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub name: &'static str,
    pub default: &'static str,
    /// What it may be, for a person to read.
    pub values: &'static str,
    /// What it decides.
    pub meaning: &'static str,
    /// Where the default comes from.
    pub source: &'static str,
    set: fn(&mut Settings, &str) -> Option<()>,
}

/// How the points that are not certain are taken.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) access_delay: Duration,
    pub(crate) access_token: bool,
    pub(crate) adc_client_id: bool,
    pub(crate) agent_identity: bool,
    pub(crate) audience_slash: bool,
    pub(crate) clock_skew: Duration,
    pub(crate) disabled_url_status: u16,
    pub(crate) iap_user_token: bool,
    pub(crate) ingress_status: u16,
    /// Whether an instance is guarded by the permission to invoke a service.
    pub(crate) instance_by_route: bool,
    pub(crate) metadata_account: String,
    pub(crate) method_status: u16,
    pub(crate) no_permission_status: u16,
    pub(crate) permission_first: bool,
    pub(crate) redirect_status: u16,
    pub(crate) request_limit: u64,
    pub(crate) response_limit: u64,
    pub(crate) strip: Strip,
    pub(crate) tag_audience: bool,
    pub(crate) token_lifetime: Duration,
    pub(crate) token_without_email: bool,
    pub(crate) verified_token_cache: bool,
}

/// From which tokens in `Authorization` the signature is taken before the application sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strip {
    Always,
    /// Those whose audience is a client id, as a user's are.
    Clients,
    Never,
}

/// Why a text is no setting.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SettingError {
    #[error("write it as NAME=VALUE")]
    Form,
    #[error("there is no setting `{0}`: `runaccess sandbox settings` lists them")]
    Unknown(String),
    #[error("`{name}` is {values}")]
    Value { name: &'static str, values: &'static str },
}

const NOT_KNOWN: &str = "not known";

/// No time that is set is longer.
const LONGEST: Duration = Duration::from_hours(24 * 365);

/// Every setting, by name.
pub const SETTINGS: [Setting; 22] = [
    Setting {
        name: "access-delay",
        default: "0s",
        values: "a time such as 2m",
        meaning: "how long the front end goes by a policy that was changed since",
        source: "documented: two minutes as a rule, seven and more at times; here at once",
        set: |s, v| time(&mut s.access_delay, v),
    },
    Setting {
        name: "access-token",
        default: "refused",
        values: "accepted|refused",
        meaning: "an OAuth access token in place of an ID token",
        source: "observed as 401; of Google's pages one newer says that either is taken, the others name ID tokens",
        set: |s, v| word(&mut s.access_token, v, "accepted", "refused"),
    },
    Setting {
        name: "adc-client-id",
        default: "accepted",
        values: "accepted|refused",
        meaning: "a user's token for the client of `gcloud auth application-default login`",
        source: "cloud-run-proxy#10 reports both",
        set: |s, v| word(&mut s.adc_client_id, v, "accepted", "refused"),
    },
    Setting {
        name: "agent-identity",
        default: "refused",
        values: "accepted|refused",
        meaning: "a token of an agent's own identity (`metadata-account=principal://agents.global…`)",
        source: "Google's own pages say both; one that tried it was refused",
        set: |s, v| word(&mut s.agent_identity, v, "accepted", "refused"),
    },
    Setting {
        name: "audience-slash",
        default: "accepted",
        values: "accepted|refused",
        meaning: "an audience that differs from a good one by a slash at its end",
        source: "background knowledge",
        set: |s, v| word(&mut s.audience_slash, v, "accepted", "refused"),
    },
    Setting {
        name: "clock-skew",
        default: "0s",
        values: "a time such as 30s",
        meaning: "how much a token's times may be off",
        source: NOT_KNOWN,
        set: |s, v| time(&mut s.clock_skew, v),
    },
    Setting {
        name: "disabled-url-status",
        default: "404",
        values: "404|403",
        meaning: "what a default URL that is off answers",
        source: "inferred from an unknown host's",
        set: |s, v| status(&mut s.disabled_url_status, v, &[404, 403]),
    },
    Setting {
        name: "iap-user-token",
        default: "refused",
        values: "accepted|refused",
        meaning: "whether a user's ID token stands for a session with Identity-Aware Proxy",
        source: "documented: a user signs in with a browser",
        set: |s, v| word(&mut s.iap_user_token, v, "accepted", "refused"),
    },
    Setting {
        name: "ingress-status",
        default: "404",
        values: "404|403",
        meaning: "what a request that ingress keeps out is answered",
        source: "observed in 2026; a report of 2021 says 403",
        set: |s, v| status(&mut s.ingress_status, v, &[404, 403]),
    },
    Setting {
        name: "instance-permission",
        default: "run.instances.invoke",
        values: "run.instances.invoke|run.routes.invoke",
        meaning: "the permission that it takes to call an instance",
        source: "roles hold the one, the field's text names the other",
        set: |s, v| word(&mut s.instance_by_route, v, "run.routes.invoke", "run.instances.invoke"),
    },
    Setting {
        name: "metadata-account",
        default: "default",
        values: "an address, an agent's `principal://…`, or `default`",
        meaning: "whose tokens the metadata server gives; by default the project's compute account",
        source: "documented default",
        set: |s, v| {
            v.clone_into(&mut s.metadata_account);
            let is_agent = || Member::from_policy(v).is_agent();
            (v == "default" || v.contains('@') || is_agent()).then_some(())
        },
    },
    Setting {
        name: "method-status",
        default: "405",
        values: "400|405|501",
        meaning: "what TRACE and CONNECT are answered",
        source: "that they are refused is documented, the status not known",
        set: |s, v| status(&mut s.method_status, v, &[405, 400, 501]),
    },
    Setting {
        name: "no-permission-status",
        default: "403",
        values: "401|403|404",
        meaning: "what a good token without the permission is answered",
        source: "observed (runsd#43); two reports say 401 and 404",
        set: |s, v| status(&mut s.no_permission_status, v, &[403, 401, 404]),
    },
    Setting {
        name: "order",
        default: "ingress-first",
        values: "ingress-first|permission-first",
        meaning: "whether who may not invoke learns first that ingress keeps them out",
        source: NOT_KNOWN,
        set: |s, v| word(&mut s.permission_first, v, "permission-first", "ingress-first"),
    },
    Setting {
        name: "redirect-status",
        default: "302",
        values: "301|302|307|308",
        meaning: "how http is sent to https, where TLS is on",
        source: "observed in 2020",
        set: |s, v| status(&mut s.redirect_status, v, &[302, 301, 307, 308]),
    },
    Setting {
        name: "request-limit",
        default: "33554432",
        values: "a number of bytes",
        meaning: "how large a request over HTTP/1 may be",
        source: "documented (32 MiB)",
        set: |s, v| bytes(&mut s.request_limit, v),
    },
    Setting {
        name: "response-limit",
        default: "33554432",
        values: "a number of bytes",
        meaning: "how large an answer over HTTP/1 that is not streamed may be",
        source: "documented (32 MiB)",
        set: |s, v| bytes(&mut s.response_limit, v),
    },
    Setting {
        name: "strip-authorization",
        default: "clients",
        values: "always|clients|never",
        meaning: "from which tokens in `Authorization` the signature is taken before the \
            application sees them",
        source: "observed for users' tokens; reports differ for service accounts'",
        set: |s, v| {
            s.strip = match v {
                "always" => Strip::Always,
                "clients" => Strip::Clients,
                "never" => Strip::Never,
                _ => return None,
            };
            Some(())
        },
    },
    Setting {
        name: "tag-audience",
        default: "refused",
        values: "accepted|refused",
        meaning: "a tag's URL as the audience",
        source: "reported as 401",
        set: |s, v| word(&mut s.tag_audience, v, "accepted", "refused"),
    },
    Setting {
        name: "token-lifetime",
        default: "1h",
        values: "a time such as 5s",
        meaning: "how long the tokens that the sandbox issues are good",
        source: "documented",
        set: |s, v| time(&mut s.token_lifetime, v),
    },
    Setting {
        name: "token-without-email",
        default: "accepted",
        values: "accepted|refused",
        meaning: "a service account's token that holds no address, known by its unique id",
        source: NOT_KNOWN,
        set: |s, v| word(&mut s.token_without_email, v, "accepted", "refused"),
    },
    Setting {
        name: "verified-token-cache",
        default: "on",
        values: "on|off",
        meaning: "whether a signature that was checked is remembered",
        source: "the sandbox's own",
        set: |s, v| word(&mut s.verified_token_cache, v, "on", "off"),
    },
];

impl Default for Settings {
    fn default() -> Self {
        let mut settings = Self {
            access_delay: Duration::ZERO,
            access_token: false,
            agent_identity: false,
            adc_client_id: false,
            audience_slash: false,
            clock_skew: Duration::ZERO,
            disabled_url_status: 0,
            iap_user_token: false,
            ingress_status: 0,
            instance_by_route: false,
            metadata_account: String::new(),
            method_status: 0,
            no_permission_status: 0,
            permission_first: false,
            redirect_status: 0,
            request_limit: 0,
            response_limit: 0,
            strip: Strip::Never,
            tag_audience: false,
            token_lifetime: Duration::ZERO,
            token_without_email: false,
            verified_token_cache: false,
        };
        for setting in SETTINGS {
            let taken = (setting.set)(&mut settings, setting.default);
            debug_assert!(taken.is_some(), "{}", setting.name);
        }
        settings
    }
}

impl Settings {
    /// Takes `NAME=VALUE`.
    pub fn set(&mut self, text: &str) -> Result<(), SettingError> {
        let (name, value) = text.split_once('=').ok_or(SettingError::Form)?;
        let setting = SETTINGS.iter().find(|setting| setting.name == name);
        let setting = setting.ok_or_else(|| SettingError::Unknown(name.to_owned()))?;
        let refused = SettingError::Value { name: setting.name, values: setting.values };
        (setting.set)(self, value).ok_or(refused)
    }
}

/// Checks a text that will be set.
pub fn check_setting(text: &str) -> Result<String, SettingError> {
    Settings::default().set(text).map(|()| text.to_owned())
}

fn word(flag: &mut bool, value: &str, yes: &str, no: &str) -> Option<()> {
    *flag = value == yes;
    (value == yes || value == no).then_some(())
}

fn status(code: &mut u16, value: &str, known: &[u16]) -> Option<()> {
    *code = value.parse().ok()?;
    known.contains(code).then_some(())
}

fn bytes(limit: &mut u64, value: &str) -> Option<()> {
    *limit = value.parse().ok()?;
    Some(())
}

fn time(time: &mut Duration, value: &str) -> Option<()> {
    *time = humantime::parse_duration(value).ok()?;
    (*time <= LONGEST).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_value_that_it_may_take() {
        assert!(SETTINGS.is_sorted_by_key(|setting| setting.name));
        let mut settings = Settings::default();
        for setting in SETTINGS {
            let text = format!("{}={}", setting.name, setting.default);
            assert_eq!(settings.set(&text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let mut settings = Settings::default();
        for (text, error) in [
            ("order", "write it as NAME=VALUE"),
            ("ordre=x", "there is no setting `ordre`: `runaccess sandbox settings` lists them"),
            ("order=x", "`order` is ingress-first|permission-first"),
            ("ingress-status=500", "`ingress-status` is 404|403"),
            ("clock-skew=soon", "`clock-skew` is a time such as 30s"),
        ] {
            assert_eq!(settings.set(text).unwrap_err().to_string(), error);
        }
    }
}
