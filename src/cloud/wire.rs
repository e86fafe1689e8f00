//! The fields that lists read from the wire, borrowed from the response's bytes if possible.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};

/// A text that is copied only if it contains an escape.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A null field counts as absent.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// A page of Cloud Run v1 services.
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
    /// Whether the response has none of the fields of a list.
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

/// A Cloud Run v1 service.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Item<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    pub(super) metadata: Metadata<'a>,
    #[serde(borrow, deserialize_with = "or_default")]
    pub(super) spec: Spec<'a>,
    #[serde(borrow, deserialize_with = "or_default")]
    pub(super) status: Status<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metadata<'a> {
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
    #[serde(borrow, deserialize_with = "or_default")]
    pub(super) labels: Labels<'a>,
    #[serde(borrow, deserialize_with = "or_default")]
    pub(super) annotations: Annotations<'a>,
    #[serde(borrow)]
    pub(super) creation_timestamp: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Labels<'a> {
    #[serde(borrow, rename = "cloud.googleapis.com/location")]
    pub(super) location: Option<Text<'a>>,
    /// The label's name is read in gcloud's source.
    #[serde(borrow, rename = "run.googleapis.com/multi-region-id")]
    pub(super) multi_region_id: Option<Text<'a>>,
}

/// The annotations that affect access (discovery document; the last two observed).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Annotations<'a> {
    #[serde(borrow, rename = "run.googleapis.com/ingress")]
    pub(super) ingress: Option<Text<'a>>,
    /// The ingress in force (discovery document, output only).
    #[serde(borrow, rename = "run.googleapis.com/ingress-status")]
    pub(super) ingress_status: Option<Text<'a>>,
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
    #[serde(borrow, deserialize_with = "or_default")]
    pub(super) template: Template<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Template<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    pub(super) spec: RevisionSpec<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RevisionSpec<'a> {
    #[serde(borrow)]
    pub(super) service_account_name: Option<Text<'a>>,
    #[serde(borrow, deserialize_with = "or_default")]
    pub(super) containers: Vec<Container<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Container<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
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
    #[serde(borrow, deserialize_with = "or_default")]
    pub(super) traffic: Vec<Target<'a>>,
    #[serde(borrow, deserialize_with = "or_default")]
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
    #[serde(borrow, deserialize_with = "or_default")]
    pub(super) bindings: Vec<Binding<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Binding<'a> {
    #[serde(borrow)]
    pub(super) role: Option<Text<'a>>,
    #[serde(borrow, deserialize_with = "or_default")]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_cost_nothing() {
        let text = r#"{"items": [{"metadata": {"name": "s", "labels": null, "annotations": null},
            "spec": null, "status": {"url": null, "traffic": null, "conditions": null}}],
            "metadata": null, "unreachable": null}"#;
        let list: ServiceList<'_> = serde_json::from_str(text).unwrap();
        assert_eq!(list.items.unwrap().len(), 1);
        let policy: PolicyBody<'_> =
            serde_json::from_str(r#"{"etag": "e", "bindings": [{"role": "r", "members": null}]}"#)
                .unwrap();
        assert!(policy.bindings[0].members.is_empty());
    }

    #[test]
    fn texts_are_borrowed_unless_they_hold_an_escape() {
        let list: ListMetadata<'_> = serde_json::from_str(r#"{"continue": "abc"}"#).unwrap();
        assert!(matches!(list.next, Some(Text(Cow::Borrowed("abc")))));
        let list: ListMetadata<'_> = serde_json::from_str(r#"{"continue": "a\nc"}"#).unwrap();
        assert_eq!(list.next.unwrap().as_str(), "a\nc");
    }
}
