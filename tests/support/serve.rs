//! `sandbox serve`, started and stopped.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use serde_json::Value;

use super::World;

/// A serving sandbox; killed when dropped.
pub(crate) struct Serve {
    pub(crate) endpoint: String,
    pub(crate) first_line: String,
    pub(crate) child: Child,
}

impl Serve {
    pub(crate) fn start(world: &World) -> Self {
        Self::with_faults(world, &[])
    }

    /// Serves with something that goes wrong.
    pub(crate) fn with_faults(world: &World, faults: &[&str]) -> Self {
        let faults: Vec<&str> = faults.iter().flat_map(|fault| ["--fault", fault]).collect();
        Self::with(world, &faults)
    }

    /// Serves with these options.
    pub(crate) fn with(world: &World, options: &[&str]) -> Self {
        let mut arguments = vec!["sandbox", "serve", "--port", "0", "-o", "json"];
        arguments.extend(options);
        let mut child =
            world.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut first_line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first_line).unwrap();
        let line: Value = serde_json::from_str(&first_line).unwrap();
        let endpoint = line["endpoint"].as_str().unwrap().to_owned();
        Self { endpoint, first_line, child }
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
