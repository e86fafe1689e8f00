//! What is in the store, read and written within one transaction.

mod resources;

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use serde_json::{Value, json};

pub(crate) use self::resources::Collection;
use crate::dialect::pages::PageRequest;
use runaccess_domain::resource::ServiceName;

/// The kinds of resource that hold others.
pub(crate) const FOLDERS: &str = "folders";
pub(crate) const ORGANIZATIONS: &str = "organizations";
/// The kind under which policies are kept as they were before each of their latest changes.
pub(crate) const POLICIES_BEFORE: &str = "policies before";
/// How many operations are remembered: nobody looks for those before.
const KEPT_OPERATIONS: i64 = 10_000;

/// One view of the world.
#[derive(Debug)]
pub(crate) struct World<'a> {
    db: &'a Connection,
}

/// A project.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    pub(crate) id: String,
    pub(crate) number: String,
    /// The part of hashed host names that is the same for all services of the project.
    pub(crate) hash: String,
    /// The organisation's domain.
    pub(crate) domain: String,
    /// Organisation policies in force, by the name of their constraint.
    pub(crate) constraints: Vec<String>,
    /// The folder or organisation that it is in, such as `folders/725218103497`.
    pub(crate) parent: String,
    /// What it is called and labelled, and when it was made.
    pub(crate) facts: Value,
}

/// The kind under which what projects are called is kept.
const PROJECT_FACTS: &str = "project facts";
/// When the projects of the seeded world were made.
const FIRST_MADE: &str = "2026-01-12T09:00:00Z";

impl Project {
    /// The account that its services run as if none is named.
    pub(crate) fn compute_account(&self) -> String {
        format!("{}-compute@developer.gserviceaccount.com", self.number)
    }
}

/// A page of a list, with the token of the next one.
type Page<T> = (Vec<T>, Option<i64>);

/// What `sandbox status` shows of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectSummary {
    pub project: String,
    pub number: String,
    pub services: u32,
    pub constraints: Vec<String>,
}

impl<'a> World<'a> {
    pub(crate) fn new(db: &'a Connection) -> Self {
        Self { db }
    }

    pub(crate) fn clear(&self) -> rusqlite::Result<()> {
        self.db.execute_batch(
            "DELETE FROM projects; DELETE FROM service_accounts; DELETE FROM services;
             DELETE FROM policies; DELETE FROM revisions; DELETE FROM operations;
             DELETE FROM resources;",
        )
    }

    pub(crate) fn summaries(&self) -> rusqlite::Result<Vec<ProjectSummary>> {
        let mut statement = self.db.prepare(
            "SELECT id, number, constraints, (SELECT count(*) FROM services WHERE project = id)
             FROM projects ORDER BY rowid",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(ProjectSummary {
                project: row.get(0)?,
                number: row.get(1)?,
                constraints: list(&row.get::<_, String>(2)?),
                services: row.get(3)?,
            })
        })?;
        rows.collect()
    }

    pub(crate) fn put_project(&self, project: &Project) -> rusqlite::Result<()> {
        self.db
            .execute(
                "INSERT INTO projects (id, number, hash, domain, constraints)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    project.id,
                    project.number,
                    project.hash,
                    project.domain,
                    json!(project.constraints).to_string()
                ],
            )
            .map(|_| ())?;
        self.put_facts(project)
    }

    /// Keeps what a project is called, and what else is known of it alone.
    pub(crate) fn put_facts(&self, project: &Project) -> rusqlite::Result<()> {
        if project.facts.is_object() {
            self.put_resource(Collection::global(PROJECT_FACTS), &project.id, &project.facts)?;
        }
        Ok(())
    }

    /// A project by its id or number.
    pub(crate) fn project(&self, id: &str) -> rusqlite::Result<Option<Project>> {
        self.db
            .prepare_cached(
                "SELECT id, number, hash, domain, constraints, parent,
                     (SELECT body FROM resources WHERE kind = 'project facts' AND project = ''
                      AND region = '' AND name = projects.id)
                 FROM projects WHERE id = ?1 OR number = ?1",
            )?
            .query_row([id], |row| {
                let facts = row.get::<_, Option<String>>(6)?;
                let facts = facts.and_then(|text| serde_json::from_str(&text).ok());
                Ok(Project {
                    id: row.get(0)?,
                    number: row.get(1)?,
                    hash: row.get(2)?,
                    domain: row.get(3)?,
                    constraints: list(&row.get::<_, String>(4)?),
                    parent: row.get(5)?,
                    facts: facts.unwrap_or_else(|| json!({"createTime": FIRST_MADE})),
                })
            })
            .optional()
    }

    /// The id of the project whose hashed host names hold this.
    pub(crate) fn project_by_hash(&self, hash: &str) -> rusqlite::Result<Option<String>> {
        self.db
            .prepare_cached("SELECT id FROM projects WHERE hash = ?1")?
            .query_row([hash], |row| row.get(0))
            .optional()
    }

    /// The regions in which a project has a service of this name.
    pub(crate) fn regions_of(&self, project: &str, service: &str) -> rusqlite::Result<Vec<String>> {
        let mut statement = self.db.prepare_cached(
            "SELECT region FROM services WHERE project = ?1 AND name = ?2 ORDER BY region",
        )?;
        let rows = statement.query_map([project, service], |row| row.get(0))?;
        rows.collect()
    }

    /// Whether any project has a service of this name, in a region or in any.
    pub(crate) fn has_service(&self, region: Option<&str>, name: &str) -> rusqlite::Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM services
                   WHERE name = ?1 AND (?2 IS NULL OR region = ?2))";
        self.db.query_row(sql, params![name, region], |row| row.get(0))
    }

    /// The names of every service of a project, in the order in which they were made.
    pub(crate) fn service_names(&self, project: &str) -> rusqlite::Result<Vec<ServiceName>> {
        let sql = "SELECT region, name FROM services WHERE project = ?1 ORDER BY serial";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map([project], |row| {
            let (region, name): (String, String) = (row.get(0)?, row.get(1)?);
            Ok(ServiceName::new(project, region, name))
        })?;
        rows.collect()
    }

    /// Every revision below a place, oldest first.
    pub(crate) fn all_revisions(&self, place: &str) -> rusqlite::Result<Vec<Value>> {
        let sql = "SELECT body FROM revisions WHERE substr(service, 1, length(?1)) = ?1
             ORDER BY serial";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map([place], body)?;
        rows.collect()
    }

    /// Every service of a project.
    pub(crate) fn all_services(&self, project: &str) -> rusqlite::Result<Vec<Value>> {
        let mut statement = self.db.prepare("SELECT body FROM services WHERE project = ?1")?;
        let rows = statement.query_map([project], body)?;
        rows.collect()
    }

    /// Every service that has custom audiences, of all projects.
    pub(crate) fn services_with_audiences(&self) -> rusqlite::Result<Vec<Value>> {
        let sql = "SELECT body FROM services WHERE body LIKE '%\"customAudiences\"%'";
        let mut statement = self.db.prepare(sql)?;
        let rows = statement.query_map([], body)?;
        rows.collect()
    }

    /// Puts a project below a folder or organisation.
    pub(crate) fn set_parent(&self, project: &str, parent: &str) -> rusqlite::Result<()> {
        let sql = "UPDATE projects SET parent = ?2 WHERE id = ?1";
        self.db.execute(sql, [project, parent]).map(|_| ())
    }

    /// Forgets the constraints that an older world kept with a project.
    pub(crate) fn clear_constraints(&self, project: &str) -> rusqlite::Result<()> {
        let sql = "UPDATE projects SET constraints = '[]' WHERE id = ?1";
        self.db.execute(sql, [project]).map(|_| ())
    }

    /// Every project, in the order in which they were made.
    pub(crate) fn project_ids(&self) -> rusqlite::Result<Vec<String>> {
        let mut statement = self.db.prepare("SELECT id FROM projects ORDER BY rowid")?;
        let rows = statement.query_map([], |row| row.get(0))?;
        rows.collect()
    }

    /// The accounts that the first version of the store kept, with their projects.
    pub(crate) fn first_service_accounts(&self) -> rusqlite::Result<Vec<(String, String)>> {
        let mut statement = self.db.prepare("SELECT email, project FROM service_accounts")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect()
    }

    pub(crate) fn put_first_service_account(
        &self,
        email: &str,
        project: &str,
    ) -> rusqlite::Result<()> {
        self.db
            .execute("INSERT INTO service_accounts VALUES (?1, ?2)", [email, project])
            .map(|_| ())
    }

    pub(crate) fn service(&self, name: &ServiceName) -> rusqlite::Result<Option<Value>> {
        self.db
            .prepare_cached(
                "SELECT body FROM services WHERE project = ?1 AND region = ?2 AND name = ?3",
            )?
            .query_row([name.project(), name.region(), name.service()], body)
            .optional()
    }

    pub(crate) fn put_service(&self, name: &ServiceName, service: &Value) -> rusqlite::Result<()> {
        self.db
            .prepare_cached(
                "INSERT INTO services (project, region, name, body) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (project, region, name) DO UPDATE SET body = excluded.body",
            )?
            .execute(params![name.project(), name.region(), name.service(), service.to_string()])
            .map(|_| ())
    }

    pub(crate) fn delete_service(&self, name: &ServiceName) -> rusqlite::Result<()> {
        self.db.execute(
            "DELETE FROM services WHERE project = ?1 AND region = ?2 AND name = ?3",
            [name.project(), name.region(), name.service()],
        )?;
        let full = name.to_string();
        self.db.execute("DELETE FROM policies WHERE resource = ?1", [&full])?;
        self.delete_resource(Collection::global(POLICIES_BEFORE), &full, &full)?;
        self.db.execute("DELETE FROM revisions WHERE service = ?1", [&full]).map(|_| ())
    }

    /// A page of the services of one region, or of all (`-`), newest first, of those wanted.
    pub(crate) fn services_newest_first(
        &self,
        project: &str,
        region: &str,
        page: PageRequest,
        wanted: &dyn Fn(&Value) -> bool,
    ) -> rusqlite::Result<Page<Value>> {
        let sql = "SELECT body, serial FROM services
             WHERE project = ?1 AND (?2 = '-' OR region = ?2) AND serial < ?3
             ORDER BY serial DESC";
        self.page(sql, params![project, region, page.before()], page.limit, wanted)
    }

    /// Collects wanted rows until the page is full, and looks one further for whether there is
    /// another page.
    fn page(
        &self,
        sql: &str,
        from: &[&dyn ToSql],
        limit: usize,
        wanted: &dyn Fn(&Value) -> bool,
    ) -> rusqlite::Result<Page<Value>> {
        let mut statement = self.db.prepare_cached(sql)?;
        let mut rows = statement.query(from)?;
        let (mut page, mut last) = (Vec::new(), None);
        while let Some(row) = rows.next()? {
            let value = body(row)?;
            if !wanted(&value) {
                continue;
            }
            if page.len() == limit {
                return Ok((page, last));
            }
            page.push(value);
            last = Some(row.get(1)?);
        }
        Ok((page, None))
    }

    pub(crate) fn put_revision(
        &self,
        service: &ServiceName,
        revision: &Value,
    ) -> rusqlite::Result<()> {
        self.db
            .prepare_cached("INSERT INTO revisions (service, name, body) VALUES (?1, ?2, ?3)")?
            .execute(params![
                service.to_string(),
                revision["name"].as_str().unwrap_or_default(),
                revision.to_string()
            ])
            .map(|_| ())
    }

    pub(crate) fn revision(&self, name: &str) -> rusqlite::Result<Option<Value>> {
        self.db.query_row("SELECT body FROM revisions WHERE name = ?1", [name], body).optional()
    }

    pub(crate) fn delete_revision(&self, name: &str) -> rusqlite::Result<()> {
        self.db.execute("DELETE FROM revisions WHERE name = ?1", [name]).map(|_| ())
    }

    /// A page of the revisions of every service below a place such as
    /// `projects/P/locations/R/services/`, newest first, of those wanted.
    pub(crate) fn revisions_below(
        &self,
        place: &str,
        page: PageRequest,
        wanted: &dyn Fn(&Value) -> bool,
    ) -> rusqlite::Result<Page<Value>> {
        let sql = "SELECT body, serial FROM revisions
             WHERE substr(service, 1, length(?1)) = ?1 AND serial < ?2
             ORDER BY serial DESC";
        self.page(sql, params![place, page.before()], page.limit, wanted)
    }

    /// Keeps an operation that is done at `done_at`, in milliseconds since 1970.
    pub(crate) fn put_operation(
        &self,
        name: &str,
        operation: &Value,
        done_at: i64,
    ) -> rusqlite::Result<()> {
        self.db.execute(
            "INSERT INTO operations (name, body, done_at) VALUES (?1, ?2, ?3)",
            params![name, operation.to_string(), done_at],
        )?;
        let newest = self.db.last_insert_rowid();
        self.db
            .prepare_cached("DELETE FROM operations WHERE rowid <= ?1")?
            .execute([newest - KEPT_OPERATIONS])
            .map(|_| ())
    }

    /// An operation as it is once it is done, and when that is.
    pub(crate) fn operation(&self, name: &str) -> rusqlite::Result<Option<(Value, i64)>> {
        self.db
            .query_row("SELECT body, done_at FROM operations WHERE name = ?1", [name], |row| {
                Ok((body(row)?, row.get(1)?))
            })
            .optional()
    }

    /// Every operation below a place, newest first.
    pub(crate) fn operations_below(
        &self,
        place: &str,
        page: PageRequest,
    ) -> rusqlite::Result<Page<(Value, i64)>> {
        let mut statement = self.db.prepare(
            "SELECT body, done_at, rowid FROM operations
             WHERE substr(name, 1, length(?1)) = ?1 AND rowid < ?2
             ORDER BY rowid DESC LIMIT ?3",
        )?;
        let limit = i64::try_from(page.limit).unwrap_or(i64::MAX - 1);
        let rows = statement.query_map(params![place, page.before(), limit + 1], |row| {
            Ok((body(row)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        })?;
        let mut rows: Vec<(Value, i64, i64)> = rows.collect::<Result<_, _>>()?;
        let more = rows.len() > page.limit;
        rows.truncate(page.limit);
        let next = rows.last().filter(|_| more).map(|(_, _, serial)| *serial);
        Ok((rows.into_iter().map(|(body, done_at, _)| (body, done_at)).collect(), next))
    }

    pub(crate) fn delete_operation(&self, name: &str) -> rusqlite::Result<()> {
        self.db.execute("DELETE FROM operations WHERE name = ?1", [name]).map(|_| ())
    }
}

fn body(row: &Row<'_>) -> rusqlite::Result<Value> {
    let text: String = row.get(0)?;
    serde_json::from_str(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error.into())
    })
}

fn list(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_default()
}
