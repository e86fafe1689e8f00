//! Projects, which have both an ID and a number.

use super::Context;
use crate::domain::resource::is_project_number;
use crate::domain::target::Target;

impl Context {
    /// The ID of a project; a number is looked up once per command. If the lookup fails, returns
    /// the number, which Google's APIs accept too.
    pub async fn project_id(&self, project: &str) -> String {
        if !is_project_number(project) {
            return project.to_owned();
        }
        if let Some(id) = self.known_id(project) {
            return id;
        }
        let Ok(gateway) = self.gateway().await else { return project.to_owned() };
        let Ok((id, number)) = gateway.project_id_and_number(project).await else {
            return project.to_owned();
        };
        self.projects.borrow_mut().push((number, id.clone()));
        id
    }

    /// Looks up the ID of the active project, if a number was set.
    pub async fn know_project(&self) {
        if let Ok(project) = self.project_as_set() {
            self.project_id(&project.value).await;
        }
    }

    /// The number of a project, if an earlier response contained it.
    pub fn known_number(&self, project: &str) -> Option<String> {
        if is_project_number(project) {
            return Some(project.to_owned());
        }
        let known = self.projects.borrow();
        known.iter().find(|(_, id)| id == project).map(|(number, _)| number.clone())
    }

    /// Whether two texts name the same project; the reason if that cannot be determined.
    pub async fn is_one_project(&self, a: &str, b: &str) -> Result<bool, String> {
        if a == b || is_project_number(a) == is_project_number(b) {
            return Ok(a == b);
        }
        if self.are_known_as_one(a, b) {
            return Ok(true);
        }
        let (number, id) = if is_project_number(a) { (a, b) } else { (b, a) };
        if let Some(known) = self.known_id(number) {
            return Ok(known == id);
        }
        let gateway = self.gateway().await.map_err(|error| error.in_one_line())?;
        let (_, found) = gateway.project_id_and_number(id).await?;
        self.projects.borrow_mut().push((found.clone(), id.to_owned()));
        Ok(found == number)
    }

    /// Whether two texts are known to name the same project, without a request.
    pub fn are_known_as_one(&self, a: &str, b: &str) -> bool {
        let known = self.projects.borrow();
        let pair = |x: &str, y: &str| known.iter().any(|(number, id)| number == x && id == y);
        a == b || pair(a, b) || pair(b, a)
    }

    /// Records the ID and number of a project from an earlier response.
    pub fn learn_project(&self, number: &str, id: &str) {
        if !is_project_number(id) && self.known_id(number).is_none() {
            self.projects.borrow_mut().push((number.to_owned(), id.to_owned()));
        }
    }

    /// Whether two full names are known to name the same resource.
    pub fn are_one_target(&self, a: &Target, b: &Target) -> bool {
        self.are_known_as_one(a.project(), b.project()) && a.in_project(b.project()) == *b
    }

    fn known_id(&self, number: &str) -> Option<String> {
        let known = self.projects.borrow();
        known.iter().find(|(known, _)| known == number).map(|(_, id)| id.clone())
    }
}
