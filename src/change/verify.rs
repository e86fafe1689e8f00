//! Determines the effect of a finished change from everything that affects it.

use std::time::Duration;

use futures::{StreamExt, stream};
use tokio::time::timeout;

use super::{Verify, WIDTH};
use crate::cloud::{Failure, Gateway, Subject};
use crate::context::Context;
use crate::domain::access::Request;
use crate::domain::effect::{Basis, Effect};
use crate::domain::evidence::{Judgement, said_by_all};
use crate::domain::member::Member;
use crate::domain::outcome::{ChangeOutcome, Status};
use crate::domain::target::Target;

/// The number of services that are verified without `--verify`.
const MOST: usize = 10;
/// How long a user waits without `--verify`.
const PATIENCE: Duration = Duration::from_secs(1);

/// Determines the effects of finished changes from everything that can be read, if requested.
pub(super) async fn verify(cx: &Context, outcomes: &mut [ChangeOutcome], when: Verify) {
    let done =
        |outcome: &ChangeOutcome| outcome.status == Status::Changed && !outcome.effect.is_empty();
    let count = outcomes.iter().filter(|outcome| done(outcome)).count();
    let patience = match when {
        Verify::Always => cx.deadline.limit(),
        Verify::OnATerminal if cx.terminal.interactive && count <= MOST => PATIENCE,
        Verify::Never | Verify::OnATerminal => return,
    };
    // The writes used the same gateway.
    let Ok(gateway) = cx.gateway().await else { return };
    let rows: Vec<(usize, usize, Target, Member)> = outcomes
        .iter()
        .enumerate()
        .filter(|(_, outcome)| done(outcome))
        .flat_map(|(at, outcome)| {
            let rows = outcome.effect.iter().enumerate();
            rows.map(move |(row, effect)| (at, row, outcome.target.clone(), effect.member.clone()))
        })
        .collect();
    let judged = stream::iter(rows).map(|(at, row, target, member)| async move {
        let judged = timeout(patience, Box::pin(judge(cx, gateway, &target, &member))).await;
        let Judgement { verdict, by, turns_on_request } = match judged {
            Ok(Ok(judged)) => judged,
            Ok(Err(failure)) => Judgement::unknown(failure.message),
            Err(_) => {
                let seconds = patience.as_secs();
                Judgement::unknown(format!("it was not read within {seconds} seconds"))
            }
        };
        let (because, basis, is_plain) = (by, Basis::All, false);
        (at, row, Effect { member, verdict, because, turns_on_request, basis, is_plain })
    });
    let judged: Vec<_> = judged.buffered(WIDTH).collect().await;
    for (at, row, effect) in judged {
        outcomes[at].effect[row] = effect;
    }
}

async fn judge(
    cx: &Context,
    gateway: &Gateway,
    target: &Target,
    member: &Member,
) -> Result<Judgement, Failure> {
    let whose = Subject::One { member, is_self: false };
    let Target::Service(name) = target else {
        let Some(permission) = target.permission() else {
            return Ok(Judgement::unknown("nobody invokes it"));
        };
        let (around, _) = gateway.gather_workload(target, whose, permission).await?;
        return Ok(around.may(member, permission, cx.now()));
    };
    let gathered = gateway.gather(name, whose).await?;
    Ok(said_by_all(&gathered.decide_for(member, &Request::any(cx.now()))))
}
