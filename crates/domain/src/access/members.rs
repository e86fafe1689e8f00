//! A group is judged by its members: allowed if every one is, denied if one that can be read is not.

use super::{Decision, Layer, Outcome, Step, Verdict, verdict};
use crate::member::Member;

/// The decision for a group, by that for each of its members that could be read. `whole` is what the
/// policies say of the group as such; it stands where the members do not settle a layer. `are_all` says
/// whether every member was read.
pub fn for_members<'a>(
    whole: Decision<'a>,
    group: &Member,
    each: &[(&Member, Decision<'a>)],
    are_all: bool,
) -> Decision<'a> {
    if each.is_empty() {
        return if are_all { nobody(whole, group) } else { whole };
    }
    let allowed = each.iter().filter(|(_, of)| of.verdict == Verdict::Allowed).count();
    let of = each.len();
    let count = if are_all {
        format!("{allowed} of {of} members of `{group}` get in")
    } else {
        format!("{allowed} of the {of} members of `{group}` that were read get in")
    };
    let steps = whole.steps.into_iter();
    let steps: Vec<Step<'a>> = steps.map(|step| for_layer(step, each, are_all, &count)).collect();
    Decision { verdict: verdict(&steps), steps }
}

/// The decision for a group in which nobody is: what would turn on its members turns on nothing.
fn nobody<'a>(mut whole: Decision<'a>, group: &Member) -> Decision<'a> {
    for step in &mut whole.steps {
        for unless in &mut step.doubts {
            unless.doubt.why = format!("nobody is in `{group}`").into();
        }
        if step.outcome == Outcome::Unknown {
            step.reason = format!("nobody is in `{group}`").into();
        }
    }
    whole
}

/// What one layer says of the members. `count` stands in the reason if one of them is stopped.
fn for_layer<'a>(
    whole: Step<'a>,
    each: &[(&Member, Decision<'a>)],
    are_all: bool,
    count: &str,
) -> Step<'a> {
    let layer = whole.layer;
    let steps: Vec<(&Member, &Step<'a>)> =
        each.iter().filter_map(|(member, of)| Some((*member, of.step(layer)?))).collect();
    let first = |outcome| steps.iter().find(|(_, step)| step.outcome == outcome);
    if let Some((member, step)) = first(Outcome::Block) {
        let reason = format!("{count}; `{member}` does not: {}", step.reason);
        return Step { reason: reason.into(), ..(*step).clone() };
    }
    if !are_all {
        return whole;
    }
    if let Some((_, step)) = first(Outcome::Unknown) {
        return (*step).clone();
    }
    match steps.first() {
        Some((_, step)) if whole.outcome != step.outcome => {
            let is_same = steps.iter().all(|(_, other)| other.reason == step.reason);
            let source = step.source.filter(|_| steps.iter().all(|(_, s)| s.source == step.source));
            let reason =
                if is_same { step.reason.clone() } else { "every member gets past".into() };
            Step { reason, source, ..(*step).clone() }
        }
        _ => whole,
    }
}

impl<'a> Decision<'a> {
    fn step(&self, layer: Layer) -> Option<&Step<'a>> {
        self.steps.iter().find(|step| step.layer == layer)
    }
}
