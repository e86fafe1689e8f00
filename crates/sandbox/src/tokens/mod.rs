//! Tokens of the sandbox's own issuer: real JWTs signed by RS256, whose keys persist. What Google
//! has for it: the token endpoint, the Security Token Service, the metadata server, and the keys in
//! public.

mod endpoints;
mod judge;
mod metadata;

pub use self::endpoints::REFRESH_TOKEN;
pub(crate) use self::endpoints::{answer, is_for_issuer};
pub(crate) use self::judge::{bearer, caller};
pub(crate) use self::metadata::{is_for_metadata, metadata};
