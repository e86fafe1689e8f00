//! The methods that the sandbox has: one row each, with the permission that it needs, on what, and the
//! function that answers it. Paths, parameters and bodies are those of the discovery documents, by the
//! method's name. A method that the documents list and that has no row here is answered 501.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::call::{Answer, Call};
use super::{
    assets, boundaries, custom_roles, deny_policies, executions, functions, groups,
    iam_credentials, iap, jobs, older_resource_manager as older, operations, org_policy,
    resource_manager, roles, run_v1, service_account_keys as keys, service_accounts, service_usage,
    services, tags, workloads,
};

/// What a method needs of who calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing, or what the method finds out by itself: it names what it is about in its body or
    /// parameters, or is about who calls.
    Own,
    /// This permission on the project, folder or organization that the path begins with.
    Holder(&'static str),
    /// This permission on what the path names.
    Resource(&'static str),
}

use self::Needs::{Holder, Own, Resource};

/// A method that the sandbox has.
#[derive(Debug)]
pub(crate) struct Row {
    /// Its last name, such as `get`.
    name: &'static str,
    /// Whether it changes nothing.
    pub(crate) is_read: bool,
    pub(crate) needs: Needs,
    pub(crate) answer: fn(&Call<'_>) -> Answer,
}

const fn read(name: &'static str, needs: Needs, answer: fn(&Call<'_>) -> Answer) -> Row {
    Row { name, is_read: true, needs, answer }
}

const fn write(name: &'static str, needs: Needs, answer: fn(&Call<'_>) -> Answer) -> Row {
    Row { name, is_read: false, needs, answer }
}

/// The rows by the collection that they are of.
const ROWS: &[(&str, &[Row])] = &[
    // Cloud Run v2.
    (
        "run.v2.projects.locations.services",
        &[
            read("list", Holder("run.services.list"), services::list),
            read("get", Resource("run.services.get"), services::get),
            write("create", Holder("run.services.create"), services::create),
            write("patch", Resource("run.services.update"), services::patch),
            write("delete", Resource("run.services.delete"), services::delete),
            read("getIamPolicy", Resource("run.services.getIamPolicy"), services::policy),
            write("setIamPolicy", Resource("run.services.setIamPolicy"), services::policy),
            read("testIamPermissions", Own, services::policy),
        ],
    ),
    (
        "run.v2.projects.locations.services.revisions",
        &[
            read("list", Resource("run.revisions.list"), services::list_revisions),
            read("get", Resource("run.revisions.get"), services::get_revision),
            write("delete", Resource("run.revisions.delete"), services::delete_revision),
        ],
    ),
    (
        "run.v2.projects.locations.jobs",
        &[
            read("list", Holder("run.jobs.list"), jobs::list),
            read("get", Resource("run.jobs.get"), jobs::get),
            write("create", Holder("run.jobs.create"), jobs::create),
            write("patch", Resource("run.jobs.update"), jobs::patch),
            write("delete", Resource("run.jobs.delete"), jobs::delete),
            write("run", Resource("run.jobs.run"), jobs::run),
            read("getIamPolicy", Resource("run.jobs.getIamPolicy"), jobs::policy),
            write("setIamPolicy", Resource("run.jobs.setIamPolicy"), jobs::policy),
            read("testIamPermissions", Own, jobs::policy),
        ],
    ),
    (
        "run.v2.projects.locations.jobs.executions",
        &[
            read("list", Resource("run.executions.list"), executions::list),
            read("get", Resource("run.executions.get"), executions::get),
            write("delete", Resource("run.executions.delete"), executions::delete),
            write("cancel", Resource("run.executions.cancel"), executions::cancel),
        ],
    ),
    (
        "run.v2.projects.locations.jobs.executions.tasks",
        &[
            read("list", Resource("run.tasks.list"), executions::list_tasks),
            read("get", Resource("run.tasks.get"), executions::get_task),
        ],
    ),
    (
        "run.v2.projects.locations.instances",
        &[
            read("list", Holder("run.instances.list"), workloads::list),
            read("get", Resource("run.instances.get"), workloads::get),
            write("create", Holder("run.instances.create"), workloads::create),
            write("patch", Resource("run.instances.update"), workloads::patch),
            write("delete", Resource("run.instances.delete"), workloads::delete),
            write("start", Resource("run.instances.start"), workloads::turn),
            write("stop", Resource("run.instances.stop"), workloads::turn),
            read("getIamPolicy", Resource("run.instances.getIamPolicy"), workloads::policy),
            write("setIamPolicy", Resource("run.instances.setIamPolicy"), workloads::policy),
            read("testIamPermissions", Own, workloads::policy),
        ],
    ),
    (
        "run.v2.projects.locations.workerPools",
        &[
            read("list", Holder("run.workerpools.list"), workloads::list),
            read("get", Resource("run.workerpools.get"), workloads::get),
            write("create", Holder("run.workerpools.create"), workloads::create),
            write("patch", Resource("run.workerpools.update"), workloads::patch),
            write("delete", Resource("run.workerpools.delete"), workloads::delete),
            read("getIamPolicy", Resource("run.workerpools.getIamPolicy"), workloads::policy),
            write("setIamPolicy", Resource("run.workerpools.setIamPolicy"), workloads::policy),
            read("testIamPermissions", Own, workloads::policy),
        ],
    ),
    ("run.v2.projects.locations.operations", OPERATIONS),
    // Cloud Run v1.
    ("run.v1.projects.locations", &[read("list", Holder("run.locations.list"), run_v1::locations)]),
    // Which permission it takes stands nowhere.
    ("run.v1.projects.authorizeddomains", AUTHORIZED_DOMAINS),
    ("run.v1.projects.locations.authorizeddomains", AUTHORIZED_DOMAINS),
    ("run.v1.namespaces.authorizeddomains", AUTHORIZED_DOMAINS),
    ("run.v1.projects.locations.services", SERVICES_OF_V1),
    ("run.v1.namespaces.services", SERVICES_OF_V1),
    (
        "run.v1.projects.locations.services",
        &[
            read("getIamPolicy", Resource("run.services.getIamPolicy"), services::policy),
            write("setIamPolicy", Resource("run.services.setIamPolicy"), services::policy),
            read("testIamPermissions", Own, services::policy),
        ],
    ),
    ("run.v1.projects.locations.routes", ROUTES),
    ("run.v1.namespaces.routes", ROUTES),
    ("run.v1.projects.locations.configurations", CONFIGURATIONS),
    ("run.v1.namespaces.configurations", CONFIGURATIONS),
    ("run.v1.projects.locations.revisions", REVISIONS_OF_V1),
    ("run.v1.namespaces.revisions", REVISIONS_OF_V1),
    ("run.v1.projects.locations.domainmappings", DOMAIN_MAPPINGS),
    ("run.v1.namespaces.domainmappings", DOMAIN_MAPPINGS),
    (
        "run.v1.projects.locations.jobs",
        &[
            read("getIamPolicy", Resource("run.jobs.getIamPolicy"), jobs::policy),
            write("setIamPolicy", Resource("run.jobs.setIamPolicy"), jobs::policy),
            read("testIamPermissions", Own, jobs::policy),
        ],
    ),
    (
        "run.v1.namespaces.jobs",
        &[
            read("list", Holder("run.jobs.list"), run_v1::list_jobs),
            read("get", Resource("run.jobs.get"), run_v1::get_job),
            write("create", Holder("run.jobs.create"), run_v1::create_job),
            write("replaceJob", Resource("run.jobs.update"), run_v1::replace_job),
            write("delete", Resource("run.jobs.delete"), run_v1::delete_job),
            write("run", Resource("run.jobs.run"), run_v1::run_job),
        ],
    ),
    (
        "run.v1.namespaces.instances",
        &[
            read("list", Holder("run.instances.list"), run_v1::list_workloads),
            read("get", Resource("run.instances.get"), run_v1::get_workload),
        ],
    ),
    (
        "run.v1.namespaces.workerpools",
        &[
            read("list", Holder("run.workerpools.list"), run_v1::list_workloads),
            read("get", Resource("run.workerpools.get"), run_v1::get_workload),
        ],
    ),
    (
        "run.v1.namespaces.executions",
        &[
            read("list", Holder("run.executions.list"), run_v1::list_executions),
            read("get", Holder("run.executions.get"), run_v1::get_execution),
            write("delete", Holder("run.executions.delete"), run_v1::delete_execution),
        ],
    ),
    (
        "run.v1.namespaces.tasks",
        &[
            read("list", Holder("run.tasks.list"), run_v1::list_tasks),
            read("get", Holder("run.tasks.get"), run_v1::get_task),
        ],
    ),
    ("run.v1.projects.locations.operations", OPERATIONS),
    // Cloud Functions v2.
    (
        "cloudfunctions.v2.projects.locations.functions",
        &[
            read("list", Holder("cloudfunctions.functions.list"), functions::list),
            read("get", Holder("cloudfunctions.functions.get"), functions::get),
        ],
    ),
    // IAM v1.
    (
        "iam.v1.projects.serviceAccounts",
        &[
            read("list", Holder("iam.serviceAccounts.list"), service_accounts::list),
            read("get", Resource("iam.serviceAccounts.get"), service_accounts::get),
            write("create", Holder("iam.serviceAccounts.create"), service_accounts::create),
            write("patch", Resource("iam.serviceAccounts.update"), service_accounts::patch),
            write("update", Resource("iam.serviceAccounts.update"), service_accounts::update),
            write("delete", Resource("iam.serviceAccounts.delete"), service_accounts::delete),
            write("disable", Resource("iam.serviceAccounts.disable"), service_accounts::disable),
            write("enable", Resource("iam.serviceAccounts.enable"), service_accounts::enable),
            read("getIamPolicy", Resource(ACCOUNT_POLICY_GET), service_accounts::policy),
            write("setIamPolicy", Resource(ACCOUNT_POLICY_SET), service_accounts::policy),
            read("testIamPermissions", Own, service_accounts::policy),
            read("signBlob", Own, iam_credentials::sign_blob),
            read("signJwt", Own, iam_credentials::sign_jwt),
        ],
    ),
    (
        "iam.v1.projects.serviceAccounts.keys",
        &[
            read("list", Resource("iam.serviceAccountKeys.list"), keys::list),
            read("get", Resource("iam.serviceAccountKeys.get"), keys::get),
            write("create", Resource("iam.serviceAccountKeys.create"), keys::create),
            write("delete", Resource("iam.serviceAccountKeys.delete"), keys::delete),
        ],
    ),
    ("iam.v1.roles", &[read("list", Own, roles::list), read("get", Own, roles::get)]),
    ("iam.v1.projects.roles", CUSTOM_ROLES),
    ("iam.v1.organizations.roles", CUSTOM_ROLES),
    ("iam.v1.permissions", &[read("queryTestablePermissions", Own, roles::testable)]),
    // IAM Credentials v1: who may have a token is asked of each of a chain.
    (
        "iamcredentials.v1.projects.serviceAccounts",
        &[
            read("generateAccessToken", Own, iam_credentials::generate_access_token),
            read("generateIdToken", Own, iam_credentials::generate_id_token),
            read("signBlob", Own, iam_credentials::sign_blob),
            read("signJwt", Own, iam_credentials::sign_jwt),
        ],
    ),
    // IAM v2: the attachment point names what the permission is asked on.
    (
        "iam.v2.policies",
        &[
            read("listPolicies", Own, deny_policies::list),
            read("get", Own, deny_policies::get),
            write("createPolicy", Own, deny_policies::create),
            write("update", Own, deny_policies::update),
            write("delete", Own, deny_policies::delete),
        ],
    ),
    ("iam.v2.policies.operations", &[read("get", Own, deny_policies::get_operation)]),
    // IAM v3.
    (
        "iam.v3.organizations.locations.principalAccessBoundaryPolicies",
        &[
            read("list", Holder("iam.principalaccessboundarypolicies.list"), boundaries::list),
            read("get", Holder("iam.principalaccessboundarypolicies.get"), boundaries::get),
            write("create", Holder(BOUNDARY_CREATE), boundaries::create),
            write("delete", Holder(BOUNDARY_DELETE), boundaries::delete),
        ],
    ),
    ("iam.v3.organizations.locations.policyBindings", POLICY_BINDINGS),
    ("iam.v3.folders.locations.policyBindings", POLICY_BINDINGS),
    ("iam.v3.projects.locations.policyBindings", POLICY_BINDINGS),
    // Identity-Aware Proxy v1: the path names which of three kinds of resource is meant.
    (
        "iap.v1",
        &[
            read("getIamPolicy", Own, iap::policy),
            write("setIamPolicy", Own, iap::policy),
            read("testIamPermissions", Own, iap::policy),
        ],
    ),
    // Organisation Policy v2.
    ("orgpolicy.v2.projects.policies", ORG_POLICIES),
    ("orgpolicy.v2.folders.policies", ORG_POLICIES),
    ("orgpolicy.v2.organizations.policies", ORG_POLICIES),
    ("orgpolicy.v2.projects.constraints", CONSTRAINTS),
    ("orgpolicy.v2.folders.constraints", CONSTRAINTS),
    ("orgpolicy.v2.organizations.constraints", CONSTRAINTS),
    // Resource Manager v3. A parent is named in the body or a parameter.
    (
        "cloudresourcemanager.v3.projects",
        &[
            read("list", Own, resource_manager::list_projects),
            read("search", Own, resource_manager::search_projects),
            read("get", Holder("resourcemanager.projects.get"), resource_manager::get),
            write("create", Own, resource_manager::create_project),
        ],
    ),
    ("cloudresourcemanager.v3.projects", PROJECT_POLICIES),
    (
        "cloudresourcemanager.v3.folders",
        &[
            read("list", Own, resource_manager::list_folders),
            read("search", Own, resource_manager::search_folders),
            read("get", Holder("resourcemanager.folders.get"), resource_manager::get),
            write("create", Own, resource_manager::create_folder),
            write("delete", Holder(FOLDER_DELETE), resource_manager::delete_folder),
        ],
    ),
    ("cloudresourcemanager.v3.folders", FOLDER_POLICIES),
    (
        "cloudresourcemanager.v3.organizations",
        &[
            read("search", Own, resource_manager::search_organizations),
            read("get", Holder("resourcemanager.organizations.get"), resource_manager::get),
        ],
    ),
    ("cloudresourcemanager.v3.organizations", ORGANIZATION_POLICIES),
    ("cloudresourcemanager.v3.operations", OPERATIONS_ABOVE),
    ("cloudresourcemanager.v3.tagKeys", TAGS),
    ("cloudresourcemanager.v3.tagValues", TAGS),
    (
        "cloudresourcemanager.v3.tagBindings",
        &[
            read("list", Own, tags::list_bindings),
            write("create", Own, tags::create_binding),
            write("delete", Own, tags::delete_binding),
        ],
    ),
    ("cloudresourcemanager.v3.effectiveTags", &[read("list", Own, tags::list_effective)]),
    // Resource Manager v1 and v2.
    (
        "cloudresourcemanager.v1.projects",
        &[
            read("list", Own, older::list_projects),
            read("get", Holder("resourcemanager.projects.get"), older::get_project),
            write("create", Own, older::create_project),
            read("getAncestry", Holder("resourcemanager.projects.get"), older::get_ancestry),
        ],
    ),
    ("cloudresourcemanager.v1.projects", PROJECT_POLICIES),
    (
        "cloudresourcemanager.v1.organizations",
        &[
            read("search", Own, older::search_organizations),
            read("get", Holder("resourcemanager.organizations.get"), older::get_organization),
        ],
    ),
    ("cloudresourcemanager.v1.organizations", ORGANIZATION_POLICIES),
    ("cloudresourcemanager.v1.operations", OPERATIONS_ABOVE),
    (
        "cloudresourcemanager.v2.folders",
        &[
            read("list", Own, older::list_folders),
            read("search", Own, older::search_folders),
            read("get", Holder("resourcemanager.folders.get"), older::get_folder),
            write("create", Own, older::create_folder),
            write("delete", Holder(FOLDER_DELETE), older::delete_folder),
        ],
    ),
    ("cloudresourcemanager.v2.folders", FOLDER_POLICIES),
    // Cloud Identity v1: who may look into a group is no permission of IAM's.
    (
        "cloudidentity.v1.groups",
        &[
            read("list", Own, groups::list),
            read("lookup", Own, groups::lookup),
            read("get", Own, groups::get),
            write("create", Own, groups::create),
            write("delete", Own, groups::delete),
        ],
    ),
    (
        "cloudidentity.v1.groups.memberships",
        &[
            read("list", Own, groups::list_memberships),
            read("lookup", Own, groups::lookup_membership),
            read("get", Own, groups::get_membership),
            write("create", Own, groups::create_membership),
            write("delete", Own, groups::delete_membership),
            read("checkTransitiveMembership", Own, groups::check_transitive_membership),
            read("searchTransitiveMemberships", Own, groups::search_transitive_memberships),
            read("searchTransitiveGroups", Own, groups::search_transitive_groups),
            read("searchDirectGroups", Own, groups::search_direct_groups),
        ],
    ),
    // Cloud Asset Inventory v1: the permission rests on the kind of content.
    ("cloudasset.v1.assets", &[read("list", Own, assets::list)]),
    ("cloudasset.v1.effectiveIamPolicies", &[read("batchGet", Own, assets::effective_policies)]),
    (
        "cloudasset.v1",
        &[
            read("searchAllResources", Own, assets::search_resources),
            read("searchAllIamPolicies", Own, assets::search_policies),
            write("exportAssets", Own, assets::export),
        ],
    ),
    ("cloudasset.v1.operations", &[read("get", Own, assets::get_operation)]),
    // Service Usage.
    ("serviceusage.v1.services", SERVICE_USAGE),
    ("serviceusage.v1beta1.services", SERVICE_USAGE),
    (
        "serviceusage.v1.services",
        &[read("batchGet", Holder("serviceusage.services.get"), service_usage::batch_get)],
    ),
    (
        "serviceusage.v1beta1.services",
        &[write(
            "generateServiceIdentity",
            Holder("serviceusage.services.enable"),
            service_usage::generate_identity,
        )],
    ),
];

const ACCOUNT_POLICY_GET: &str = "iam.serviceAccounts.getIamPolicy";
const ACCOUNT_POLICY_SET: &str = "iam.serviceAccounts.setIamPolicy";
const BOUNDARY_CREATE: &str = "iam.principalaccessboundarypolicies.create";
const BOUNDARY_DELETE: &str = "iam.principalaccessboundarypolicies.delete";
const FOLDER_DELETE: &str = "resourcemanager.folders.delete";

const OPERATIONS: &[Row] = &[
    read("list", Holder("run.operations.list"), operations::list),
    read("get", Holder("run.operations.get"), operations::get),
    read("wait", Holder("run.operations.get"), operations::get),
    write("delete", Holder("run.operations.delete"), operations::delete),
];

const OPERATIONS_ABOVE: &[Row] = &[read("get", Own, operations::get_done)];

const AUTHORIZED_DOMAINS: &[Row] =
    &[read("list", Holder("run.services.list"), run_v1::authorized_domains)];

const SERVICES_OF_V1: &[Row] = &[
    read("list", Holder("run.services.list"), run_v1::list_services),
    read("get", Resource("run.services.get"), run_v1::get_service),
    write("create", Holder("run.services.create"), run_v1::create_service),
    write("replaceService", Resource("run.services.update"), run_v1::replace_service),
    write("delete", Resource("run.services.delete"), run_v1::delete_service),
];

const ROUTES: &[Row] = &[
    read("list", Holder("run.routes.list"), run_v1::list_routes),
    read("get", Holder("run.routes.get"), run_v1::get_route),
];

const CONFIGURATIONS: &[Row] = &[
    read("list", Holder("run.configurations.list"), run_v1::list_configurations),
    read("get", Holder("run.configurations.get"), run_v1::get_configuration),
];

const REVISIONS_OF_V1: &[Row] = &[
    read("list", Holder("run.revisions.list"), run_v1::list_revisions),
    read("get", Holder("run.revisions.get"), run_v1::get_revision),
    write("delete", Holder("run.revisions.delete"), run_v1::delete_revision),
];

/// No predefined role names a permission of domain mappings; they are taken to be a route's, to read,
/// and a service's, to write.
const DOMAIN_MAPPINGS: &[Row] = &[
    read("list", Holder("run.routes.list"), run_v1::list_domains),
    read("get", Holder("run.routes.get"), run_v1::domains::get),
    write("create", Holder("run.services.update"), run_v1::domains::create),
    write("delete", Holder("run.services.update"), run_v1::domains::delete),
];

const CUSTOM_ROLES: &[Row] = &[
    read("list", Holder("iam.roles.list"), custom_roles::list),
    read("get", Holder("iam.roles.get"), custom_roles::get),
    write("create", Holder("iam.roles.create"), custom_roles::create),
    write("patch", Holder("iam.roles.update"), custom_roles::patch),
    write("delete", Holder("iam.roles.delete"), custom_roles::delete),
    write("undelete", Holder("iam.roles.undelete"), custom_roles::undelete),
];

const POLICY_BINDINGS: &[Row] = &[
    read("list", Holder("iam.policybindings.list"), boundaries::list),
    read("get", Holder("iam.policybindings.get"), boundaries::get),
    write("create", Holder("iam.policybindings.create"), boundaries::create),
    write("delete", Holder("iam.policybindings.delete"), boundaries::delete),
];

const ORG_POLICIES: &[Row] = &[
    read("list", Holder("orgpolicy.policies.list"), org_policy::list),
    read("get", Holder("orgpolicy.policy.get"), org_policy::get),
    read("getEffectivePolicy", Holder("orgpolicy.policy.get"), org_policy::get_effective),
    write("create", Holder("orgpolicy.policies.create"), org_policy::create),
    write("patch", Holder("orgpolicy.policies.update"), org_policy::patch),
    write("delete", Holder("orgpolicy.policies.delete"), org_policy::delete),
];

const CONSTRAINTS: &[Row] =
    &[read("list", Holder("orgpolicy.constraints.list"), org_policy::list_constraints)];

const PROJECT_POLICIES: &[Row] = &[
    read("getIamPolicy", Holder("resourcemanager.projects.getIamPolicy"), resource_manager::policy),
    write(
        "setIamPolicy",
        Holder("resourcemanager.projects.setIamPolicy"),
        resource_manager::policy,
    ),
    read("testIamPermissions", Own, resource_manager::policy),
];

const FOLDER_POLICIES: &[Row] = &[
    read("getIamPolicy", Holder("resourcemanager.folders.getIamPolicy"), resource_manager::policy),
    write("setIamPolicy", Holder("resourcemanager.folders.setIamPolicy"), resource_manager::policy),
    read("testIamPermissions", Own, resource_manager::policy),
];

const ORGANIZATION_POLICIES: &[Row] = &[
    read(
        "getIamPolicy",
        Holder("resourcemanager.organizations.getIamPolicy"),
        resource_manager::policy,
    ),
    write(
        "setIamPolicy",
        Holder("resourcemanager.organizations.setIamPolicy"),
        resource_manager::policy,
    ),
    read("testIamPermissions", Own, resource_manager::policy),
];

/// What a key or value rests on is its parent's.
const TAGS: &[Row] = &[
    read("list", Own, tags::list),
    read("get", Own, tags::get),
    read("getNamespaced", Own, tags::namespaced),
    write("create", Own, tags::create),
    write("delete", Own, tags::delete),
];

const SERVICE_USAGE: &[Row] = &[
    read("list", Holder("serviceusage.services.list"), service_usage::list),
    read("get", Holder("serviceusage.services.get"), service_usage::get),
    write("enable", Holder("serviceusage.services.enable"), service_usage::enable),
];

/// The row of a method, by its name; `None` if the sandbox does not have the method.
pub(crate) fn row(id: &str) -> Option<&'static Row> {
    static BY_ID: OnceLock<HashMap<String, &'static Row>> = OnceLock::new();
    let by_id = BY_ID.get_or_init(|| {
        let rows = ROWS.iter().flat_map(|(of, rows)| rows.iter().map(move |row| (of, row)));
        rows.map(|(of, row)| (format!("{of}.{}", row.name), row)).collect()
    });
    by_id.get(id).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::method;
    use crate::records::roles::is_known;

    #[test]
    fn each_row_is_a_method_of_the_documents() {
        let mut unknown = Vec::new();
        let known: Vec<&str> = method::all().iter().map(|method| method.id).collect();
        for (of, rows) in ROWS {
            for row in *rows {
                let id = format!("{of}.{}", row.name);
                assert!(known.contains(&id.as_str()), "{id} is in no document");
                if let Holder(permission) | Resource(permission) = row.needs
                    && !is_known(permission)
                {
                    unknown.push(permission);
                }
            }
        }
        assert_eq!(unknown, [""; 0], "nobody holds these");
    }

    #[test]
    fn what_only_reads_is_so_by_its_name() {
        const ASKS: [&str; 12] = [
            "wait",
            "getIamPolicy",
            "testIamPermissions",
            "getAncestry",
            "search",
            "queryTestablePermissions",
            "generateAccessToken",
            "generateIdToken",
            "signBlob",
            "signJwt",
            "list",
            "batchGet",
        ];
        for method in method::all() {
            let Some(row) = row(method.id) else { continue };
            let asks = method.http == "GET" || ASKS.contains(&row.name);
            assert_eq!(row.is_read, asks, "{}", method.id);
        }
    }
}
