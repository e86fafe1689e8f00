//! What a principal must hold to use a resource.

use std::fmt;

use super::deny::DenyRule;

/// What a resource asks of its users: one permission, or one of two of which Google does not say
/// which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permission<'a> {
    name: &'a str,
    or: Option<&'a str>,
}

/// How a deny rule bears on what is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    Whole,
    /// It names one of the two permissions of which one is asked.
    Perhaps,
    No,
}

impl<'a> Permission<'a> {
    /// One permission, by the name that IAM has for it.
    pub const fn new(name: &'a str) -> Self {
        Self { name, or: None }
    }

    /// One of two, and it is not known which.
    pub const fn either(name: &'a str, or: &'a str) -> Self {
        Self { name, or: Some(or) }
    }

    /// IAM's name; of two the first.
    pub fn as_str(self) -> &'a str {
        self.name
    }

    /// IAM's names of what is, or may be, asked.
    pub fn names(self) -> impl Iterator<Item = &'a str> {
        std::iter::once(self.name).chain(self.or)
    }

    /// Whether it is one of two.
    pub fn is_either(self) -> bool {
        self.or.is_some()
    }

    /// Whether what holds these permissions, as `holds` says of one, holds what is asked. `None`
    /// if it cannot be told: it is not known of one of them, or it holds one of two.
    pub fn held(self, holds: impl Fn(&str) -> Option<bool>) -> Option<bool> {
        let first = holds(self.name);
        match self.or.map(&holds) {
            None => first,
            Some(second) => first.filter(|_| first == second),
        }
    }

    /// Each of two, if it is one of two.
    pub fn each(self) -> Option<[Self; 2]> {
        self.or.map(|or| [Self::new(self.name), Self::new(or)])
    }

    /// How a rule bears on it.
    pub fn denied_by(self, rule: &DenyRule) -> Coverage {
        match self.held(|name| Some(rule.covers(name))) {
            Some(true) => Coverage::Whole,
            Some(false) => Coverage::No,
            None => Coverage::Perhaps,
        }
    }
}

impl<'a> From<&'a str> for Permission<'a> {
    fn from(name: &'a str) -> Self {
        Self::new(name)
    }
}

impl fmt::Display for Permission<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.or {
            None => f.write_str(self.name),
            Some(or) => write!(f, "{} or {or}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_two_is_held_only_if_both_are() {
        let asked = Permission::either("a", "b");
        let holds = |held: &'static [&'static str]| move |name: &str| Some(held.contains(&name));
        assert_eq!(asked.held(holds(&["a", "b"])), Some(true));
        assert_eq!(asked.held(holds(&["a"])), None);
        assert_eq!(asked.held(holds(&["b"])), None);
        assert_eq!(asked.held(holds(&[])), Some(false));
        assert_eq!(asked.held(|_| None), None);
        assert_eq!(Permission::new("a").held(holds(&["a"])), Some(true));
        assert_eq!(Permission::new("a").held(|_| None), None);
    }
}
