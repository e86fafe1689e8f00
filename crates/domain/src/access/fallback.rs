//! What is left to decide by where the service itself may not be read.

use super::super::condition::Doubt;
use super::{ABOVE, Decision, Layer, Outcome, Step, Uncertainty, verdict};

/// Decides where not even the service could be read, and why that is, by what Cloud Run said of the
/// caller. Whether the check is on, and what comes before it, is unknown then.
pub fn decide_unread(told: bool, why: &str) -> Decision<'static> {
    let open = |layer: Layer, why: String| {
        let doubt = vec![Uncertainty { what: "", doubt: Doubt::unread(why) }];
        Step::open(layer, (Outcome::Block, Outcome::Pass), None, doubt)
    };
    let mut steps = vec![
        open(Layer::Reachability, format!("the service could not be read: {why}")),
        open(Layer::Iap, "whether it is on could not be read".to_owned()),
        open(Layer::InvokerCheck, "whether it is on could not be read".to_owned()),
    ];
    if told {
        let why = "Cloud Run says that the caller holds the permission";
        steps.extend([Layer::Deny, Layer::Allow].map(|layer| Step::new(layer, Outcome::Pass, why)));
    } else {
        let why = "Cloud Run says that the caller does not hold the permission, which matters where \
                   the check is on";
        let doubt = vec![Uncertainty { what: "", doubt: Doubt::unread(why) }];
        let either = (Outcome::Pass, Outcome::Block);
        steps.push(Step::open(Layer::Allow, either, None, doubt));
    }
    Decision { verdict: verdict(&steps), steps }
}

pub(super) fn unread<'a>(what: &str, resource: &'a str, why: &str) -> Uncertainty<'a> {
    let text = match resource.strip_prefix(ABOVE) {
        Some(below) => format!("{what} above `{below}` could not be read: {why}"),
        None => format!("{what} of `{resource}` could not be read: {why}"),
    };
    Uncertainty { what: resource, doubt: Doubt::unread(text) }
}
