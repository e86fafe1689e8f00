//! An embedded Cloud Run: the Admin API over HTTP on a store of its own, with what surrounds it
//! (Resource Manager, IAM, Identity-Aware Proxy, organisation policies, groups), and faults on request.
//!
//! It knows nothing of this program's clients; any client of Cloud Run can speak to it. Services
//! are kept as the JSON of Run v2, of which Run v1 is a view. Facts of Google's that are not
//! certain are marked where they are used and listed in `docs/sandbox.md`.

mod api_error;
mod authority;
mod boundaries;
mod connection;
mod custom_roles;
mod deny_policies;
mod dns;
mod facts;
mod faults;
mod front;
mod functions;
mod groups;
mod iam;
mod iap;
mod jobs;
mod names;
mod older_resource_manager;
mod operations;
mod options;
mod org_policy;
mod pages;
mod partial;
mod permission;
mod policy_check;
mod query;
mod resource_manager;
mod roles;
mod router;
mod run_v1;
mod run_v2;
mod schema;
mod seed;
mod server;
mod service_accounts;
mod service_body;
mod service_check;
mod service_usage;
mod settings;
mod store;
mod tags;
mod tls;
mod tokens;
mod wire;
mod world;

pub use self::faults::{FaultError, FaultSpec, Faults};
pub use self::options::{Backend, BackendError, Options};
pub use self::seed::DEFAULT_ACCOUNT;
pub use self::seed::DEFAULT_PROJECT;
pub use self::seed::HOME_REGION;

/// The port that it is served on if none is said.
pub const DEFAULT_PORT: u16 = 8787;
pub use self::server::{Serving, serve};
pub use self::settings::{SETTINGS, Setting, SettingError, Settings, check_setting};
pub use self::store::{Sandbox, SetAside, StoreError};
pub use self::tokens::REFRESH_TOKEN;
pub use self::world::ProjectSummary;
