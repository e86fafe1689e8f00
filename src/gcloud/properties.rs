//! gcloud's properties and the precedence of their sources: a `CLOUDSDK_*` variable, the active
//! configuration, the installation's file.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::ini::Sections;
use super::{SetupError, Variables};
use crate::secret_text::is_secret;

/// Properties that hold a secret, or whose own reader says what is wrong with them.
const MAY_BE_SECRET: [(&str, &str); 4] = [
    ("auth", "access_token_file"),
    ("auth", "credential_file_override"),
    ("proxy", "password"),
    ("proxy", "username"),
];

/// The properties of one gcloud setup.
#[derive(Debug)]
pub struct Properties {
    variables: Variables,
    directory: PathBuf,
    configuration: String,
    configuration_exists: bool,
    active: Sections,
    installation: Sections,
    installation_path: PathBuf,
}

/// A property's value and its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    pub value: String,
    pub source: PropertySource,
}

/// The origin of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PropertySource {
    Configuration(String),
    Flag(&'static str),
    Installation(PathBuf),
    MetadataServer,
    /// The sandbox's default.
    Sandbox,
    Variable(String),
}

impl fmt::Display for PropertySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(name) => write!(f, "gcloud configuration `{name}`"),
            Self::Flag(flag) => write!(f, "`{flag}`"),
            Self::Installation(path) => write!(f, "`{}`", path.display()),
            Self::MetadataServer => f.write_str("the metadata server"),
            Self::Sandbox => f.write_str("the sandbox's own"),
            Self::Variable(name) => write!(f, "`{name}`"),
        }
    }
}

impl Properties {
    /// Reads the setup that `variables` select. `configuration` is the `--configuration` flag.
    pub fn load(
        variables: Variables,
        home: &Path,
        configuration: Option<&str>,
    ) -> Result<Self, SetupError> {
        let directory = match variables.get("CLOUDSDK_CONFIG") {
            Some(path) if path.is_empty() => {
                return Err(SetupError::Empty("`CLOUDSDK_CONFIG`".to_owned()));
            }
            Some(path) => PathBuf::from(path),
            None => home.join(".config").join("gcloud"),
        };
        let name = configuration_name(&variables, &directory, configuration)?;
        let path = directory.join("configurations").join(format!("config_{name}"));
        let active = if name == "NONE" { None } else { read_sections(&path)? };
        if active.is_none() && configuration.is_some() && name != "NONE" && name != "default" {
            return Err(SetupError::NoSuchConfiguration { name, path });
        }
        let installation_path = installation_root(&variables).map(|root| root.join("properties"));
        let installation = match &installation_path {
            Some(path) => read_sections(path)?.unwrap_or_default(),
            None => Sections::default(),
        };
        Ok(Self {
            variables,
            directory,
            configuration_exists: active.is_some() || name == "NONE" || name == "default",
            configuration: name,
            active: active.unwrap_or_default(),
            installation,
            installation_path: installation_path.unwrap_or_default(),
        })
    }

    /// gcloud's configuration folder.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The active configuration, if it is named but does not exist. gcloud treats it as empty.
    pub fn missing_configuration(&self) -> Option<&str> {
        (!self.configuration_exists).then_some(self.configuration.as_str())
    }

    /// The value of an environment variable, if it is not empty.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The value of an environment variable; an empty one is an error, as in gcloud.
    pub fn variable_or_error(&self, name: &str) -> Result<Option<&str>, SetupError> {
        match self.variables.get(name) {
            Some(value) if value.is_empty() => Err(SetupError::Empty(format!("`{name}`"))),
            value => Ok(value.map(String::as_str)),
        }
    }

    /// The host of the metadata server; `None` if this machine certainly has none: a variable turns
    /// it off, or the machine is not Google's. Sends no request, so that no command on a laptop
    /// waits.
    pub fn metadata_host(&self) -> Option<String> {
        let named = ["GCE_METADATA_HOST", "GCE_METADATA_ROOT"];
        if let Some(host) = named.iter().find_map(|name| self.variable(name)) {
            return Some(host.to_owned());
        }
        let off = |value: &str| {
            matches!(value.to_ascii_lowercase().as_str(), "false" | "no" | "0" | "off")
        };
        let no_check = self.variable("NO_GCE_CHECK").is_some_and(|value| !off(value));
        let check = self.value("core", "check_gce_metadata").ok().flatten();
        if no_check || check.is_some_and(|property| off(&property.value)) {
            return None;
        }
        let signs = ["K_SERVICE", "CLOUD_RUN_JOB", "GAE_ENV", "KUBERNETES_SERVICE_HOST"];
        let probed = || {
            let probe = fs::read_to_string(self.directory.join("gce"));
            probe.is_ok_and(|text| text.trim() == "True")
        };
        let there = signs.iter().any(|name| self.variable(name).is_some())
            || probed()
            || is_googles_machine();
        there.then(|| "metadata.google.internal".to_owned())
    }

    /// The value of a property, such as `core/project`. A value that is set but empty is an error,
    /// as in gcloud.
    pub fn value(&self, section: &str, key: &str) -> Result<Option<Property>, SetupError> {
        let variable = format!("CLOUDSDK_{}_{}", section.to_uppercase(), key.to_uppercase());
        let found = if let Some(value) = self.variables.get(&variable) {
            Some((value.as_str(), PropertySource::Variable(variable)))
        } else if let Some(value) = self.active.value(section, key) {
            Some((value, PropertySource::Configuration(self.configuration.clone())))
        } else {
            self.installation
                .value(section, key)
                .map(|value| (value, PropertySource::Installation(self.installation_path.clone())))
        };
        match found {
            None => Ok(None),
            Some((value, source)) if value.trim().is_empty() => {
                Err(SetupError::Empty(named(section, key, source)))
            }
            // Whatever names a file, an address or a thing is repeated in messages.
            Some((value, source))
                if !MAY_BE_SECRET.contains(&(section, key)) && is_secret(value) =>
            {
                Err(SetupError::Secret(named(section, key, source)))
            }
            Some((value, source)) => Ok(Some(Property { value: value.trim().to_owned(), source })),
        }
    }

    /// The value of a boolean property.
    pub fn flag(&self, section: &str, key: &str) -> Result<bool, SetupError> {
        let value = self.value(section, key)?;
        Ok(value.is_some_and(|property| {
            matches!(property.value.to_lowercase().as_str(), "true" | "1" | "on" | "yes" | "y")
        }))
    }
}

/// A property as its source names it.
fn named(section: &str, key: &str, source: PropertySource) -> String {
    match source {
        PropertySource::Variable(name) => format!("`{name}`"),
        source => format!("`{section}/{key}` of {source}"),
    }
}

fn configuration_name(
    variables: &Variables,
    directory: &Path,
    flag: Option<&str>,
) -> Result<String, SetupError> {
    let variable = variables.get("CLOUDSDK_ACTIVE_CONFIG_NAME").filter(|name| !name.is_empty());
    let name = match flag.or(variable.map(String::as_str)) {
        Some(name) => name.to_owned(),
        None => read_text(&directory.join("active_config"))?
            .map(|text| text.trim().to_owned())
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| "default".to_owned()),
    };
    let good = name == "NONE"
        || (name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
    if good { Ok(name) } else { Err(SetupError::ConfigurationName(name)) }
}

/// The folder of the installed SDK: the one that gcloud's variable names, else the real location of
/// the `gcloud` in `PATH`.
///
/// Only absolute folders count: anyone may have put a file of this name in the working directory.
fn installation_root(variables: &Variables) -> Option<PathBuf> {
    if let Some(root) = variables.get("CLOUDSDK_ROOT_DIR").filter(|root| !root.is_empty()) {
        return Some(PathBuf::from(root)).filter(|root| root.is_absolute());
    }
    let path = variables.get("PATH").map(String::as_str).unwrap_or_default();
    path.split(':')
        .filter(|folder| Path::new(folder).is_absolute())
        .filter_map(|folder| fs::canonicalize(Path::new(folder).join("gcloud")).ok())
        .find_map(|program| Some(program.parent()?.parent()?.to_owned()))
}

/// Whether the machine's description names Google, as that of Compute Engine does (documented). A
/// machine without a description is not Google's.
fn is_googles_machine() -> bool {
    let name = fs::read_to_string("/sys/class/dmi/id/product_name");
    name.is_ok_and(|name| matches!(name.trim(), "Google" | "Google Compute Engine"))
}

fn read_sections(path: &Path) -> Result<Option<Sections>, SetupError> {
    match read_text(path)? {
        None => Ok(None),
        Some(text) => Sections::parse(&text)
            .map(Some)
            .map_err(|why| SetupError::Syntax { path: path.to_owned(), why }),
    }
}

fn read_text(path: &Path) -> Result<Option<String>, SetupError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(source) => Err(SetupError::File { path: path.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set_up(files: &[(&str, &str)]) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join(".config/gcloud");
        fs::create_dir_all(root.join("configurations")).unwrap();
        for (name, text) in files {
            fs::write(root.join(name), text).unwrap();
        }
        home
    }

    fn load(
        home: &tempfile::TempDir,
        variables: &[(&str, &str)],
        flag: Option<&str>,
    ) -> Result<Properties, SetupError> {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Properties::load(variables, home.path(), flag)
    }

    fn project(properties: &Properties) -> Option<(String, String)> {
        properties
            .value("core", "project")
            .unwrap()
            .map(|property| (property.value, property.source.to_string()))
    }

    #[expect(clippy::unnecessary_wraps, reason = "compared with what may be none")]
    fn pair(value: &str, source: &str) -> Option<(String, String)> {
        Some((value.to_owned(), source.to_owned()))
    }

    #[test]
    fn sources_count_in_gclouds_order() {
        let home = set_up(&[
            ("active_config", "work\n"),
            ("configurations/config_work", "[core]\nproject = from-work\n"),
            ("configurations/config_default", "[core]\nproject = from-default\n"),
        ]);
        let of = |variables: &[(&str, &str)], flag| project(&load(&home, variables, flag).unwrap());
        assert_eq!(of(&[], None), pair("from-work", "gcloud configuration `work`"));
        assert_eq!(
            of(&[], Some("default")),
            pair("from-default", "gcloud configuration `default`")
        );
        assert_eq!(
            of(&[("CLOUDSDK_ACTIVE_CONFIG_NAME", "default")], None),
            pair("from-default", "gcloud configuration `default`")
        );
        assert_eq!(of(&[("CLOUDSDK_ACTIVE_CONFIG_NAME", "nosuch")], None), None);
        assert_eq!(of(&[], Some("NONE")), None);
        assert_eq!(
            of(&[("CLOUDSDK_CORE_PROJECT", "from-env")], None),
            pair("from-env", "`CLOUDSDK_CORE_PROJECT`")
        );
    }

    #[test]
    fn errors_name_what_is_wrong() {
        let home = set_up(&[("configurations/config_default", "[core]\nproject =\n")]);
        let message =
            |result: Result<Option<Property>, SetupError>| result.unwrap_err().to_string();
        let properties = load(&home, &[("CLOUDSDK_RUN_REGION", "")], None).unwrap();
        assert_eq!(
            message(properties.value("run", "region")),
            "`CLOUDSDK_RUN_REGION` is set to the empty string"
        );
        assert_eq!(
            message(properties.value("core", "project")),
            "`core/project` of gcloud configuration `default` is set to the empty string"
        );
        let error = load(&home, &[], Some("nosuch")).unwrap_err().to_string();
        assert_eq!(error, "there is no gcloud configuration `nosuch`");
        assert!(load(&home, &[], Some("../x")).is_err());
        let home = set_up(&[("configurations/config_default", "[core\n")]);
        assert!(matches!(load(&home, &[], None), Err(SetupError::Syntax { .. })));
    }

    #[test]
    fn the_installations_file_comes_last() {
        let home = set_up(&[]);
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("properties"), "[core]\nproject = site\n").unwrap();
        let root = root.path().to_str().unwrap();
        let properties = load(&home, &[("CLOUDSDK_ROOT_DIR", root)], None).unwrap();
        assert_eq!(project(&properties).map(|(value, _)| value), Some("site".to_owned()));
    }
}
