//! The predefined roles that hold a permission of Cloud Run: a dump of all 2,461 predefined roles of
//! 2026-08-22.

use super::{RoleInfo, Stage};

/// What each of them holds of Cloud Run, a line a role, without the leading `run.`.
const PERMISSIONS: &str = include_str!("permissions.txt");

/// When the tables were taken.
pub const TAKEN: &str = "2026-08-22";

/// What a role of the table holds of Cloud Run's permissions, without the leading `run.`.
pub fn run_permissions(role: &str) -> impl Iterator<Item = &'static str> {
    let line = every_role().find(|(name, _)| *name == role);
    line.into_iter().flat_map(|(_, held)| held)
}

/// Every role of the table, each with the same.
pub fn every_role()
-> impl Iterator<Item = (&'static str, impl Iterator<Item = &'static str> + Clone)> {
    PERMISSIONS.lines().filter_map(|line| {
        let (role, held) = line.split_once(' ')?;
        Some((role, held.split(' ')))
    })
}

const fn role(
    name: &'static str,
    title: &'static str,
    stage: Stage,
    invokes: bool,
    can_grant: bool,
) -> RoleInfo {
    RoleInfo { name, title, stage, invokes, can_grant }
}

/// Every predefined role that holds a permission of Cloud Run, by name.
#[rustfmt::skip]
pub const ROLES: [RoleInfo; 51] = [
    role("roles/aiplatform.serviceAgent", "Vertex AI Service Agent", Stage::Ga, true, false),
    role("roles/ces.serviceAgent", "Customer Engagement Suite Service Agent", Stage::Ga, true, false),
    role("roles/cloudfunctions.admin", "Cloud Functions Admin", Stage::Ga, true, true),
    role("roles/cloudfunctions.developer", "Cloud Functions Developer", Stage::Ga, true, false),
    role("roles/cloudfunctions.editor", "Cloud Functions Editor", Stage::Ga, true, false),
    role("roles/cloudfunctions.serviceAgent", "(Deprecated) Cloud Functions Service Agent", Stage::Ga, true, false),
    role("roles/cloudfunctions.viewer", "Cloud Functions Viewer", Stage::Ga, false, false),
    role("roles/dialogflow.serviceAgent", "Dialogflow Service Agent", Stage::Ga, true, false),
    role("roles/dlp.orgdriver", "DLP Organization Data Profiles Driver", Stage::Ga, false, false),
    role("roles/dlp.projectdriver", "DLP Project Data Profiles Driver", Stage::Ga, false, false),
    role("roles/editor", "Editor", Stage::Ga, true, false),
    role("roles/eventarc.serviceAgent", "Eventarc Service Agent", Stage::Ga, false, false),
    role("roles/firebase.admin", "Firebase Admin", Stage::Ga, true, true),
    role("roles/firebase.developAdmin", "Firebase Develop Admin", Stage::Ga, true, true),
    role("roles/firebase.developViewer", "Firebase Develop Viewer", Stage::Ga, false, false),
    role("roles/firebase.editor", "Firebase Editor", Stage::Ga, false, false),
    role("roles/firebase.viewer", "Firebase Viewer", Stage::Ga, false, false),
    role("roles/firebaseapphosting.serviceAgent", "Firebase App Hosting Service Agent", Stage::Ga, true, false),
    role("roles/firebasedataconnect.serviceAgent", "Firebase Data Connect Service Agent", Stage::Ga, true, false),
    role("roles/firebasemods.serviceAgent", "Firebase Extensions API Service Agent", Stage::Ga, false, true),
    role("roles/iam.dataScientist", "Data Scientist", Stage::Ga, true, false),
    role("roles/iam.devOps", "Dev Ops", Stage::Ga, true, false),
    role("roles/iam.mlEngineer", "ML Engineer", Stage::Ga, true, false),
    role("roles/iam.securityAdmin", "Security Admin", Stage::Ga, false, true),
    role("roles/iam.securityAuditor", "Security Auditor", Stage::Ga, false, false),
    role("roles/iam.securityReviewer", "Security Reviewer", Stage::Ga, false, false),
    role("roles/iam.siteReliabilityEngineer", "Site Reliability Engineer", Stage::Ga, false, false),
    role("roles/iam.supportUser", "Support User", Stage::Ga, false, false),
    role("roles/integrations.serviceAgent", "Application Integration Service Agent", Stage::Ga, true, false),
    role("roles/monitoring.notificationServiceAgent", "Monitoring Service Agent", Stage::Ga, true, false),
    role("roles/owner", "Owner", Stage::Ga, true, true),
    role("roles/resourcemanager.tagUser", "Tag User", Stage::Ga, false, false),
    role("roles/resourcemanager.tagViewer", "Tag Viewer", Stage::Ga, false, false),
    role("roles/run.admin", "Cloud Run Admin", Stage::Ga, true, true),
    role("roles/run.developer", "Cloud Run Developer", Stage::Ga, true, false),
    role("roles/run.editor", "Cloud Run Editor", Stage::Ga, true, false),
    role("roles/run.invoker", "Cloud Run Invoker", Stage::Ga, true, false),
    role("roles/run.jobsExecutor", "Cloud Run Jobs Executor", Stage::Ga, false, false),
    role("roles/run.jobsExecutorWithOverrides", "Cloud Run Jobs Executor With Overrides", Stage::Ga, false, false),
    role("roles/run.serviceAgent", "Cloud Run Service Agent", Stage::Ga, true, false),
    role("roles/run.servicesInvoker", "Cloud Run Service Invoker", Stage::Ga, true, false),
    role("roles/run.sourceDeveloper", "Cloud Run Source Developer", Stage::Ga, true, false),
    role("roles/run.sourceViewer", "Cloud Run Source Viewer", Stage::Ga, false, false),
    role("roles/run.sshReader", "Cloud Run SSH Read Only", Stage::Beta, false, false),
    role("roles/run.sshRoot", "Cloud Run SSH Root Access", Stage::Beta, false, false),
    role("roles/run.viewer", "Cloud Run Viewer", Stage::Ga, false, false),
    role("roles/runapps.serviceAgent", "Serverless Integrations Service Agent", Stage::Ga, false, false),
    role("roles/serverless.serviceAgent", "Cloud Run Service Agent", Stage::Ga, true, false),
    role("roles/spanner.serviceAgent", "Cloud Spanner API Service Agent", Stage::Ga, true, false),
    role("roles/viewer", "Viewer", Stage::Ga, false, false),
    role("roles/visionai.serviceAgent", "Cloud Vision AI Service Agent", Stage::Ga, true, false),
];
