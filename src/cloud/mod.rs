//! Google's APIs as this program uses them. Alone names the API clients; never prints.
//!
//! Every read goes over one lean `transport`: `gateway` reads one service whole, and alone writes,
//! by the official client; `fleet` reads many with few bytes, and what it yields cannot be planned
//! on; `above` and `evidence` read what else bears on who may invoke.

mod above;
mod api;
mod constraints;
mod convert;
mod deadline;
mod evidence;
mod failure;
mod fleet;
mod gateway;
mod memo;
mod metadata;
mod reading;
mod retry;
mod wire;

pub use self::above::{Above, why};
pub use self::api::{Api, Endpoints};
pub use self::deadline::Deadline;
pub use self::evidence::For;
pub use self::failure::{Failure, FailureKind};
pub use self::fleet::{DomainMapping, Listing, ServiceAccess, Unreadable};
pub use self::gateway::{Gateway, Trace, TraceLine};
pub use self::metadata::project_id;
