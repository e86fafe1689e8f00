//! Resources of the kinds that have no table of their own, and the policies of all.

use rusqlite::{OptionalExtension, Row, params};
use serde_json::Value;

use super::{Page, World, body};
use crate::dialect::api_error::ApiError;
use crate::dialect::pages::PageRequest;

/// A resource of a kind that has no table of its own, by its place and name. What is in no
/// project or region has empty ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Collection<'a> {
    pub(crate) kind: &'a str,
    pub(crate) project: &'a str,
    pub(crate) region: &'a str,
}

impl Collection<'_> {
    /// The place of what is outside projects: folders and organisations.
    pub(crate) fn global(kind: &str) -> Collection<'_> {
        Collection { kind, project: "", region: "" }
    }
}

impl World<'_> {
    /// A service account by its address, in whichever project it is.
    pub(crate) fn service_account(&self, email: &str) -> rusqlite::Result<Option<Value>> {
        self.db
            .prepare_cached(
                "SELECT body FROM resources WHERE kind = 'serviceAccounts' AND name = ?1",
            )?
            .query_row([email.to_lowercase()], body)
            .optional()
    }

    /// A service account by its unique id.
    pub(crate) fn service_account_by_id(&self, id: &str) -> rusqlite::Result<Option<Value>> {
        self.db
            .prepare_cached(
                "SELECT body FROM resources
                 WHERE kind = 'serviceAccounts' AND json_extract(body, '$.uniqueId') = ?1",
            )?
            .query_row([id], body)
            .optional()
    }

    pub(crate) fn has_service_account(&self, email: &str) -> rusqlite::Result<bool> {
        self.db
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM resources WHERE kind = 'serviceAccounts' AND name = ?1)",
            )?
            .query_row([email], |row| row.get(0))
    }

    pub(crate) fn resource(
        &self,
        place: Collection<'_>,
        name: &str,
    ) -> rusqlite::Result<Option<Value>> {
        self.db
            .prepare_cached(
                "SELECT body FROM resources
                 WHERE kind = ?1 AND project = ?2 AND region = ?3 AND name = ?4",
            )?
            .query_row([place.kind, place.project, place.region, name], body)
            .optional()
    }

    pub(crate) fn put_resource(
        &self,
        place: Collection<'_>,
        name: &str,
        resource: &Value,
    ) -> rusqlite::Result<()> {
        self.db
            .prepare_cached(
                "INSERT INTO resources (kind, project, region, name, body) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (kind, project, region, name) DO UPDATE SET body = excluded.body",
            )?
            .execute([place.kind, place.project, place.region, name, &resource.to_string()])
            .map(|_| ())
    }

    /// Does some work, and undoes it where it was asked for on trial.
    pub(crate) fn kept_unless<T>(
        &self,
        on_trial: bool,
        work: impl FnOnce() -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        if !on_trial {
            return work();
        }
        self.db.execute_batch("SAVEPOINT trial")?;
        let done = work();
        self.db.execute_batch("ROLLBACK TO trial; RELEASE trial")?;
        done
    }

    /// Takes a resource away, and the policy of `full_name` with it.
    pub(crate) fn delete_resource(
        &self,
        place: Collection<'_>,
        name: &str,
        full_name: &str,
    ) -> rusqlite::Result<()> {
        self.db.execute(
            "DELETE FROM resources WHERE kind = ?1 AND project = ?2 AND region = ?3 AND name = ?4",
            [place.kind, place.project, place.region, name],
        )?;
        self.db.execute("DELETE FROM policies WHERE resource = ?1", [full_name]).map(|_| ())
    }

    /// A page of a kind's resources in a region, or in all (`-`), newest first.
    pub(crate) fn resources_newest_first(
        &self,
        place: Collection<'_>,
        page: PageRequest,
        wanted: &dyn Fn(&Value) -> bool,
    ) -> rusqlite::Result<Page<Value>> {
        let sql = "SELECT body, serial FROM resources
             WHERE kind = ?4 AND project = ?1 AND (?2 = '-' OR region = ?2)
             AND serial < ?3 ORDER BY serial DESC";
        let from = params![place.project, place.region, page.before(), place.kind];
        self.page(sql, from, page.limit, wanted)
    }

    /// Every resource of a kind, oldest first, with what it is of: its place's project.
    pub(crate) fn resources_by_owner(&self, kind: &str) -> rusqlite::Result<Vec<(String, Value)>> {
        let mut statement = self.db.prepare_cached(
            "SELECT body, project FROM resources WHERE kind = ?1 ORDER BY serial",
        )?;
        let rows = statement.query_map([kind], |row| Ok((row.get(1)?, body(row)?)))?;
        rows.collect()
    }

    /// Every resource of a kind whose text holds one of two words, oldest first, with what it is of.
    pub(crate) fn resources_that_say(
        &self,
        kind: &str,
        words: [&str; 2],
    ) -> rusqlite::Result<Vec<(String, Value)>> {
        let mut statement = self.db.prepare_cached(
            "SELECT body, project FROM resources
             WHERE kind = ?1 AND (instr(body, ?2) OR instr(body, ?3)) ORDER BY serial",
        )?;
        let read = |row: &Row<'_>| Ok((row.get(1)?, body(row)?));
        statement.query_map([kind, words[0], words[1]], read)?.collect()
    }

    /// Every resource of a kind that is wanted, oldest first.
    pub(crate) fn resources_where(
        &self,
        kind: &str,
        wanted: &dyn Fn(&Value) -> bool,
    ) -> rusqlite::Result<Vec<Value>> {
        let all = self.resources_by_owner(kind)?.into_iter().map(|(_, resource)| resource);
        Ok(all.filter(wanted).collect())
    }

    /// Every resource of a kind that is of one owner, oldest first.
    pub(crate) fn resources_of(&self, kind: &str, owner: &str) -> rusqlite::Result<Vec<Value>> {
        let mut statement = self.db.prepare_cached(
            "SELECT body FROM resources WHERE kind = ?1 AND project = ?2 ORDER BY serial",
        )?;
        let rows = statement.query_map([kind, owner], body)?;
        rows.collect()
    }

    /// The groups that are right in a group, by their addresses.
    pub(crate) fn groups_in(&self, group: &str) -> rusqlite::Result<Vec<String>> {
        let mut statement = self.db.prepare_cached(
            "SELECT name FROM resources WHERE kind = 'memberships' AND project = ?1
             AND json_extract(body, '$.type') = 'GROUP' ORDER BY serial",
        )?;
        let rows = statement.query_map([group], |row| row.get(0))?;
        rows.collect()
    }

    /// The first resource of a kind whose `name` is this.
    pub(crate) fn resource_named(&self, kind: &str, name: &str) -> rusqlite::Result<Option<Value>> {
        self.db
            .prepare_cached(
                "SELECT body FROM resources WHERE kind = ?1 AND json_extract(body, '$.name') = ?2",
            )?
            .query_row([kind, name], body)
            .optional()
    }

    /// The mapping of a domain, with its project and region.
    pub(crate) fn domain_mapping(
        &self,
        domain: &str,
    ) -> rusqlite::Result<Option<(String, String, Value)>> {
        self.db
            .prepare_cached(
                "SELECT body, project, region FROM resources
                 WHERE kind = 'domainmappings' AND name = ?1",
            )?
            .query_row([domain], |row| Ok((row.get(1)?, row.get(2)?, body(row)?)))
            .optional()
    }

    /// Calls a member by another name in every policy.
    pub(crate) fn rename_member(&self, from: &str, to: &str) -> rusqlite::Result<()> {
        let quoted = |text: &str| Value::from(text).to_string();
        self.db
            .execute(
                "UPDATE policies SET body = replace(body, ?1, ?2) WHERE instr(body, ?1) > 0",
                params![quoted(from), quoted(to)],
            )
            .map(|_| ())
    }

    /// What has a policy, of what begins with a name.
    pub(crate) fn policy_keys(&self, start: &str) -> rusqlite::Result<Vec<String>> {
        let sql = "SELECT resource FROM policies WHERE substr(resource, 1, length(?1)) = ?1
             ORDER BY resource";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map([start], |row| row.get(0))?;
        rows.collect()
    }

    /// The policy of a resource, by its full name.
    pub(crate) fn policy(&self, resource: &str) -> rusqlite::Result<Option<Value>> {
        self.db
            .prepare_cached("SELECT body FROM policies WHERE resource = ?1")?
            .query_row([resource], body)
            .optional()
    }

    pub(crate) fn put_policy(&self, resource: &str, policy: &Value) -> rusqlite::Result<()> {
        self.db
            .prepare_cached("INSERT OR REPLACE INTO policies VALUES (?1, ?2)")?
            .execute([resource, &policy.to_string()])
            .map(|_| ())
    }
}
