//! Cloud Run Admin API v1: services, their revisions, routes and configurations, domain mappings,
//! jobs and their executions. A view of what v2 keeps; what is written through either is read through
//! the other.
//!
//! A resource is found below `projects/P/locations/R` on any host, and below `namespaces/P` on a
//! region's own host name (discovery document); the global host lists the namespaces' of every
//! region.

mod annotations;
mod body;
pub(crate) mod domains;
mod jobs;
mod lists;
mod reads;
mod selector;
mod template;
mod view;
mod workloads;
mod writes;

pub(crate) use self::body::LEFTOVERS;
pub(crate) use self::jobs::{
    create as create_job, delete as delete_job, delete_execution, get as get_job, get_execution,
    get_task, replace as replace_job, run as run_job,
};
pub(crate) use self::lists::{
    list_configurations, list_domains, list_executions, list_jobs, list_revisions, list_routes,
    list_services, list_tasks,
};
pub(crate) use self::reads::{
    authorized_domains, get_configuration, get_revision, get_route, get_service, locations,
};
pub(crate) use self::view::{
    execution as show_execution, job as show_job, revision as show_revision,
    service as show_service,
};
pub(crate) use self::workloads::{get as get_workload, list_all as list_workloads};
pub(crate) use self::writes::{
    create as create_service, delete as delete_service, delete_revision, keep_leftovers,
    replace as replace_service,
};
use crate::dialect::pages::PageSize;

/// The size of a page if none is asked for. Whether the real API pages unasked is not known;
/// clients must follow `metadata.continue` either way.
const PAGE: PageSize = PageSize { usual: 1_000, most: 1_000 };
/// The label that every resource of v1 carries.
const LOCATION_LABEL: &str = "cloud.googleapis.com/location";
const SERVICE_LABEL: &str = "serving.knative.dev/service";
