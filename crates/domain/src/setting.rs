//! What a change sets beside policies: switches of a service, its custom audiences, and whether a
//! service account or a domain mapping exists.

use super::service::{Ingress, Service};
use super::target::Existing;

/// A switch of a service, at one of its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Switch {
    DefaultUrl(bool),
    Iap(bool),
    Ingress(Ingress),
    InvokerCheck(bool),
}

/// Which switch it is, whatever its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SwitchKind {
    DefaultUrl,
    Iap,
    Ingress,
    InvokerCheck,
}

impl SwitchKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::DefaultUrl, Self::Iap, Self::Ingress, Self::InvokerCheck];

    /// The command that turns it.
    pub fn command(self) -> &'static str {
        match self {
            Self::DefaultUrl => "default-url",
            Self::Iap => "iap",
            Self::Ingress => "ingress",
            Self::InvokerCheck => "invoker-check",
        }
    }
}

/// A switch that goes from one of its values to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    from: Switch,
    to: Switch,
}

/// Something that a change sets. `present` says whether it exists after the change; before the change it is the other
/// way round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// A service account, which is created or deleted.
    Account {
        address: String,
        present: bool,
    },
    /// One of a service's custom audiences.
    CustomAudience {
        audience: String,
        present: bool,
    },
    /// The service, by its bare name, that a domain is mapped to.
    DomainMapping {
        service: String,
        present: bool,
    },
    Switch(Turn),
}

/// The current value of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CurrentValue {
    /// The value after the change.
    AsMeant,
    /// The value before the change.
    AsBefore,
    /// Another value.
    Otherwise(String),
}

impl Switch {
    /// Which switch it is.
    pub fn kind(&self) -> SwitchKind {
        match self {
            Self::DefaultUrl(_) => SwitchKind::DefaultUrl,
            Self::Iap(_) => SwitchKind::Iap,
            Self::Ingress(_) => SwitchKind::Ingress,
            Self::InvokerCheck(_) => SwitchKind::InvokerCheck,
        }
    }

    /// Its name in `describe`'s JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::DefaultUrl(_) => "defaultUrl",
            Self::Iap(_) => "iap",
            Self::Ingress(_) => "ingress",
            Self::InvokerCheck(_) => "invokerCheck",
        }
    }

    /// Its value in JSON and in messages: `on`, `off`, or gcloud's word for ingress.
    pub fn value(&self) -> &str {
        match self {
            Self::DefaultUrl(on) | Self::Iap(on) | Self::InvokerCheck(on) => on_off(*on),
            Self::Ingress(ingress) => ingress.as_str(),
        }
    }

    /// Parses a name and a value; `None` if this version does not know them.
    fn parse(name: &str, value: &str) -> Option<Self> {
        let on = match value {
            "on" => Some(true),
            "off" => Some(false),
            _ => None,
        };
        match name {
            "defaultUrl" => on.map(Self::DefaultUrl),
            "iap" => on.map(Self::Iap),
            "ingress" => Some(Self::Ingress(Ingress::from_annotation(value))),
            "invokerCheck" => on.map(Self::InvokerCheck),
            _ => None,
        }
    }

    /// The same switch with the value that a service has.
    #[must_use]
    pub fn today(&self, service: &Service) -> Self {
        match self {
            Self::DefaultUrl(_) => Self::DefaultUrl(service.default_url),
            Self::Iap(_) => Self::Iap(service.iap),
            Self::Ingress(_) => {
                Self::Ingress(service.ingress_set.as_ref().unwrap_or(&service.ingress).clone())
            }
            Self::InvokerCheck(_) => Self::InvokerCheck(service.invoker_check),
        }
    }

    /// The service with the switch at this value.
    #[must_use]
    pub fn set(&self, service: &Service) -> Service {
        let mut service = service.clone();
        match self {
            Self::DefaultUrl(on) => service.default_url = *on,
            Self::Iap(on) => service.iap = *on,
            Self::Ingress(ingress) => {
                service.ingress = ingress.clone();
                service.ingress_set = None;
            }
            Self::InvokerCheck(on) => service.invoker_check = *on,
        }
        service
    }

    /// What setting this value does, for a sentence.
    pub fn turned(&self) -> String {
        let value = self.value();
        match self {
            Self::DefaultUrl(_) => format!("turn the default URL {value}"),
            Self::Iap(_) => format!("turn Identity-Aware Proxy {value}"),
            Self::Ingress(_) => format!("set the ingress to `{value}`"),
            Self::InvokerCheck(_) => format!("turn the invoker check {value}"),
        }
    }

    /// How much it lets through at this value, compared with its other values.
    fn width(&self) -> u8 {
        match self {
            Self::Ingress(Ingress::None) => 0,
            Self::Ingress(Ingress::Internal)
            | Self::DefaultUrl(false)
            | Self::Iap(true)
            | Self::InvokerCheck(true) => 1,
            Self::Ingress(Ingress::InternalAndLoadBalancing) => 2,
            // What is not known here may let anything through.
            Self::Ingress(Ingress::All | Ingress::Other(_))
            | Self::DefaultUrl(true)
            | Self::Iap(false)
            | Self::InvokerCheck(false) => 3,
        }
    }
}

impl Turn {
    /// The turn of a service's switch to a value; `None` if it has that value.
    pub fn of(service: &Service, to: Switch) -> Option<Self> {
        let from = to.today(service);
        (from != to).then_some(Self { from, to })
    }

    pub fn from(&self) -> &Switch {
        &self.from
    }

    pub fn to(&self) -> &Switch {
        &self.to
    }

    /// Whether it lets more through than the value before.
    fn opens(&self) -> bool {
        self.to.width() > self.from.width()
    }

    fn today(&self, service: &Service) -> CurrentValue {
        match self.to.today(service) {
            today if today == self.to => CurrentValue::AsMeant,
            today if today == self.from => CurrentValue::AsBefore,
            today => CurrentValue::Otherwise(today.value().to_owned()),
        }
    }
}

impl Setting {
    /// Its current value, from the service or from the existing account or mapping; `None` if that was not read.
    pub fn today(
        &self,
        service: Option<&Service>,
        existing: Option<&Existing>,
    ) -> Option<CurrentValue> {
        match self {
            Self::Switch(turn) => Some(turn.today(service?)),
            // Of a list, this one alone is looked at.
            Self::CustomAudience { audience, present } => {
                let is_held = service?.custom_audiences.contains(audience);
                Some(if is_held == *present {
                    CurrentValue::AsMeant
                } else {
                    CurrentValue::AsBefore
                })
            }
            Self::Account { address, present } => {
                let today = match existing? {
                    Existing::Account { address, .. } => Some(address),
                    Existing::Mapping { .. } | Existing::Nothing => None,
                };
                Some(found(today, address, *present))
            }
            Self::DomainMapping { service, present } => {
                let today = match existing? {
                    Existing::Mapping { service, .. } => Some(service),
                    Existing::Account { .. } | Existing::Nothing => None,
                };
                Some(found(today, service, *present))
            }
        }
    }

    /// The inverse change.
    #[must_use]
    pub fn inverse(&self) -> Self {
        match self.clone() {
            Self::Account { address, present } => Self::Account { address, present: !present },
            Self::CustomAudience { audience, present } => {
                Self::CustomAudience { audience, present: !present }
            }
            Self::DomainMapping { service, present } => {
                Self::DomainMapping { service, present: !present }
            }
            Self::Switch(Turn { from, to }) => Self::Switch(Turn { from: to, to: from }),
        }
    }

    /// Whether it lets more through than before.
    pub fn opens(&self) -> bool {
        matches!(self, Self::Switch(turn) if turn.opens())
    }

    /// Its name in JSON; a switch's is that of `describe`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Account { .. } => "serviceAccount",
            Self::CustomAudience { .. } => "customAudience",
            Self::DomainMapping { .. } => "domainMapping",
            Self::Switch(turn) => turn.to.name(),
        }
    }

    /// Its value before and after the change, in words; `None` if it does not exist.
    pub fn values(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Self::Account { address: value, present }
            | Self::CustomAudience { audience: value, present }
            | Self::DomainMapping { service: value, present } => match present {
                true => (None, Some(value)),
                false => (Some(value), None),
            },
            Self::Switch(Turn { from, to }) => (Some(from.value()), Some(to.value())),
        }
    }

    /// Parses a name and values; `None` if this version does not know them.
    pub fn parse(name: &str, before: Option<&str>, after: Option<&str>) -> Option<Self> {
        let came_or_went = || match (before, after) {
            (None, Some(value)) => Some((value.to_owned(), true)),
            (Some(value), None) => Some((value.to_owned(), false)),
            _ => None,
        };
        match name {
            "serviceAccount" => {
                let (address, present) = came_or_went()?;
                Some(Self::Account { address, present })
            }
            "customAudience" => {
                let (audience, present) = came_or_went()?;
                Some(Self::CustomAudience { audience, present })
            }
            "domainMapping" => {
                let (service, present) = came_or_went()?;
                Some(Self::DomainMapping { service, present })
            }
            switch => {
                let (from, to) = (Switch::parse(switch, before?)?, Switch::parse(switch, after?)?);
                Some(Self::Switch(Turn { from, to }))
            }
        }
    }

    /// The change in one line of a plan.
    pub fn words(&self) -> String {
        let name = self.name();
        match self.values() {
            (Some(before), Some(after)) => format!("{name}: {before} -> {after}"),
            (None, after) => format!("{name}: + {}", after.unwrap_or_default()),
            (Some(before), None) => format!("{name}: - {before}"),
        }
    }
}

/// The current value of something that has one value or does not exist.
fn found(today: Option<&String>, value: &String, present: bool) -> CurrentValue {
    match today {
        Some(today) if today != value => CurrentValue::Otherwise(today.clone()),
        today if today.is_some() == present => CurrentValue::AsMeant,
        _ => CurrentValue::AsBefore,
    }
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_switches() -> Vec<Switch> {
        let ingress = [
            Ingress::All,
            Ingress::Internal,
            Ingress::InternalAndLoadBalancing,
            Ingress::None,
            Ingress::Other("moon".to_owned()),
        ];
        let on_off = [Switch::DefaultUrl, Switch::Iap, Switch::InvokerCheck];
        let on_off = on_off.into_iter().flat_map(|switch| [true, false].map(switch));
        ingress.into_iter().map(Switch::Ingress).chain(on_off).collect()
    }

    #[test]
    fn what_is_set_is_what_is_read() {
        let service = Service::sample();
        for switch in all_switches() {
            let after = switch.set(&service);
            assert_eq!(switch.today(&after), switch);
            assert_eq!(Switch::parse(switch.name(), switch.value()), Some(switch.clone()));
            assert_eq!(Turn::of(&after, switch), None);
        }
        for (name, value) in [("labels", "on"), ("iap", "moon"), ("invokerCheck", ""), ("", "on")] {
            assert_eq!(Switch::parse(name, value), None, "{name} {value}");
        }
        for (narrow, wide) in [
            (Switch::Ingress(Ingress::Internal), Switch::Ingress(Ingress::All)),
            (Switch::Ingress(Ingress::None), Switch::Ingress(Ingress::Internal)),
            (
                Switch::Ingress(Ingress::Internal),
                Switch::Ingress(Ingress::InternalAndLoadBalancing),
            ),
            (Switch::DefaultUrl(false), Switch::DefaultUrl(true)),
            (Switch::Iap(true), Switch::Iap(false)),
            (Switch::InvokerCheck(true), Switch::InvokerCheck(false)),
        ] {
            let turn = Setting::Switch(Turn { from: narrow, to: wide });
            assert!(turn.opens() && !turn.inverse().opens(), "{turn:?}");
        }
    }

    #[test]
    fn what_is_written_of_a_setting_is_read_back() {
        let service = Service::sample();
        let turned = all_switches().into_iter().filter_map(|to| Turn::of(&service, to));
        let mut all: Vec<Setting> = turned.map(Setting::Switch).collect();
        for present in [true, false] {
            let value = || "x".to_owned();
            all.extend([
                Setting::Account { address: value(), present },
                Setting::CustomAudience { audience: value(), present },
                Setting::DomainMapping { service: value(), present },
            ]);
        }
        for setting in all {
            let (before, after) = setting.values();
            assert_eq!(Setting::parse(setting.name(), before, after), Some(setting.clone()));
            assert_eq!(setting.inverse().inverse(), setting);
            assert_eq!(setting.inverse().values(), (after, before));
        }
        assert_eq!(Setting::parse("labels", Some("a"), Some("b")), None);
        assert_eq!(Setting::parse("customAudience", Some("a"), Some("b")), None);
        assert_eq!(Setting::parse("iap", Some("on"), None), None);
    }

    #[test]
    fn what_is_found_of_a_setting() {
        let audience = |text: &str, present| {
            let audience = text.to_owned();
            Setting::CustomAudience { audience, present }
        };
        let mut service = Service::sample();
        service.custom_audiences = vec!["https://a".to_owned(), "https://b".to_owned()];
        for (setting, today) in [
            (audience("https://a", true), CurrentValue::AsMeant),
            (audience("https://c", true), CurrentValue::AsBefore),
            (audience("https://c", false), CurrentValue::AsMeant),
            (audience("https://b", false), CurrentValue::AsBefore),
        ] {
            assert_eq!(setting.today(Some(&service), None), Some(today), "{setting:?}");
        }
        let mapping = Setting::DomainMapping { service: "orders".to_owned(), present: true };
        let leads_to =
            |service: &str| Existing::Mapping { service: service.to_owned(), uid: "u".to_owned() };
        assert_eq!(mapping.today(None, None), None);
        assert_eq!(mapping.today(None, Some(&Existing::Nothing)), Some(CurrentValue::AsBefore));
        assert_eq!(mapping.today(None, Some(&leads_to("orders"))), Some(CurrentValue::AsMeant));
        assert_eq!(
            mapping.inverse().today(None, Some(&Existing::Nothing)),
            Some(CurrentValue::AsMeant)
        );
        let other = CurrentValue::Otherwise("hello".to_owned());
        assert_eq!(mapping.today(None, Some(&leads_to("hello"))), Some(other));
    }
}
