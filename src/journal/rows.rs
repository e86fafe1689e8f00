//! Rows of the journal: which columns are JSON, and how rows are parsed.

use rusqlite::{Connection, Row};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::domain::action::Action;
use crate::domain::condition::Condition;
use crate::domain::difference::{Difference, Etags};
use crate::domain::history::{ChangeId, Entry, State};
use crate::domain::invokers::Grant;
use crate::domain::member::Member;
use crate::domain::setting::Setting;
use crate::domain::target::Target;

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct DifferenceRow {
    added: Vec<GrantRow>,
    removed: Vec<GrantRow>,
    settings: Vec<SettingRow>,
}

#[derive(Debug, Deserialize, Serialize)]
struct GrantRow {
    role: String,
    member: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<ConditionRow>,
}

#[derive(Debug, Deserialize, Serialize)]
struct ConditionRow {
    title: String,
    #[serde(default)]
    description: String,
    expression: String,
}

#[derive(Debug, Deserialize, Serialize)]
struct SettingRow {
    name: String,
    before: String,
    after: String,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct EtagsRow {
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", rename = "projectNumber")]
    project_number: Option<String>,
}

pub(super) fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

impl From<&Difference> for DifferenceRow {
    fn from(difference: &Difference) -> Self {
        let grants = |grants: &[Grant]| grants.iter().map(GrantRow::from).collect();
        let settings = difference.settings.iter().map(|setting| {
            let (before, after) = setting.values();
            let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
            let name = setting.name().to_owned();
            SettingRow { name, before: text(before), after: text(after) }
        });
        Self {
            added: grants(&difference.added),
            removed: grants(&difference.removed),
            settings: settings.collect(),
        }
    }
}

impl From<&Grant> for GrantRow {
    fn from(grant: &Grant) -> Self {
        let condition = grant.condition.clone();
        Self {
            role: grant.role.clone(),
            member: grant.member.to_string(),
            condition: condition.map(|Condition { title, description, expression }| ConditionRow {
                title,
                description,
                expression,
            }),
        }
    }
}

impl From<GrantRow> for Grant {
    fn from(row: GrantRow) -> Self {
        let GrantRow { role, member, condition } = row;
        let condition = condition.map(|ConditionRow { title, description, expression }| {
            Condition { title, description, expression }
        });
        Self { role, member: Member::from_policy(member), condition }
    }
}

impl From<&Etags> for EtagsRow {
    fn from(etags: &Etags) -> Self {
        let Etags { policy, service, uid, project_number } = etags.clone();
        Self { policy, service, uid, project_number }
    }
}

impl From<EtagsRow> for Etags {
    fn from(row: EtagsRow) -> Self {
        let EtagsRow { policy, service, uid, project_number } = row;
        Self { policy, service, uid, project_number }
    }
}

fn difference(text: &str) -> Option<Difference> {
    let row: DifferenceRow = serde_json::from_str(text).ok()?;
    let settings = row.settings.into_iter().map(|SettingRow { name, before, after }| {
        let [before, after] =
            [&before, &after].map(|text| Some(text.as_str()).filter(|t| !t.is_empty()));
        Setting::parse(&name, before, after)
    });
    Some(Difference {
        added: row.added.into_iter().map(Grant::from).collect(),
        removed: row.removed.into_iter().map(Grant::from).collect(),
        settings: settings.collect::<Option<_>>()?,
    })
}

fn etags(text: &str) -> Etags {
    serde_json::from_str::<EtagsRow>(text).unwrap_or_default().into()
}

pub(super) fn id(sandbox: bool, run: i64, part: u32) -> ChangeId {
    ChangeId { sandbox, run: run.unsigned_abs(), part: Some(part).filter(|part| *part > 0) }
}

/// The two numbers of a change's ID; null without an ID.
pub(super) fn of_id(id: Option<ChangeId>) -> (Option<i64>, Option<u32>) {
    let run = id.map(|id| i64::try_from(id.run).unwrap_or(i64::MAX));
    (run, id.map(|id| id.part.unwrap_or(0)))
}

/// The changes of a realm that match a condition, oldest first.
pub(super) fn entries(
    db: &Connection,
    realm: &str,
    sandbox: bool,
    more: &str,
) -> rusqlite::Result<Vec<Entry>> {
    let sql = format!(
        "SELECT run, part, micros, account, command, reason, service, action, undoes_run,
         undoes_part, intended, done, before, after, state, error
         FROM changes JOIN runs USING (run) WHERE realm = ?1 {more} ORDER BY run, part"
    );
    let mut query = db.prepare(&sql)?;
    let rows = query.query_map([realm], |row| entry(row, sandbox))?;
    rows.filter_map(Result::transpose).collect()
}

/// One change; `None` if a later version wrote a value that this version does not know.
fn entry(row: &Row<'_>, sandbox: bool) -> rusqlite::Result<Option<Entry>> {
    let text = |at: usize| row.get::<_, String>(at);
    let micros: i64 = row.get(2)?;
    let undoes: Option<i64> = row.get(8)?;
    let undoes_part: Option<u32> = row.get(9)?;
    let (service, action, state) = (text(6)?, text(7)?, text(14)?);
    let (intended, done) = (text(10)?, row.get::<_, Option<String>>(11)?);
    let (before, after) = (etags(&text(12)?), etags(&text(13)?));
    let known = || {
        Some((
            OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).ok()?,
            Target::parse(&service)?,
            Action::parse(&action)?,
            State::parse(&state)?,
            difference(&intended)?,
            done.as_deref().map_or(Some(None), |done| difference(done).map(Some))?,
        ))
    };
    let Some((time, target, action, state, intended, done)) = known() else { return Ok(None) };
    Ok(Some(Entry {
        id: id(sandbox, row.get(0)?, row.get(1)?),
        time,
        account: row.get(3)?,
        command: text(4)?,
        reason: row.get(5)?,
        action,
        target,
        undoes: undoes.map(|run| id(sandbox, run, undoes_part.unwrap_or(0))),
        intended,
        done,
        before,
        after,
        state,
        undone_by: None,
        error: row.get(15)?,
    }))
}
