//! What signs: the sandbox's issuer, and keys.

pub(crate) mod issuer;
pub(crate) mod keys;
