//! The settings of a service that bear on who may reach and invoke it, as a change turns them.

use super::service::{Ingress, Service};

/// One of the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingName {
    DefaultUrl,
    Iap,
    Ingress,
    InvokerCheck,
}

/// A setting of a service that a change turns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub name: SettingName,
    pub before: String,
    pub after: String,
}

impl SettingName {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::DefaultUrl, Self::Iap, Self::Ingress, Self::InvokerCheck];

    /// Its name in `describe`'s JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DefaultUrl => "defaultUrl",
            Self::Iap => "iap",
            Self::Ingress => "ingress",
            Self::InvokerCheck => "invokerCheck",
        }
    }

    /// The setting of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }

    /// What a service has it at: `on`, `off`, or ingress by gcloud's word.
    pub fn of(self, service: &Service) -> String {
        let word = |on: bool| if on { "on" } else { "off" }.to_owned();
        match self {
            Self::DefaultUrl => word(service.default_url),
            Self::Iap => word(service.iap),
            Self::Ingress => service.ingress.as_str().to_owned(),
            Self::InvokerCheck => word(service.invoker_check),
        }
    }

    /// The service as it would be with this value.
    #[must_use]
    pub fn set(self, service: &Service, value: &str) -> Service {
        let (mut service, on) = (service.clone(), value == "on");
        match self {
            Self::DefaultUrl => service.default_url = on,
            Self::Iap => service.iap = on,
            Self::Ingress => service.ingress = Ingress::from_annotation(value),
            Self::InvokerCheck => service.invoker_check = on,
        }
        service
    }

    /// Whether the second value lets more through than the first.
    pub fn opens(self, before: &str, after: &str) -> bool {
        let width = |value: &str| match (self, value) {
            (Self::Ingress, "none") => 0,
            (Self::Ingress, "internal") => 1,
            (Self::Ingress, "internal-and-cloud-load-balancing") => 2,
            // What is not known here may let anything through.
            (Self::Ingress, _)
            | (Self::DefaultUrl, "on")
            | (Self::Iap | Self::InvokerCheck, "off") => 3,
            _ => 1,
        };
        width(after) > width(before)
    }

    /// What is done where it gets this value, for a sentence.
    pub fn turned(self, value: &str) -> String {
        match self {
            Self::DefaultUrl => format!("turn the default URL {value}"),
            Self::Iap => format!("turn Identity-Aware Proxy {value}"),
            Self::Ingress => format!("set the ingress to `{value}`"),
            Self::InvokerCheck => format!("turn the invoker check {value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_what_is_read() {
        let service = Service::sample();
        for name in SettingName::ALL {
            assert_eq!(SettingName::parse(name.as_str()), Some(name));
            let values: &[&str] = match name {
                SettingName::Ingress => {
                    &["all", "internal", "internal-and-cloud-load-balancing", "none"]
                }
                _ => &["on", "off"],
            };
            for value in values {
                assert_eq!(name.of(&name.set(&service, value)), *value);
            }
        }
        assert_eq!(SettingName::parse("labels"), None);
        for (name, narrow, wide) in [
            (SettingName::Ingress, "internal", "all"),
            (SettingName::Ingress, "none", "internal"),
            (SettingName::Ingress, "internal", "internal-and-cloud-load-balancing"),
            (SettingName::DefaultUrl, "off", "on"),
            (SettingName::Iap, "on", "off"),
            (SettingName::InvokerCheck, "on", "off"),
        ] {
            assert!(name.opens(narrow, wide) && !name.opens(wide, narrow), "{name:?}");
        }
    }
}
