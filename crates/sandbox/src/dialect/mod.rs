//! Google's JSON dialect: errors, methods, parameters, pages, masks, messages, names.

pub(crate) mod api_error;
pub(crate) mod method;
pub(crate) mod names;
pub(crate) mod pages;
pub(crate) mod partial;
pub(crate) mod query;
pub(crate) mod schema;
pub(crate) mod wire;
