//! Arguments and options of several commands, and their evaluation.

pub(in crate::commands) mod complete;
pub(in crate::commands) mod global;
pub(in crate::commands) mod limits;
pub(in crate::commands) mod members;
pub(in crate::commands) mod times;
pub(in crate::commands) mod wait;
pub(in crate::commands) mod write;
