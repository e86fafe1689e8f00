//! Options of a change, whatever it changes.

/// How a change is carried out, whatever it is.
#[derive(Clone, Debug)]
pub struct ChangeOptions {
    /// Whether the plan is shown and nothing is done.
    pub only_show: bool,
    /// How many resources must change, neither more nor fewer.
    pub expect: Option<usize>,
    /// Whether even a change that need not be confirmed is asked about.
    pub always_ask: bool,
    /// Whether the change is written into the journal first.
    pub journal: bool,
    /// Why it is made, for the journal.
    pub reason: Option<String>,
    /// When the effect is judged by everything that can be read.
    pub verify: Verify,
    pub remarks: Remarks,
}

/// What a command says of its change beside the plan.
#[derive(Clone, Debug, Default)]
pub struct Remarks {
    /// What the plan's reader should know of how the targets or members came about.
    pub notes: Vec<String>,
    pub warnings: Vec<String>,
    /// The command that goes another way if an organisation policy forbids this one.
    pub other_way: Option<String>,
    /// The command that may be meant if a change cannot be undone.
    pub may_be_meant: Option<String>,
}

/// When what a change comes to is judged by everything that bears on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    Always,
    Never,
    /// For a few services, and no longer than a second.
    #[default]
    OnATerminal,
}
