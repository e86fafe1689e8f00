//! The commands that change something.

/// The command that a change came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    AudienceAdd,
    AudienceRemove,
    Connect,
    DefaultUrl,
    DomainMap,
    DomainUnmap,
    Grant,
    Iap,
    Ingress,
    InvokerCheck,
    MakePrivate,
    MakePublic,
    Restore,
    Revoke,
    Undo,
}

impl Action {
    /// Whether it opens or closes a service as a whole, rather than for somebody.
    pub fn is_about_everyone(self) -> bool {
        matches!(
            self,
            Self::DefaultUrl
                | Self::Iap
                | Self::Ingress
                | Self::InvokerCheck
                | Self::MakePrivate
                | Self::MakePublic
        )
    }

    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::AudienceAdd,
        Self::AudienceRemove,
        Self::Connect,
        Self::DefaultUrl,
        Self::DomainMap,
        Self::DomainUnmap,
        Self::Grant,
        Self::Iap,
        Self::Ingress,
        Self::InvokerCheck,
        Self::MakePrivate,
        Self::MakePublic,
        Self::Restore,
        Self::Revoke,
        Self::Undo,
    ];

    /// The command's name; of one that has several, with the word that says which.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AudienceAdd => "audience-add",
            Self::AudienceRemove => "audience-remove",
            Self::Connect => "connect",
            Self::DefaultUrl => "default-url",
            Self::DomainMap => "domains-map",
            Self::DomainUnmap => "domains-unmap",
            Self::Grant => "grant",
            Self::Iap => "iap",
            Self::Ingress => "ingress",
            Self::InvokerCheck => "invoker-check",
            Self::MakePrivate => "make-private",
            Self::MakePublic => "make-public",
            Self::Restore => "restore",
            Self::Revoke => "revoke",
            Self::Undo => "undo",
        }
    }

    /// The command of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == name)
    }
}
