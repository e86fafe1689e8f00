//! What the lean path reads of the wire: the needed fields and nothing else, borrowed from the
//! answer's bytes where that can be.

use std::borrow::Cow;

use serde::Deserialize;

/// A text that is copied only where it holds an escape.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A page of services of Run v1.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ServiceList<'a> {
    #[serde(borrow)]
    pub(super) items: Option<Vec<Item<'a>>>,
    #[serde(borrow)]
    pub(super) metadata: Option<ListMetadata<'a>>,
    #[serde(borrow)]
    pub(super) unreachable: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    api_version: Option<Text<'a>>,
}

impl ServiceList<'_> {
    /// Whether it says nothing that a list says.
    pub(super) fn is_blank(&self) -> bool {
        self.items.is_none()
            && self.metadata.is_none()
            && self.unreachable.is_none()
            && self.kind.is_none()
            && self.api_version.is_none()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListMetadata<'a> {
    #[serde(borrow, rename = "continue")]
    pub(super) next: Option<Text<'a>>,
}

/// A service of Run v1.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Item<'a> {
    #[serde(borrow)]
    pub(super) metadata: Metadata<'a>,
    #[serde(borrow)]
    pub(super) spec: Spec<'a>,
    #[serde(borrow)]
    pub(super) status: Status<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metadata<'a> {
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) labels: Labels<'a>,
    #[serde(borrow)]
    pub(super) annotations: Annotations<'a>,
    #[serde(borrow)]
    pub(super) creation_timestamp: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Labels<'a> {
    #[serde(borrow, rename = "cloud.googleapis.com/location")]
    pub(super) location: Option<Text<'a>>,
}

/// The annotations that bear on access (discovery document; the last two observed).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Annotations<'a> {
    #[serde(borrow, rename = "run.googleapis.com/ingress")]
    pub(super) ingress: Option<Text<'a>>,
    #[serde(borrow, rename = "run.googleapis.com/invoker-iam-disabled")]
    pub(super) invoker_iam_disabled: Option<Text<'a>>,
    #[serde(borrow, rename = "run.googleapis.com/default-url-disabled")]
    pub(super) default_url_disabled: Option<Text<'a>>,
    #[serde(borrow, rename = "run.googleapis.com/custom-audiences")]
    pub(super) custom_audiences: Option<Text<'a>>,
    #[serde(borrow, rename = "run.googleapis.com/iap-enabled")]
    pub(super) iap_enabled: Option<Text<'a>>,
    #[serde(borrow, rename = "run.googleapis.com/urls")]
    pub(super) urls: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Spec<'a> {
    #[serde(borrow)]
    pub(super) template: Template<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Template<'a> {
    #[serde(borrow)]
    pub(super) spec: RevisionSpec<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RevisionSpec<'a> {
    #[serde(borrow)]
    pub(super) service_account_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) containers: Vec<Container<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Container<'a> {
    #[serde(borrow)]
    pub(super) ports: Vec<Port<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Port<'a> {
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Status<'a> {
    #[serde(borrow)]
    pub(super) url: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) traffic: Vec<Target<'a>>,
    #[serde(borrow)]
    pub(super) conditions: Vec<Condition<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Target<'a> {
    #[serde(borrow)]
    pub(super) tag: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) url: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) revision_name: Option<Text<'a>>,
    pub(super) percent: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Condition<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) status: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) reason: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) message: Option<Text<'a>>,
}

/// An allow policy.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PolicyBody<'a> {
    #[serde(borrow)]
    pub(super) etag: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) bindings: Vec<Binding<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Binding<'a> {
    #[serde(borrow)]
    pub(super) role: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) members: Vec<Text<'a>>,
    #[serde(borrow)]
    pub(super) condition: Option<Expr<'a>>,
}

/// A condition.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Expr<'a> {
    #[serde(borrow)]
    pub(super) title: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) description: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) expression: Option<Text<'a>>,
}
