//! The real `runaccess` against the sandbox over real HTTP, and against servers that misbehave.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::too_many_lines, reason = "snapshots are long, and are read whole")]

mod support;

mod agreement;
mod bad_input;
mod changes;
mod clients;
mod clock;
mod completions;
mod concurrency;
mod conditions;
mod connect;
mod contributing;
mod credentials;
mod curl;
mod doctor;
mod domains;
mod dry_run;
mod durability;
mod effects;
mod every_fault;
mod explain;
mod faults;
mod front_end;
mod gcloud_set_up;
mod history;
mod identity;
mod interruption;
mod jobs;
mod journal;
mod layering;
mod limits;
mod look;
mod menu;
mod names;
mod official_writes;
mod older_files;
mod output;
mod principals;
mod prompts;
mod proxy;
mod proxy_abuse;
mod proxy_streams;
mod proxy_wire;
mod public;
mod quota;
mod readme;
mod refusals;
mod remedies;
mod requests;
mod restore;
mod sandbox_ancestors;
mod sandbox_api;
mod sandbox_apis;
mod sandbox_assets;
mod sandbox_command;
mod sandbox_google;
mod sandbox_v1;
#[cfg(target_os = "linux")]
mod secrets;
mod server_faults;
mod swarm;
mod switches;
mod tls;
mod wait;
