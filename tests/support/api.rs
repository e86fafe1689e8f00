//! The sandbox's APIs as a client of any kind sends to them.

use serde_json::{Value, json};

use super::{Serve, World};

/// A serving sandbox and a client of it.
pub(crate) struct Api {
    pub(crate) world: World,
    pub(crate) serve: Serve,
    pub(crate) client: reqwest::Client,
}

impl Api {
    pub(crate) fn new() -> Self {
        Self::with_faults(&[])
    }

    /// A sandbox where something goes wrong.
    pub(crate) fn with_faults(faults: &[&str]) -> Self {
        let world = World::new();
        let serve = Serve::with_faults(&world, faults);
        Self { world, serve, client: reqwest::Client::new() }
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> (u16, Value) {
        self.send_to(None, method, path, body).await
    }

    /// Sends a request to the host name of a region, as gcloud does.
    pub(crate) async fn send_to(
        &self,
        region: Option<&str>,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let url = format!("{}/{path}", self.serve.endpoint);
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.client.request(method, url).bearer_auth("opaque");
        if let Some(region) = region {
            request = request.header("Host", format!("{region}-127.0.0.1"));
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (code, value) = self.send("GET", path, None).await;
        assert_eq!(code, 200, "{path}: {value}");
        value
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.send("POST", path, Some(&body)).await
    }

    /// Code, status and message of an error.
    pub(crate) async fn refused(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> (u16, String, String) {
        let (code, value) = self.send(method, path, body).await;
        let error = &value["error"];
        assert_eq!(error["code"], code, "{value}");
        let text = |name: &str| error[name].as_str().unwrap().to_owned();
        (code, text("status"), text("message"))
    }

    pub(crate) async fn policy(&self, path: &str) -> Value {
        self.get(&format!("{path}:getIamPolicy?options.requestedPolicyVersion=3")).await
    }

    pub(crate) async fn done(&self, operation: &Value) -> Value {
        assert_ne!(operation["done"], true, "{operation}");
        let name = operation["name"].as_str().unwrap();
        let (code, done) = self.post(&format!("v2/{name}:wait"), json!({"timeout": "5s"})).await;
        assert_eq!((code, &done["done"]), (200, &json!(true)), "{done}");
        assert_eq!(self.get(&format!("v2/{name}")).await, done);
        done["response"].clone()
    }
}
