//! The documented exit codes.

/// How the program ends, as scripts see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExitCode {
    /// Done, or nothing to do.
    Done,
    /// Failed for a reason that has no code of its own.
    Failed,
    /// The command line is wrong, or a confirmation is missing.
    Usage,
    /// The answer is no: denied, findings, or something would change.
    No,
    /// No credentials, or none that are good.
    NotAuthenticated,
    /// Refused by Google: a permission or an organisation policy.
    Refused,
    /// The thing named does not exist.
    NotFound,
    /// A conflict, or what is there is not what was expected.
    Conflict,
    /// Partly done, or part could not be read.
    Partial,
    /// The answer cannot be determined.
    Undetermined,
    /// The program that was to be run could not be started.
    NotStarted,
    /// Cancelled by the user.
    Cancelled,
}

impl ExitCode {
    /// Every code, in the order of its number.
    pub const ALL: [Self; 12] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::No,
        Self::NotAuthenticated,
        Self::Refused,
        Self::NotFound,
        Self::Conflict,
        Self::Partial,
        Self::Undetermined,
        Self::NotStarted,
        Self::Cancelled,
    ];

    /// The number that the shell sees.
    pub fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::No => 3,
            Self::NotAuthenticated => 4,
            Self::Refused => 5,
            Self::NotFound => 6,
            Self::Conflict => 7,
            Self::Partial => 8,
            Self::Undetermined => 9,
            Self::NotStarted => 125,
            Self::Cancelled => 130,
        }
    }

    /// What it means, in a line.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done, or nothing to do",
            Self::Failed => "failed",
            Self::Usage => "usage, or confirmation missing",
            Self::No => "the answer is no (denied, findings, would change)",
            Self::NotAuthenticated => "not authenticated",
            Self::Refused => "refused by Google (permission, organisation policy)",
            Self::NotFound => "not found",
            Self::Conflict => "conflict, or not what was expected",
            Self::Partial => "partly done, or part could not be read",
            Self::Undetermined => "undetermined",
            Self::NotStarted => {
                "`curl` or the program of `proxy` was not started (else its own code counts)"
            }
            Self::Cancelled => "cancelled",
        }
    }

    /// The code of a whole of several parts: theirs where all agree, else `Partial`.
    pub fn of_all(codes: impl IntoIterator<Item = u8>) -> u8 {
        let mut codes = codes.into_iter();
        let Some(first) = codes.next() else {
            return Self::Done.number();
        };
        if codes.all(|code| code == first) { first } else { Self::Partial.number() }
    }
}

#[cfg(test)]
mod tests {
    use super::ExitCode;

    #[test]
    fn a_whole_has_the_code_of_its_parts_or_is_partial() {
        assert_eq!(ExitCode::of_all([]), 0);
        assert_eq!(ExitCode::of_all([5, 5]), 5);
        assert_eq!(ExitCode::of_all([0, 0]), 0);
        assert_eq!(ExitCode::of_all([0, 5]), 8);
        assert_eq!(ExitCode::of_all([6, 5]), 8);
    }
}
