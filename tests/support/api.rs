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
        let faults: Vec<&str> = faults.iter().flat_map(|fault| ["--fault", fault]).collect();
        Self::with(&faults)
    }

    /// A sandbox that serves with these options.
    pub(crate) fn with(options: &[&str]) -> Self {
        let world = World::new();
        let serve = Serve::with(&world, options);
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        Self { world, serve, client: client.build().unwrap() }
    }

    /// What the token endpoint gives an account.
    pub(crate) async fn tokens(&self, account: &str, more: &[(&str, &str)]) -> Value {
        let refresh = format!("1//sandbox:{account}");
        let mut form = vec![
            ("grant_type", "refresh_token"),
            ("client_id", super::GCLOUD),
            ("refresh_token", &refresh),
        ];
        form.extend(more);
        let (code, answer) = self.form("token", &form).await;
        assert_eq!(code, 200, "{answer}");
        answer
    }

    /// An ID token of an account: a user's with gcloud's client as its audience, a service
    /// account's for `audience`.
    pub(crate) async fn id_token(&self, account: &str, audience: &str) -> String {
        let more = [("audience", audience)];
        let tokens = self.tokens(account, if audience.is_empty() { &[] } else { &more }).await;
        tokens["id_token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn access_token(&self, account: &str) -> String {
        self.tokens(account, &[]).await["access_token"].as_str().unwrap().to_owned()
    }

    /// Posts a form.
    pub(crate) async fn form(&self, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
        let body: String =
            form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let url = format!("{}/{path}", self.serve.endpoint);
        let kind = "application/x-www-form-urlencoded";
        let sent = self.client.post(url).header("content-type", kind).body(body).send().await;
        let answer = sent.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// A request to a service's own address.
    pub(crate) fn front(&self, method: &str, host: &str, path: &str) -> reqwest::RequestBuilder {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        self.client.request(method, format!("{}{path}", self.serve.endpoint)).header("Host", host)
    }

    /// Lets a principal invoke a service of the home region.
    pub(crate) async fn let_in(&self, service: &str, member: &str, role: &str) {
        let path = format!("v2/projects/sandbox-project/locations/us-central1/services/{service}");
        let mut policy = self.policy(&path).await;
        let bindings = policy["bindings"].as_array().cloned().unwrap_or_default();
        let binding = json!({"role": role, "members": [member]});
        policy["bindings"] = bindings.into_iter().chain([binding]).collect();
        policy["version"] = json!(3);
        let body = json!({"policy": policy});
        assert_eq!(self.post(&format!("{path}:setIamPolicy"), body).await.0, 200);
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
        self.call(region, "opaque", method, path, body).await
    }

    /// Calls an API as somebody.
    pub(crate) async fn send_as(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> (u16, Value) {
        self.call(None, token, method, path, body).await
    }

    async fn call(
        &self,
        region: Option<&str>,
        token: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let url = format!("{}/{path}", self.serve.endpoint);
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.client.request(method, url).bearer_auth(token);
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
