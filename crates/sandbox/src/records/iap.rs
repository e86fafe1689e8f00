//! Under which names the policies of Identity-Aware Proxy are kept.

use runaccess_domain::resource::ServiceName;

pub(crate) const WEB: &str = "iap_web";

pub(crate) const RUN: &str = "cloud_run-";

/// The names under which the policies on a service's way are kept, the nearest first.
pub(crate) fn on_the_way(name: &ServiceName) -> [String; 3] {
    let web = format!("projects/{}/{WEB}", name.project());
    let region = format!("{web}/{RUN}{}", name.region());
    [format!("{region}/services/{}", name.service()), region, web]
}
