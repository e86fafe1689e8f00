//! The commands that change something.

use super::setting::SwitchKind;

/// The command that a change came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    AudienceAdd,
    AudienceRemove,
    Connect,
    DomainMap,
    DomainUnmap,
    Grant,
    MakePrivate,
    MakePublic,
    Restore,
    Revoke,
    /// The command of a switch.
    Turn(SwitchKind),
    Undo,
}

impl Action {
    /// Whether it opens or closes a service as a whole, rather than for somebody.
    pub fn is_about_everyone(self) -> bool {
        matches!(self, Self::MakePrivate | Self::MakePublic | Self::Turn(_))
    }

    /// All of them, by their names.
    pub fn all() -> Vec<Self> {
        let others = [
            Self::AudienceAdd,
            Self::AudienceRemove,
            Self::Connect,
            Self::DomainMap,
            Self::DomainUnmap,
            Self::Grant,
            Self::MakePrivate,
            Self::MakePublic,
            Self::Restore,
            Self::Revoke,
            Self::Undo,
        ];
        let mut all: Vec<Self> =
            others.into_iter().chain(SwitchKind::ALL.map(Self::Turn)).collect();
        all.sort_by_key(|action| action.as_str());
        all
    }

    /// The command's name; of one that has several, with the word that says which.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AudienceAdd => "audience-add",
            Self::AudienceRemove => "audience-remove",
            Self::Connect => "connect",
            Self::DomainMap => "domains-map",
            Self::DomainUnmap => "domains-unmap",
            Self::Grant => "grant",
            Self::MakePrivate => "make-private",
            Self::MakePublic => "make-public",
            Self::Restore => "restore",
            Self::Revoke => "revoke",
            Self::Turn(switch) => switch.command(),
            Self::Undo => "undo",
        }
    }

    /// The command of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|action| action.as_str() == name)
    }
}
