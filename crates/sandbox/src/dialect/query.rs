//! The parameters of a request, as Google's parser takes them.

use crate::dialect::api_error::ApiError;
use crate::dialect::partial::Fields;
use crate::dialect::wire;

/// The parameters that any request may have (discovery document), in both spellings of `alt`.
const OF_EVERY_REQUEST: [&str; 12] = [
    "$.xgafv",
    "$alt",
    "access_token",
    "alt",
    "callback",
    "fields",
    "key",
    "oauth_token",
    "prettyPrint",
    "quotaUser",
    "uploadType",
    "upload_protocol",
];

/// The parameters of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = form_urlencoded::parse(text.as_bytes()).into_owned();
        Self(pairs.map(|(name, value)| (camel_name(name), value)).collect())
    }

    pub(crate) fn of(pairs: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self(pairs.iter().map(owned).collect())
    }

    /// Refuses a parameter that is neither one of these nor one of every request, in the words of
    /// Google's parser.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), ApiError> {
        let is_known = |name: &str| known.contains(&name) || OF_EVERY_REQUEST.contains(&name);
        match self.0.iter().find(|(name, _)| !is_known(name)) {
            None => Ok(()),
            Some((name, _)) => Err(ApiError::invalid(format!(
                "Invalid JSON payload received. Unknown name \"{name}\": Cannot bind query \
                 parameter. Field '{name}' could not be found in request message."
            ))),
        }
    }

    /// The fields that are asked for; without any, all.
    pub(crate) fn fields(&self) -> Result<Fields, ApiError> {
        self.get("fields").map_or_else(|| Ok(Fields::default()), Fields::parse)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Every value of a parameter that may be repeated.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }

    /// A parameter that is true or false.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.get(name) {
            None | Some("") => Ok(false),
            // Clients in Python write them with a capital.
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(other) => Err(ApiError::invalid(format!("Invalid value at '{name}': {other}."))),
        }
    }
}

/// A parameter's name as JSON has it; Google's parser takes that of the protocol buffers too.
fn camel_name(name: String) -> String {
    if OF_EVERY_REQUEST.contains(&name.as_str()) {
        return name;
    }
    wire::camel(&name)
}
