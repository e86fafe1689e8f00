//! The output formats, and the rendering of a report in each.

use serde_json::Value;

use super::yaml::yaml_1_1;
use super::{Report, Style};
use crate::domain::error::{CommandError, ErrorKind};
use crate::domain::nearest::nearest;

/// An output format.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Format {
    Csv,
    Json,
    #[default]
    Table,
    /// The values at these paths of each row, separated by tabs, one line a row.
    Value(Vec<String>),
    Yaml,
}

impl Format {
    /// Parses the argument of `--format`.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "csv" => Ok(Self::Csv),
            "json" => Ok(Self::Json),
            "table" => Ok(Self::Table),
            "yaml" => Ok(Self::Yaml),
            _ => {
                let inner = text.strip_prefix("value(").and_then(|rest| rest.strip_suffix(')'));
                let paths: Vec<String> = inner
                    .unwrap_or_default()
                    .split(',')
                    .map(|path| path.trim().replace("[]", ""))
                    .collect();
                if inner.is_some() && paths.iter().all(|path| !path.is_empty()) {
                    Ok(Self::Value(paths))
                } else {
                    Err("write table, json, yaml, csv or value(PATH[,PATH])".to_owned())
                }
            }
        }
    }

    /// Whether errors are also written to stdout, as a document.
    pub fn is_json(&self) -> bool {
        *self == Self::Json
    }

    /// Checks that every path belongs to the report.
    pub fn check<R: Report>(&self) -> Result<(), CommandError> {
        let Self::Value(paths) = self else {
            return Ok(());
        };
        for path in paths {
            if !R::PATHS.contains(&path.as_str()) {
                let near = nearest(path, R::PATHS.iter().copied());
                let error = CommandError::usage(format!("there is no `{path}` in this result"));
                return Err(match near.first() {
                    Some(near) => error.because(format!("the nearest is `{near}`")),
                    None => error.because(format!("there are `{}`", R::PATHS.join("`, `"))),
                });
            }
        }
        Ok(())
    }

    /// Renders a report in this format.
    pub fn render<R: Report>(&self, report: &R, style: Style) -> Result<String, CommandError> {
        let failed = |error: &dyn std::fmt::Display| {
            CommandError::new(ErrorKind::Failed, "cannot write the result in this format")
                .because(error.to_string())
        };
        match self {
            Self::Csv => csv_of(report).map_err(|error| failed(&error)),
            Self::Json => serde_json::to_string_pretty(report).map_err(|error| failed(&error)),
            Self::Table => Ok(report.table(style)),
            Self::Value(paths) => {
                let rows = rows(report).map_err(|error| failed(&error))?;
                let line = |row: &Value| -> String {
                    let cells: Vec<String> =
                        paths.iter().map(|path| cell(&at(row, path))).collect();
                    cells.join("\t") + "\n"
                };
                Ok(rows.iter().map(line).collect())
            }
            Self::Yaml => serde_norway::to_string(report)
                .map(|text| yaml_1_1(&text))
                .map_err(|error| failed(&error)),
        }
    }
}

fn csv_of<R: Report>(report: &R) -> Result<String, Box<dyn std::error::Error>> {
    let is_leaf = |path: &&&str| {
        let below = format!("{path}.");
        !R::PATHS.iter().any(|other| other.starts_with(&below))
    };
    let columns: Vec<&str> = R::PATHS.iter().filter(is_leaf).copied().collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&columns)?;
    for row in rows(report)? {
        writer.write_record(columns.iter().map(|path| cell(&at(&row, path))))?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

fn rows<R: Report>(report: &R) -> Result<Vec<Value>, serde_json::Error> {
    let document = serde_json::to_value(report)?;
    Ok(match R::ROWS {
        None => vec![document],
        Some(name) => document[name].as_array().cloned().unwrap_or_default(),
    })
}

/// The value at a path. For an array, the values at that path in each of its elements.
fn at(value: &Value, path: &str) -> Value {
    match value {
        Value::Array(items) => items.iter().map(|item| at(item, path)).collect(),
        _ => match path.split_once('.') {
            Some((first, rest)) => at(&value[first], rest),
            None => value[path].clone(),
        },
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(";"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_formats() {
        let value = |paths: &[&str]| Format::Value(paths.iter().map(|p| (*p).to_owned()).collect());
        assert_eq!(Format::parse("json"), Ok(Format::Json));
        assert_eq!(Format::parse("value(name, url)"), Ok(value(&["name", "url"])));
        assert_eq!(Format::parse("value(added[].member)"), Ok(value(&["added.member"])));
        for bad in ["", "JSON", "value()", "value(a,)", "value(a", "xml"] {
            assert!(Format::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn paths_go_through_arrays() {
        let value = serde_json::json!({"a": [{"b": 1}, {"b": null}], "c": {"d": true}});
        assert_eq!(cell(&at(&value, "a.b")), "1;");
        assert_eq!(cell(&at(&value, "c.d")), "true");
        assert_eq!(cell(&at(&value, "nosuch")), "");
    }
}
