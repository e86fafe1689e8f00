//! The INI dialect of gcloud's files: Python's `ConfigParser`.

use std::collections::BTreeMap;

use configparser::ini::Ini;

/// Sections (case-sensitive) of keys (lower case).
#[derive(Debug, Default)]
pub(super) struct Sections(BTreeMap<String, BTreeMap<String, String>>);

impl Sections {
    /// Parses a file: `=` or `:` between key and value, `;` and `#` comments, indented continuation
    /// lines, `%%` for `%`. Skips a byte-order mark, on which gcloud fails.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut defaults = Ini::new_cs().defaults();
        "DEFAULT".clone_into(&mut defaults.default_section);
        defaults.comment_symbols = vec![';', '#'];
        defaults.inline_comment_symbols = Some(Vec::new());
        defaults.delimiters = vec!['=', ':'];
        defaults.multiline = true;
        let mut ini = Ini::new_from_defaults(defaults);
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
        let parsed = ini.read(text)?;
        let sections = parsed
            .into_iter()
            .map(|(section, keys)| {
                let keys = keys
                    .into_iter()
                    .map(|(key, value)| {
                        (key.to_lowercase(), value.unwrap_or_default().replace("%%", "%"))
                    })
                    .collect();
                (section, keys)
            })
            .collect();
        Ok(Self(sections))
    }

    /// The value of a key in a section; `[DEFAULT]` applies to every section of the file.
    pub(super) fn value(&self, section: &str, key: &str) -> Option<&str> {
        let keys = self.0.get(section)?;
        keys.get(key).or_else(|| self.0.get("DEFAULT")?.get(key)).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::Sections;

    #[test]
    fn reads_what_config_parser_reads() {
        let sections = Sections::parse(
            "\u{feff}; a comment\r\n# another\n[DEFAULT]\nregion = everywhere\n[core]\nProject : my-project\n\
             account = dev@x.com ; not a comment\nodd = 100%%\n\n[run]\nregion=us-central1\n[Core]\nproject=other\n",
        )
        .unwrap();
        assert_eq!(sections.value("core", "project"), Some("my-project"));
        assert_eq!(sections.value("core", "account"), Some("dev@x.com ; not a comment"));
        assert_eq!(sections.value("core", "odd"), Some("100%"));
        assert_eq!(sections.value("core", "region"), Some("everywhere"));
        assert_eq!(sections.value("run", "region"), Some("us-central1"));
        assert_eq!(sections.value("Core", "project"), Some("other"));
        assert_eq!(sections.value("auth", "region"), None);
    }

    #[test]
    fn an_empty_value_is_told_from_none() {
        let sections = Sections::parse("[core]\nproject =\nurl = http://a:80/=x\n").unwrap();
        assert_eq!(sections.value("core", "project"), Some(""));
        assert_eq!(sections.value("core", "url"), Some("http://a:80/=x"));
        assert!(Sections::parse("[core\nproject=x").is_err());
    }
}
