//! The real `runaccess` against the sandbox over real HTTP, and against servers that misbehave.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::too_many_lines, reason = "snapshots are long, and are read whole")]

mod support;

mod agreement;
mod bad_input;
mod beside;
mod calling;
mod changes;
mod clients;
mod clock;
mod completions;
mod concurrency;
mod conditions;
mod connecting;
mod doctor;
mod domains;
mod durability;
mod effects;
mod every_fault;
mod explain;
mod faults;
mod front_end;
mod gcloud_set_up;
mod guided;
mod history;
mod identity;
mod interrupted;
mod journal;
mod layering;
mod limits;
mod look;
mod naming;
mod older_files;
mod output;
mod planned;
mod principals;
mod prompts;
mod proxy;
mod proxy_abuse;
mod proxy_streams;
mod proxy_wire;
mod public;
mod readme;
mod requests;
mod restoring;
mod sandbox_above;
mod sandbox_api;
mod sandbox_around;
mod sandbox_command;
mod sandbox_v1;
#[cfg(target_os = "linux")]
mod secrets;
mod server_faults;
mod swarm;
mod switches;
mod tls;
mod waiting;
