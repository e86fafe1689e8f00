//! The rules of access to a Cloud Run service: pure, synchronous, without I/O, clock or client.
//!
//! A policy is a type of its own that keeps the fields it does not know, so that one which is read, edited
//! and written back loses nothing. Of Google's crates none is named here.

/// Writes each of these types in JSON as the word that its `as_str` gives, so that a word is spelled once.
macro_rules! serialized_as_words {
    ($($name:ident),+) => {$(
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.as_str())
            }
        }
    )+};
}

pub mod access;
pub mod action;
pub mod address;
pub mod boundary;
pub mod caller;
pub mod condition;
pub mod constraint;
pub mod deny;
pub mod diagnosis;
pub mod difference;
pub mod effect;
pub mod error;
pub mod evidence;
pub mod exit_code;
pub mod exposure;
pub mod graph;
pub mod history;
pub mod invokers;
pub mod mapping;
pub mod member;
pub mod nearest;
pub mod outcome;
pub mod permission;
pub mod plan;
pub mod policy;
pub mod principal;
pub mod printable;
pub mod resource;
pub mod role;
pub mod service;
pub mod service_name;
pub mod setting;
pub mod snapshot;
pub mod target;
pub mod ways_in;
