//! An embedded Cloud Run: the Admin API over HTTP on a store of its own, with what surrounds it
//! (Resource Manager, IAM, Identity-Aware Proxy, organisation policies, groups), and faults on request.
//!
//! It knows nothing of this program's clients; any client of Cloud Run can speak to it. Services
//! are kept as the JSON of Run v2, of which Run v1 is a view. Facts of Google's that are not
//! certain are marked where they are used and listed in `docs/sandbox.md`.
//!
//! Its floors, each of which knows those before it alone: `dialect` (the wire), `signing`, `records`
//! (what is kept), `authority` (who may do what), `tokens`, `api` (one file an API, behind one table
//! of methods), then the seeded world, the front end and the server.

mod api;
mod authority;
mod connection;
mod dialect;
mod faults;
mod front;
mod options;
mod records;
mod request;
mod seed;
mod server;
mod settings;
mod signing;
mod tls;
mod tokens;

pub use self::faults::{FaultError, FaultSpec, Faults};
pub use self::options::{Backend, BackendError, Options};
pub use self::records::home::{DEFAULT_ACCOUNT, DEFAULT_PROJECT, HOME_REGION};
pub use self::records::store::{Sandbox, SetAside, StoreError};
pub use self::records::world::ProjectSummary;
pub use self::server::{Serving, serve};
pub use self::settings::{SETTINGS, Setting, SettingError, Settings, check_setting};
pub use self::tokens::REFRESH_TOKEN;

/// The port that it is served on if none is said.
pub const DEFAULT_PORT: u16 = 8787;
