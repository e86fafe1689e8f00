//! What a change sets beside policies: switches of a service, its custom audiences, and whether an
//! account or a domain mapping is there at all.

use super::service::{Ingress, Service};

/// A setting of a service that always has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    DefaultUrl,
    Iap,
    Ingress,
    InvokerCheck,
}

/// What a change may set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingName {
    /// Whether a service account is there, by its address.
    Account,
    /// One of a service's custom audiences.
    CustomAudience,
    /// The service that a domain leads to.
    DomainMapping,
    Switch(Switch),
}

/// Something that a change sets. What is not there before, or after, is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub name: SettingName,
    pub before: String,
    pub after: String,
}

/// How a setting is found today.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Today {
    /// As the change meant it to be.
    AsMeant,
    /// As it was before the change.
    AsBefore,
    Otherwise(String),
}

impl Setting {
    /// A switch that is turned.
    pub fn turned(switch: Switch, before: String, after: String) -> Self {
        Self { name: SettingName::Switch(switch), before, after }
    }

    /// How it is found, in the service's facts or in what is there of the account or mapping; `None`
    /// where that was not read.
    pub fn today(&self, service: Option<&Service>, there: Option<&str>) -> Option<Today> {
        let today = match self.name {
            SettingName::Switch(switch) => switch.of(service?),
            SettingName::CustomAudience => {
                // Of a list, this one alone is looked at.
                let audience = if self.after.is_empty() { &self.before } else { &self.after };
                let held = service?.custom_audiences.contains(audience);
                if held { audience.clone() } else { String::new() }
            }
            SettingName::Account | SettingName::DomainMapping => there?.to_owned(),
        };
        Some(if today == self.after {
            Today::AsMeant
        } else if today == self.before {
            Today::AsBefore
        } else {
            Today::Otherwise(today)
        })
    }

    /// What takes it back.
    #[must_use]
    pub fn inverse(&self) -> Self {
        Self { name: self.name, before: self.after.clone(), after: self.before.clone() }
    }

    /// Whether it lets more through than what was before.
    pub fn opens(&self) -> bool {
        match self.name {
            SettingName::Switch(switch) => switch.opens(&self.before, &self.after),
            _ => false,
        }
    }

    /// What comes and goes, for a line of a plan.
    pub fn words(&self) -> String {
        let name = self.name.as_str();
        match (self.before.as_str(), self.after.as_str()) {
            ("", after) => format!("{name}: + {after}"),
            (before, "") => format!("{name}: - {before}"),
            (before, after) => format!("{name}: {before} -> {after}"),
        }
    }
}

impl SettingName {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Account,
        Self::CustomAudience,
        Self::DomainMapping,
        Self::Switch(Switch::DefaultUrl),
        Self::Switch(Switch::Iap),
        Self::Switch(Switch::Ingress),
        Self::Switch(Switch::InvokerCheck),
    ];

    /// Its name in JSON; a switch's is that of `describe`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Account => "serviceAccount",
            Self::CustomAudience => "customAudience",
            Self::DomainMapping => "domainMapping",
            Self::Switch(switch) => switch.as_str(),
        }
    }

    /// The setting of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }
}

impl Switch {
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

    /// What a service has it at: `on`, `off`, or ingress by gcloud's word.
    pub fn of(self, service: &Service) -> String {
        let word = |on: bool| if on { "on" } else { "off" }.to_owned();
        match self {
            Self::DefaultUrl => word(service.default_url),
            Self::Iap => word(service.iap),
            Self::Ingress => {
                service.ingress_set.as_ref().unwrap_or(&service.ingress).as_str().to_owned()
            }
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
            Self::Ingress => {
                service.ingress = Ingress::from_annotation(value);
                service.ingress_set = None;
            }
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
        for name in Switch::ALL {
            let values: &[&str] = match name {
                Switch::Ingress => {
                    &["all", "internal", "internal-and-cloud-load-balancing", "none"]
                }
                _ => &["on", "off"],
            };
            for value in values {
                assert_eq!(name.of(&name.set(&service, value)), *value);
            }
        }
        for name in SettingName::ALL {
            assert_eq!(SettingName::parse(name.as_str()), Some(name));
        }
        assert_eq!(SettingName::parse("labels"), None);
        for (name, narrow, wide) in [
            (Switch::Ingress, "internal", "all"),
            (Switch::Ingress, "none", "internal"),
            (Switch::Ingress, "internal", "internal-and-cloud-load-balancing"),
            (Switch::DefaultUrl, "off", "on"),
            (Switch::Iap, "on", "off"),
            (Switch::InvokerCheck, "on", "off"),
        ] {
            assert!(name.opens(narrow, wide) && !name.opens(wide, narrow), "{name:?}");
        }
    }

    #[test]
    fn what_is_found_of_a_setting() {
        let audience = |before: &str, after: &str| Setting {
            name: SettingName::CustomAudience,
            before: before.to_owned(),
            after: after.to_owned(),
        };
        let mut service = Service::sample();
        service.custom_audiences = vec!["https://a".to_owned(), "https://b".to_owned()];
        for (setting, today) in [
            (audience("", "https://a"), Today::AsMeant),
            (audience("", "https://c"), Today::AsBefore),
            (audience("https://c", ""), Today::AsMeant),
            (audience("https://b", ""), Today::AsBefore),
        ] {
            assert_eq!(setting.today(Some(&service), None), Some(today), "{setting:?}");
            assert_eq!(setting.inverse().inverse(), setting);
        }
        let mapping = Setting { name: SettingName::DomainMapping, ..audience("", "orders") };
        assert_eq!(mapping.today(None, None), None);
        assert_eq!(mapping.today(None, Some("")), Some(Today::AsBefore));
        let other = Today::Otherwise("hello".to_owned());
        assert_eq!(mapping.today(None, Some("hello")), Some(other));
    }
}
