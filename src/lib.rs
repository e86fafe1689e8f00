//! `runaccess`: who may invoke a Google Cloud Run service.

pub mod domain;
