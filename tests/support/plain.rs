//! Another client of a sandbox that is served: plain requests, each on a connection of its own, from any
//! thread.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

/// A client that knows nothing of the program.
#[derive(Clone, Debug)]
pub(crate) struct Plain {
    address: String,
}

impl Plain {
    pub(crate) fn of(endpoint: &str) -> Self {
        let address = endpoint.trim_start_matches("http://").trim_end_matches('/').to_owned();
        Self { address }
    }

    /// Sends a request, and returns the status and the answer.
    pub(crate) fn send(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let head = format!(
            "{method} /{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer plain\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    /// The policy of a service, by its full name.
    pub(crate) fn policy(&self, service: &str) -> Value {
        let path = format!("v2/{service}:getIamPolicy?options.requestedPolicyVersion=3");
        let (code, policy) = self.send("GET", &path, None);
        assert_eq!(code, 200, "{policy}");
        policy
    }

    /// The service itself.
    pub(crate) fn service(&self, service: &str) -> Value {
        let (code, found) = self.send("GET", &format!("v2/{service}"), None);
        assert_eq!(code, 200, "{found}");
        found
    }

    /// Puts these bindings in place of all that there are, whatever others do.
    pub(crate) fn set_bindings(&self, service: &str, bindings: &Value) {
        let body = json!({"policy": {"version": 3, "bindings": bindings}});
        let (code, said) = self.send("POST", &format!("v2/{service}:setIamPolicy"), Some(&body));
        assert_eq!(code, 200, "{said}");
    }

    /// Edits the bindings with their etag, again and again until nobody was faster.
    pub(crate) fn edit(&self, service: &str, edit: impl Fn(&mut Vec<Value>)) {
        loop {
            let mut policy = self.policy(service);
            let mut bindings = policy["bindings"].as_array().cloned().unwrap_or_default();
            edit(&mut bindings);
            policy["bindings"] = Value::Array(bindings);
            policy["version"] = json!(3);
            let path = format!("v2/{service}:setIamPolicy");
            let (code, said) = self.send("POST", &path, Some(&json!({"policy": policy})));
            match code {
                200 => return,
                409 => {}
                other => panic!("{other}: {said}"),
            }
        }
    }

    /// Turns faults on, beside those that are.
    pub(crate) fn add_faults(&self, faults: &[String]) {
        let (code, said) = self.send("POST", "sandbox/faults", Some(&json!({"faults": faults})));
        assert_eq!(code, 200, "{said}");
    }

    /// Turns every fault off.
    pub(crate) fn no_faults(&self) {
        assert_eq!(self.send("DELETE", "sandbox/faults", None).0, 200);
    }
}

/// The members of a role, of all its bindings together.
pub(crate) fn members_of(policy: &Value, role: &str) -> Vec<String> {
    let bindings = policy["bindings"].as_array().cloned().unwrap_or_default();
    let of_role = bindings.iter().filter(|binding| binding["role"] == role);
    let members = of_role.flat_map(|binding| binding["members"].as_array().cloned().unwrap());
    members.map(|member| member.as_str().unwrap().to_owned()).collect()
}
