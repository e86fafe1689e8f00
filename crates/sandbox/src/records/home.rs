//! What the seeded world is used by if nothing else is said.

/// The account that acts if none is named.
pub const DEFAULT_ACCOUNT: &str = "you@example.com";

/// The project that is used if none is named.
pub const DEFAULT_PROJECT: &str = "sandbox-project";

/// The region that most of the seeded services are in.
pub const HOME_REGION: &str = "us-central1";
