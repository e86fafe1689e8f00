//! What is kept, and what is read of it.

pub(crate) mod account_keys;
pub(crate) mod accounts;
pub(crate) mod boundaries;
pub(crate) mod deny;
pub(crate) mod facts;
pub(crate) mod groups;
pub(crate) mod home;
pub(crate) mod iap;
pub(crate) mod memory;
pub(crate) mod policies;
pub(crate) mod roles;
pub(crate) mod stamps;
pub(crate) mod store;
pub(crate) mod tags;
pub(crate) mod world;
