//! What is in the store, read and written within one transaction.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::{Value, json};

use crate::domain::resource::ServiceName;

/// One view of the world.
#[derive(Debug)]
pub(super) struct World<'a> {
    db: &'a Connection,
}

/// A project.
#[derive(Clone, Debug)]
pub(super) struct Project {
    pub(super) id: String,
    pub(super) number: String,
    /// The part of hashed host names that is the same for all services of the project.
    pub(super) hash: String,
    /// The organisation's domain.
    pub(super) domain: String,
    /// Organisation policies in force, by the name of their constraint.
    pub(super) constraints: Vec<String>,
}

/// What `sandbox status` shows of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectSummary {
    pub project: String,
    pub number: String,
    pub services: u32,
    pub constraints: Vec<String>,
}

/// Where a page of services starts, and how long it may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageRequest {
    pub(super) after: i64,
    pub(super) limit: usize,
}

impl<'a> World<'a> {
    pub(super) fn new(db: &'a Connection) -> Self {
        Self { db }
    }

    pub(super) fn clear(&self) -> rusqlite::Result<()> {
        self.db.execute_batch(
            "DELETE FROM projects; DELETE FROM service_accounts; DELETE FROM services;
             DELETE FROM policies; DELETE FROM revisions; DELETE FROM operations;",
        )
    }

    pub(super) fn summaries(&self) -> rusqlite::Result<Vec<ProjectSummary>> {
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

    pub(super) fn put_project(&self, project: &Project) -> rusqlite::Result<()> {
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
            .map(|_| ())
    }

    /// A project by its id or number.
    pub(super) fn project(&self, id: &str) -> rusqlite::Result<Option<Project>> {
        self.db
            .prepare_cached(
                "SELECT id, number, hash, domain, constraints FROM projects
                 WHERE id = ?1 OR number = ?1",
            )?
            .query_row([id], |row| {
                Ok(Project {
                    id: row.get(0)?,
                    number: row.get(1)?,
                    hash: row.get(2)?,
                    domain: row.get(3)?,
                    constraints: list(&row.get::<_, String>(4)?),
                })
            })
            .optional()
    }

    pub(super) fn put_service_account(&self, email: &str, project: &str) -> rusqlite::Result<()> {
        self.db
            .execute("INSERT INTO service_accounts VALUES (?1, ?2)", [email, project])
            .map(|_| ())
    }

    pub(super) fn has_service_account(&self, email: &str) -> rusqlite::Result<bool> {
        self.db
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM service_accounts WHERE email = ?1)")?
            .query_row([email], |row| row.get(0))
    }

    pub(super) fn service(&self, name: &ServiceName) -> rusqlite::Result<Option<Value>> {
        self.db
            .prepare_cached(
                "SELECT body FROM services WHERE project = ?1 AND region = ?2 AND name = ?3",
            )?
            .query_row([name.project(), name.region(), name.service()], body)
            .optional()
    }

    pub(super) fn put_service(&self, name: &ServiceName, service: &Value) -> rusqlite::Result<()> {
        self.db
            .prepare_cached(
                "INSERT INTO services (project, region, name, body) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (project, region, name) DO UPDATE SET body = excluded.body",
            )?
            .execute(params![name.project(), name.region(), name.service(), service.to_string()])
            .map(|_| ())
    }

    pub(super) fn delete_service(&self, name: &ServiceName) -> rusqlite::Result<()> {
        self.db.execute(
            "DELETE FROM services WHERE project = ?1 AND region = ?2 AND name = ?3",
            [name.project(), name.region(), name.service()],
        )?;
        let full = name.to_string();
        self.db.execute("DELETE FROM policies WHERE resource = ?1", [&full])?;
        self.db.execute("DELETE FROM revisions WHERE service = ?1", [&full]).map(|_| ())
    }

    /// A page of a region's services, oldest first, with the token of the next page.
    pub(super) fn services_by_age(
        &self,
        project: &str,
        region: &str,
        page: PageRequest,
    ) -> rusqlite::Result<(Vec<Value>, Option<i64>)> {
        self.page(
            "SELECT body, serial FROM services
             WHERE project = ?1 AND (?2 = '-' OR region = ?2) AND serial > ?3
             ORDER BY serial LIMIT ?4",
            (project, region, page),
        )
    }

    /// A page of the services of one region, or of all (`-`), newest first.
    pub(super) fn services_newest_first(
        &self,
        project: &str,
        region: &str,
        page: PageRequest,
    ) -> rusqlite::Result<(Vec<Value>, Option<i64>)> {
        self.page(
            "SELECT body, serial FROM services
             WHERE project = ?1 AND (?2 = '-' OR region = ?2) AND (?3 = 0 OR serial < ?3)
             ORDER BY serial DESC LIMIT ?4",
            (project, region, page),
        )
    }

    fn page(
        &self,
        sql: &str,
        (project, region, page): (&str, &str, PageRequest),
    ) -> rusqlite::Result<(Vec<Value>, Option<i64>)> {
        let mut statement = self.db.prepare_cached(sql)?;
        let limit = i64::try_from(page.limit).unwrap_or(i64::MAX - 1);
        let rows = statement.query_map(params![project, region, page.after, limit + 1], |row| {
            Ok((body(row)?, row.get::<_, i64>(1)?))
        })?;
        let mut rows: Vec<(Value, i64)> = rows.collect::<Result<_, _>>()?;
        let more = rows.len() > page.limit;
        rows.truncate(page.limit);
        let next = rows.last().filter(|_| more).map(|(_, serial)| *serial);
        Ok((rows.into_iter().map(|(body, _)| body).collect(), next))
    }

    pub(super) fn policy(&self, name: &ServiceName) -> rusqlite::Result<Option<Value>> {
        self.db
            .prepare_cached("SELECT body FROM policies WHERE resource = ?1")?
            .query_row([name.to_string()], body)
            .optional()
    }

    pub(super) fn put_policy(&self, name: &ServiceName, policy: &Value) -> rusqlite::Result<()> {
        self.db
            .prepare_cached("INSERT OR REPLACE INTO policies VALUES (?1, ?2)")?
            .execute([name.to_string(), policy.to_string()])
            .map(|_| ())
    }

    pub(super) fn put_revision(
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

    pub(super) fn revision(&self, name: &str) -> rusqlite::Result<Option<Value>> {
        self.db.query_row("SELECT body FROM revisions WHERE name = ?1", [name], body).optional()
    }

    /// Every revision of a service, newest first.
    pub(super) fn revisions(&self, service: &ServiceName) -> rusqlite::Result<Vec<Value>> {
        let mut statement = self
            .db
            .prepare_cached("SELECT body FROM revisions WHERE service = ?1 ORDER BY serial DESC")?;
        let rows = statement.query_map([service.to_string()], body)?;
        rows.collect()
    }

    pub(super) fn put_operation(&self, name: &str, operation: &Value) -> rusqlite::Result<()> {
        self.db
            .execute("INSERT INTO operations VALUES (?1, ?2)", [name, &operation.to_string()])
            .map(|_| ())
    }

    pub(super) fn operation(&self, name: &str) -> rusqlite::Result<Option<Value>> {
        self.db.query_row("SELECT body FROM operations WHERE name = ?1", [name], body).optional()
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
