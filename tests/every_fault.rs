//! Every fault × every changing command, one by one: what the program says of a change, what the journal
//! says of it, and what is there must agree.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::{Plain, Serve, World, is_soak, members_of, told};

const INVOKER: &str = "roles/run.invoker";
/// What every policy holds before, and must hold after, to the letter.
fn bystanders() -> Vec<Value> {
    vec![
        json!({"role": INVOKER, "members": ["user:bystander@x.com"], "bindingId": "kept",
            "condition": {"title": "t", "expression": "request.path == \"/x\"", "location": "l"}}),
        json!({"role": "roles/run.viewer", "members": ["group:look@x.com"], "bindingId": "kept too"}),
    ]
}

/// A changing command, and how its effect is seen.
#[derive(Clone, Copy, Debug)]
struct Change {
    words: &'static [&'static str],
    /// Made before, without a fault.
    first: &'static [&'static str],
    effect: Effect,
}

impl Change {
    fn writes_at(&self, (method, _): (&str, &str)) -> bool {
        matches!(
            (self.effect, method),
            (Effect::Member(..) | Effect::Private | Effect::Proxied, "POST")
                | (Effect::Field(..) | Effect::Private | Effect::Proxied, "PATCH")
        )
    }
}

#[derive(Clone, Copy, Debug)]
enum Effect {
    /// Whether this member holds the role.
    Member(&'static str, bool),
    /// What the service has this field at.
    Field(&'static str, &'static str),
    /// Both: `make-private` of a service that is public in both ways.
    Private,
    /// Both, or neither: Identity-Aware Proxy, and the grant that it needs.
    Proxied,
}

const DEV: &str = "user:dev@x.com";

const CHANGES: [Change; 17] = [
    Change { words: &["grant", "dev@x.com"], first: &[], effect: Effect::Member(DEV, true) },
    Change {
        words: &["grant", "dev@x.com", "--for", "4h"],
        first: &[],
        effect: Effect::Member(DEV, true),
    },
    Change {
        words: &["revoke", "dev@x.com"],
        first: &["grant", "dev@x.com"],
        effect: Effect::Member(DEV, false),
    },
    Change {
        words: &["revoke", "--expired"],
        first: &[],
        effect: Effect::Member("user:late@x.com", false),
    },
    Change { words: &["make-public"], first: &[], effect: Effect::Member("allUsers", true) },
    Change {
        words: &["make-public", "--via", "no-invoker-check"],
        first: &[],
        effect: Effect::Field("invokerIamDisabled", "true"),
    },
    Change {
        words: &["make-private"],
        first: &["make-public", "--via", "no-invoker-check"],
        effect: Effect::Private,
    },
    Change {
        words: &["ingress", "SERVICE", "internal"],
        first: &[],
        effect: Effect::Field("ingress", "\"INGRESS_TRAFFIC_INTERNAL_ONLY\""),
    },
    Change {
        words: &["invoker-check", "SERVICE", "off"],
        first: &[],
        effect: Effect::Field("invokerIamDisabled", "true"),
    },
    Change {
        words: &["default-url", "SERVICE", "off"],
        first: &[],
        effect: Effect::Field("defaultUriDisabled", "true"),
    },
    Change {
        words: &["audience", "add", "SERVICE", "https://gw"],
        first: &[],
        effect: Effect::Field("customAudiences", "[\"https://gw\"]"),
    },
    Change { words: &["iap", "SERVICE", "on"], first: &[], effect: Effect::Proxied },
    Change {
        words: &["undo", "LAST"],
        first: &["audience", "add", "SERVICE", "https://gw"],
        effect: Effect::Field("customAudiences", "null"),
    },
    Change {
        words: &["restore", "FILE", "SERVICE", "--ignore-etag"],
        first: &[],
        effect: Effect::Member("user:saved@x.com", true),
    },
    Change {
        words: &["undo", "LAST"],
        first: &["grant", "dev@x.com"],
        effect: Effect::Member(DEV, false),
    },
    Change {
        words: &["undo", "LAST"],
        first: &["make-public", "--via", "no-invoker-check"],
        effect: Effect::Field("invokerIamDisabled", "null"),
    },
    Change {
        words: &["undo", "LAST"],
        first: &["ingress", "SERVICE", "internal"],
        effect: Effect::Field("ingress", "\"INGRESS_TRAFFIC_ALL\""),
    },
];

/// What goes wrong, and whether the program is to get over it where it happens once.
const FAULTS: [(&str, bool); 12] = [
    ("409", true),
    ("429,retry-after=0", true),
    ("500", true),
    ("503", true),
    ("500,when=after", true),
    ("503,when=after", true),
    ("reset", true),
    ("reset,when=after", true),
    ("truncate", true),
    ("content-type=text/html", true),
    ("403", false),
    // Late: the answer comes after the command has given up.
    ("latency=5s", false),
];

/// Where it goes wrong.
const PLACES: [(&str, &str); 5] = [
    ("GET", ":getIamPolicy"),
    ("POST", ":setIamPolicy"),
    ("GET", ""),
    ("PATCH", ""),
    ("GET", "/operations/"),
];

/// Each with a world and a server of its own.
const THREADS: usize = 4;

struct Case {
    change: Change,
    fault: &'static str,
    heals: bool,
    place: (&'static str, &'static str),
    once: bool,
}

fn cases(all: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    for change in CHANGES {
        for (fault, heals) in FAULTS {
            for place in PLACES {
                // A read does not conflict.
                if fault == "409" && place.0 == "GET" {
                    continue;
                }
                for once in [true, false] {
                    // Every command under every fault where it writes; all the rest, and what takes
                    // until the deadline, at full size.
                    let modest = change.writes_at(place) && once && fault != "latency=5s";
                    if all || modest {
                        cases.push(Case { change, fault, heals, place, once });
                    }
                }
            }
        }
    }
    cases
}

impl Case {
    fn spec(&self, service: &str) -> String {
        let (method, end) = self.place;
        let route = match end {
            "/operations/" => "*/operations/*".to_owned(),
            end => format!("*{service}{end}"),
        };
        let count = if self.once { ",count=1" } else { "" };
        format!("{},route={route},method={method}{count}", self.fault)
    }

    /// The command on a service.
    fn command(&self, words: &[&str], service: &str, file: &str, last: &str) -> Vec<String> {
        let mut command: Vec<String> = words
            .iter()
            .map(|word| match *word {
                "SERVICE" => service.to_owned(),
                "FILE" => file.to_owned(),
                "LAST" => last.to_owned(),
                word => word.to_owned(),
            })
            .collect();
        if !words.contains(&"SERVICE") && !words.contains(&"LAST") {
            command.push(service.to_owned());
        }
        let timeout = if self.fault == "latency=5s" || !self.once { "2s" } else { "30s" };
        command.extend(["--yes", "-o", "json", "--timeout", timeout].map(str::to_owned));
        command
    }

    /// Makes the change under the fault, and says what does not agree.
    fn run(&self, world: &World, plain: &Plain, service: &str) -> Result<bool, String> {
        let late = json!({"role": INVOKER, "members": ["user:late@x.com"], "condition": {
            "title": "past", "expression": "request.time < timestamp(\"2020-01-01T00:00:00Z\")"}});
        let bindings: Vec<Value> = bystanders().into_iter().chain([late]).collect();
        plain.set_bindings(service, &json!(bindings));
        let mut saved = plain.policy(service);
        let binding = json!({"role": INVOKER, "members": ["user:saved@x.com"]});
        saved["bindings"].as_array_mut().unwrap().push(binding);
        for binding in saved["bindings"].as_array_mut().unwrap() {
            binding.as_object_mut().unwrap().remove("bindingId");
        }
        let file = world.home().join(format!("{}.json", service.replace('/', "_")));
        std::fs::write(&file, saved.to_string()).unwrap();
        let file = file.to_str().unwrap();
        let run = |words: &[&str], last: &str| {
            let command = self.command(words, service, file, last);
            let words: Vec<&str> = command.iter().map(String::as_str).collect();
            let run = world.run(&words);
            let json: Value = serde_json::from_str(&run.stdout).unwrap_or_default();
            (run, json)
        };
        let mut last = String::new();
        if !self.change.first.is_empty() {
            let (first, json) = run(self.change.first, "");
            assert_eq!(first.status, 0, "{first}");
            json["changes"][0]["id"].as_str().unwrap().clone_into(&mut last);
        }
        plain.add_faults(&[self.spec(service)]);
        let (run, json) = run(self.change.words, &last);
        plain.no_faults();
        // What was late is over by the time that anybody looks.
        let is_done = self.is_done(plain, service);
        let what = || {
            let history = world.run(&["history", "--service", service, "-o", "json"]);
            format!("{}: {run}\nis done: {is_done}\n{}", self.spec(service), history.stdout)
        };
        let change = &json["changes"][0];
        let claims = run.status == 0 && change["status"] == "changed";
        if claims && !is_done {
            return Err(format!("claimed, and not there: {}", what()));
        }
        if self.once && self.heals && !claims {
            return Err(format!("it was to get over it: {}", what()));
        }
        self.check_journal(world, plain, service, claims)
            .map_err(|why| format!("{why}: {}", what()))?;
        let policy = plain.policy(service);
        let kept = policy["bindings"].as_array().unwrap();
        let restores = self.change.words.contains(&"restore");
        if !restores && !bystanders().iter().all(|bystander| kept.contains(bystander)) {
            return Err(format!("others' bindings are not as they were: {policy}"));
        }
        Ok(is_done)
    }

    /// What the journal says, at once and after it was settled, is what is there.
    fn check_journal(
        &self,
        world: &World,
        plain: &Plain,
        service: &str,
        claims: bool,
    ) -> Result<(), String> {
        let latest = || -> Value {
            let history = world.json_of(&["history", "--service", service, "--limit", "1"]);
            history["entries"][0].clone()
        };
        let begun = latest();
        let state = begun["state"].as_str().unwrap_or_default().to_owned();
        let action = match self.change.words {
            ["audience", verb, ..] => format!("audience-{verb}"),
            words => words[0].to_owned(),
        };
        let is_ours = begun["action"] == action;
        let is_done = self.is_done(plain, service);
        match state.as_str() {
            _ if !is_ours && is_done => Err("it is there, and not in the journal".to_owned()),
            _ if !is_ours => Ok(()),
            // Where it was only found to be there, the journal does not say whose it is.
            "applied" | "effect-present" if is_done => Ok(()),
            // Refused; or the answer never came, and what is there has settled it.
            "failed" | "effect-absent" if !is_done && !claims => Ok(()),
            // What could not be taken back of it is told.
            "failed" if !claims && matches!(self.change.effect, Effect::Proxied) => {
                let is_on = plain.service(service)["iapEnabled"] == json!(true);
                let told = begun["settings"].as_array().is_some_and(|told| !told.is_empty());
                if is_on == told {
                    Ok(())
                } else {
                    Err("the journal tells less, or more".to_owned())
                }
            }
            // A write that had no answer may still land: one that rests on it is not taken back.
            "overtaken" if !claims && matches!(self.change.effect, Effect::Proxied) => {
                let is_on = plain.service(service)["iapEnabled"] == json!(true);
                if is_on && !is_done { Ok(()) } else { Err("it is half done, or not".to_owned()) }
            }
            // Of `make-private`, a part may be done.
            "failed" if !claims && matches!(self.change.effect, Effect::Private) => Ok(()),
            state => Err(format!("the journal says {state}")),
        }
    }

    fn is_done(&self, plain: &Plain, service: &str) -> bool {
        match self.change.effect {
            Effect::Member(member, held) => {
                let members = members_of(&plain.policy(service), INVOKER);
                members.iter().any(|known| known == member) == held
            }
            Effect::Field(field, value) => {
                let at = plain.service(service)[field].clone();
                let expected: Value = serde_json::from_str(value).unwrap();
                at == expected || (expected.is_null() && at == json!(false))
            }
            Effect::Proxied => {
                let members = members_of(&plain.policy(service), INVOKER);
                plain.service(service)["iapEnabled"] == json!(true)
                    && members.iter().any(|member| member.contains("gcp-sa-iap"))
            }
            Effect::Private => plain.service(service)["invokerIamDisabled"] != json!(true),
        }
    }
}

/// Services of their own for so many cases.
fn services(world: &World, count: usize) -> Vec<String> {
    let seeded = (count + count / 8 + 20).to_string();
    world.run(&["sandbox", "seed", "--services", &seeded]);
    let listed = world.json_of(&["list"]);
    let all = listed["services"].as_array().unwrap().iter();
    let plain = all.filter(|service| service["name"].as_str().unwrap().starts_with("svc-"));
    let checked = plain.filter(|service| service["invokerCheck"] == json!(true));
    let names: Vec<String> =
        checked.map(|service| service["service"].as_str().unwrap().to_owned()).collect();
    assert!(names.len() >= count, "{} of {count}", names.len());
    names
}

#[test]
fn what_is_said_what_is_journalled_and_what_is_there_agree() {
    let queue: Mutex<VecDeque<Case>> = Mutex::new(cases(is_soak()).into());
    let count = queue.lock().unwrap().len();
    let failures = Mutex::new(Vec::new());
    let (done, kept) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let mut world = World::new();
                let serve = Serve::start(&world);
                world.reach(&serve);
                let plain = Plain::of(&serve.endpoint);
                for service in services(&world, count / THREADS * 2) {
                    let next = queue.lock().unwrap().pop_front();
                    let Some(case) = next else { return };
                    match case.run(&world, &plain, &service) {
                        Ok(true) => done.fetch_add(1, Ordering::SeqCst),
                        Ok(false) => kept.fetch_add(1, Ordering::SeqCst),
                        Err(why) => {
                            failures.lock().unwrap().push(why);
                            0
                        }
                    };
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    let shown = failures.iter().take(6).map(String::as_str).collect::<Vec<_>>().join("\n\n");
    assert!(failures.is_empty(), "{} of {count}:\n{shown}", failures.len());
    let (done, kept) = (done.into_inner(), kept.into_inner());
    assert_eq!((done + kept, queue.into_inner().unwrap().len()), (count, 0));
    told(&format!("{count} changes under a fault: {done} done, {kept} not, all as it was said"));
}
