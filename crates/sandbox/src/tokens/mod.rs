//! Tokens of the sandbox's own issuer: real JWTs signed by RS256, whose keys persist. What Google
//! has for it: the token endpoint, the Security Token Service, IAM Credentials, the metadata
//! server, and the keys in public.

mod endpoints;
mod iam_credentials;
mod issuer;
mod judge;
mod keys;
mod metadata;
mod service_account_keys;

pub use self::endpoints::REFRESH_TOKEN;
pub(super) use self::endpoints::{answer, is_for_issuer};
pub(super) use self::iam_credentials::{VERBS, verb};
pub(super) use self::issuer::{Claims, Issuer, TokenFault, check_times};
pub(super) use self::judge::{bearer, caller};
pub(super) use self::metadata::{is_for_metadata, metadata};
pub(super) use self::service_account_keys::{keys_of, signed_by_key};
