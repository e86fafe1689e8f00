//! The APIs, one file each, behind one table of methods.

mod assets;
mod boundaries;
pub(crate) mod call;
pub(crate) mod custom_roles;
pub(crate) mod deny_policies;
pub(crate) mod dns;
mod executions;
mod filter;
pub(crate) mod functions;
pub(crate) mod groups;
mod iam;
mod iam_credentials;
mod iap;
pub(crate) mod job_place;
pub(crate) mod jobs;
mod methods;
mod older_resource_manager;
mod operations;
pub(crate) mod org_policy;
mod policy_check;
mod resource_manager;
mod roles;
pub(crate) mod router;
#[cfg(test)]
mod rules;
pub(crate) mod run_v1;
mod service_account_keys;
mod service_accounts;
pub(crate) mod service_body;
mod service_check;
mod service_usage;
mod services;
pub(crate) mod tags;
pub(crate) mod workloads;
