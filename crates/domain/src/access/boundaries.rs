//! Whether principal access boundaries keep a caller from a resource.

use super::super::boundary::{Boundary, binds, bound_at};
use super::super::condition::Doubt;
use super::super::principal::Caller;
use super::fallback::unread;
use super::{Attached, Hierarchy, Layer, Outcome, Step, Uncertainty};

/// The layer of boundaries: whoever is bound by any must find the resource in one that binds them.
pub(super) fn bounded<'a>(
    boundaries: &[Attached<'a, Boundary>],
    caller: Caller<'_>,
    place: &Hierarchy,
) -> Step<'a> {
    let say = |outcome, reason: String| Step::new(Layer::Boundary, outcome, reason);
    let Caller::Verified(member) = caller else {
        return say(Outcome::Pass, "whoever has no credential is in no boundary".to_owned());
    };
    let open = |doubts| Step::open(Layer::Boundary, (Outcome::Block, Outcome::Pass), None, doubts);
    let Some((home, places)) = bound_at(member, place) else {
        let why = format!(
            "the principal access boundaries of `{member}` are its own organisation's, which is not known"
        );
        return open(vec![Uncertainty { what: "", doubt: Doubt::unread(why) }]);
    };
    let (mut doubts, mut outside, mut inside) = (Vec::new(), None, None);
    for at in &places {
        let Some(layer) = boundaries.iter().find(|layer| layer.resource == at) else {
            let why = format!("the principal access boundaries at `{at}` were not read");
            doubts.push(Uncertainty { what: "", doubt: Doubt::unread(why) });
            continue;
        };
        let read = match layer.read {
            Ok(read) => read,
            Err(why) => {
                doubts.push(unread("the principal access boundaries", layer.resource, why));
                continue;
            }
        };
        for boundary in read {
            let (id, resource) = (boundary.policy_id(), layer.resource);
            match binds(boundary, member, at, home) {
                Some(false) => {}
                Some(true) if boundary.spans(place) => inside = inside.or(Some(id)),
                Some(true) => outside = outside.or(Some(id)),
                None => {
                    let why = format!(
                        "whether the principal access boundary `{id}` binds `{member}` cannot be told"
                    );
                    doubts.push(Uncertainty { what: resource, doubt: Doubt::undecidable(why) });
                }
            }
        }
    }
    match (inside, outside) {
        (Some(id), _) => {
            say(Outcome::Pass, format!("the principal access boundary `{id}` holds the resource"))
        }
        // What was not read may hold it.
        (None, Some(_)) if !doubts.is_empty() => {
            Step::open(Layer::Boundary, (Outcome::Pass, Outcome::Block), None, doubts)
        }
        (None, Some(id)) => say(
            Outcome::Block,
            format!("the principal access boundary `{id}` keeps the caller to other resources"),
        ),
        (None, None) if doubts.is_empty() => {
            say(Outcome::Pass, "no principal access boundary binds the caller".to_owned())
        }
        (None, None) => open(doubts),
    }
}

/// What boundaries say of a caller: whether they keep it from a resource at this place.
pub fn kept_by_boundaries(
    boundaries: &[Attached<'_, Boundary>],
    caller: Caller<'_>,
    place: &Hierarchy,
) -> Outcome {
    bounded(boundaries, caller, place).outcome
}
