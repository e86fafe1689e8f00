//! Options of all changes.

/// How a change is carried out.
#[derive(Clone, Debug)]
pub struct ChangeOptions {
    /// Whether to show the plan only.
    pub only_show: bool,
    /// The exact number of resources that must change.
    pub expect: Option<usize>,
    /// Whether to ask even if the change needs no confirmation.
    pub always_ask: bool,
    /// Whether to record the change in the journal.
    pub journal: bool,
    /// The reason, for the journal.
    pub reason: Option<String>,
    /// When to determine the effect from everything that can be read.
    pub verify: Verify,
    pub remarks: Remarks,
}

/// What a command adds to the plan.
#[derive(Clone, Debug, Default)]
pub struct Remarks {
    /// How the targets or members were determined.
    pub notes: Vec<String>,
    pub warnings: Vec<String>,
    /// The alternative command if an organization policy forbids this one.
    pub other_way: Option<String>,
    /// The command that the user may have meant if a change cannot be undone.
    pub may_be_meant: Option<String>,
}

/// When to determine the effect of a change from everything that affects it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    Always,
    Never,
    /// For a few services, and for at most a second.
    #[default]
    OnATerminal,
}
