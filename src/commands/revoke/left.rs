//! What is left of somebody's access, with what ends each way for them alone.

use futures::{StreamExt, stream};

use crate::cloud::{Failure, For};
use crate::context::Context;
use crate::domain::access::Verdict;
use crate::domain::evidence::{Around, Groups, Layered, Way};
use crate::domain::invokers::Grant;
use crate::domain::member::{Member, MemberKind};
use crate::domain::principal::{is_service_agent, project_in};
use crate::domain::role::{MINT_ID_TOKEN, PASS_IAP, is_basic};
use crate::domain::target::Target;
use crate::error::{CommandError, quoted};
use crate::exit_code::ExitCode;
use crate::report::LeftRow;

/// How many resources are judged at a time.
const WIDTH: usize = 8;

/// What is left, and what cannot be told.
#[derive(Debug, Default)]
pub(super) struct Left {
    pub(super) rows: Vec<LeftRow>,
    /// What may be left, in a sentence each.
    pub(super) unknown: Vec<String>,
}

impl Left {
    /// The exit code that it makes: something is left, or may be.
    pub(super) fn code(&self) -> ExitCode {
        if !self.rows.is_empty() {
            ExitCode::No
        } else if self.unknown.is_empty() {
            ExitCode::Done
        } else {
            ExitCode::Undetermined
        }
    }

    /// Says each way, with the command that ends it.
    pub(super) fn tell(&self, cx: &Context) {
        for row in &self.rows {
            cx.terminal.warning(&row.words());
            if let Some(command) = &row.command {
                cx.terminal.hint(command);
            }
        }
        for line in &self.unknown {
            cx.terminal.warning(line);
        }
    }
}

/// What was read of one resource.
struct Judged {
    around: Around,
    iap: Vec<Layered<Grant>>,
    has_iap: bool,
    check_off: bool,
    verdict: Verdict,
    by: String,
}

/// Judges every resource for each of the members by everything that can be read. `with_accounts` looks
/// also for accounts that they may have tokens of.
pub(super) async fn look(
    cx: &Context,
    targets: &[Target],
    members: &[Member],
    with_accounts: bool,
) -> Result<Left, CommandError> {
    let gateway = cx.gateway().await?;
    let pairs: Vec<(Target, Member)> = targets
        .iter()
        .flat_map(|target| members.iter().map(move |member| (target.clone(), member.clone())))
        .collect();
    let judged = stream::iter(pairs).map(|(target, member)| async move {
        let judged = Box::pin(judge(cx, &target, &member)).await;
        (target, member, judged)
    });
    let judged: Vec<_> = judged.buffered(WIDTH).collect().await;
    let mut left = Left::default();
    let mut accounts: Vec<(Member, Target)> = Vec::new();
    for (target, member, judged) in judged {
        let (verb, short) = (target.verb(), cx.named(&target));
        match judged {
            Ok(judged) => {
                if with_accounts {
                    accounts.extend(invoking_accounts(&judged.around, &target, cx));
                }
                match judged.verdict {
                    Verdict::Denied => {}
                    Verdict::Allowed => left.rows.extend(rows(cx, &target, &member, &judged)),
                    Verdict::Unknown => left.unknown.push(format!(
                        "whether `{member}` can still {verb} `{short}` is unknown: {}",
                        judged.by
                    )),
                }
                left.rows.extend(past_iap(cx, &target, &member, &judged));
            }
            Err(failure) => left.unknown.push(format!(
                "whether `{member}` can still {verb} `{short}` is unknown: {}",
                failure.message
            )),
        }
    }
    accounts.sort();
    accounts.dedup();
    let mut seen: Vec<&Member> = Vec::new();
    for (account, target) in &accounts {
        if seen.contains(&account) || members.iter().any(|member| member.same_as(account)) {
            continue;
        }
        seen.push(account);
        let place = crate::domain::access::Place::default();
        let (allow, roles) = gateway.account_policies(account.address(), &place).await;
        let (deny, groups) = (Vec::new(), Groups::new());
        let around = Around { allow, deny, place, roles, groups, tags: None };
        for member in members {
            let ways = around.ways(member, MINT_ID_TOKEN, cx.now());
            let unread = around.allow.iter().any(|layer| layer.read.is_err());
            if unread || ways.iter().any(|way| !way.is_certain) {
                left.unknown.push(format!(
                    "whether `{member}` may have tokens of `{}` is unknown",
                    account.address()
                ));
            }
            left.rows.extend(ways.iter().filter(|way| way.is_certain).map(|way| LeftRow {
                command: command_for(cx, target, member, way),
                ..row(cx, target, member, way, "act-as")
            }));
        }
    }
    Ok(left)
}

async fn judge(cx: &Context, target: &Target, member: &Member) -> Result<Judged, Failure> {
    let other = |error: CommandError| {
        Failure::new(crate::cloud::FailureKind::Other, "judge what is left", error.message)
    };
    let gateway = cx.gateway().await.map_err(other)?;
    let whose = For::One { member, is_self: false };
    match target {
        Target::Service(name) => {
            let gathered = gateway.gather(name, whose).await?;
            let (verdict, by) = gathered.may_call(member, cx.now());
            let check_off = !gathered.service.invoker_check;
            let has_iap = gathered.service.iap;
            Ok(Judged {
                around: gathered.around,
                iap: gathered.iap,
                has_iap,
                check_off,
                verdict,
                by,
            })
        }
        job => {
            let (around, _) = gateway.gather_job(job, whose, job.permission()).await?;
            let (verdict, by) = around.may(member, job.permission(), cx.now());
            let (iap, has_iap, check_off) = (Vec::new(), false, false);
            Ok(Judged { around, iap, has_iap, check_off, verdict, by })
        }
    }
}

/// The ways by which somebody gets in who does.
fn rows(cx: &Context, target: &Target, member: &Member, judged: &Judged) -> Vec<LeftRow> {
    if judged.check_off {
        return vec![LeftRow {
            member: member.to_string(),
            service: target.to_string(),
            role: None,
            via: "invoker-check-disabled",
            resource: target.to_string(),
            holder: "allUsers".to_owned(),
            short: cx.named(target),
            command: None,
        }];
    }
    if judged.has_iap {
        return Vec::new();
    }
    let ways = judged.around.ways(member, target.permission(), cx.now());
    let certain = ways.iter().filter(|way| way.is_certain);
    certain
        .map(|way| LeftRow {
            command: command_for(cx, target, member, way),
            ..row(cx, target, member, way, via(way.resource))
        })
        .collect()
}

/// The grants by which Identity-Aware Proxy lets somebody by.
fn past_iap(cx: &Context, target: &Target, member: &Member, judged: &Judged) -> Vec<LeftRow> {
    if !judged.has_iap {
        return Vec::new();
    }
    let layers: Vec<Layered<Grant>> =
        judged.iap.iter().chain(judged.around.allow.iter().skip(1)).cloned().collect();
    let around = Around { allow: layers, ..judged.around.clone() };
    let ways = around.ways(member, PASS_IAP, cx.now());
    let certain = ways.iter().filter(|way| way.is_certain);
    certain
        .map(|way| LeftRow {
            command: command_for(cx, target, member, way),
            ..row(cx, target, member, way, "iap")
        })
        .collect()
}

fn row(
    cx: &Context,
    target: &Target,
    member: &Member,
    way: &Way<'_>,
    via: &'static str,
) -> LeftRow {
    LeftRow {
        member: member.to_string(),
        service: target.to_string(),
        role: Some(way.grant.role.clone()),
        via,
        resource: way.resource.to_owned(),
        holder: way.grant.member.to_string(),
        short: cx.named(target),
        command: None,
    }
}

fn via(resource: &str) -> &'static str {
    match resource.split('/').collect::<Vec<_>>().as_slice() {
        ["projects", _] => "project",
        ["folders", _] => "folder",
        ["organizations", _] => "organization",
        _ => "service",
    }
}

/// The command that ends a way for this member alone; `None` where none does.
fn command_for(cx: &Context, target: &Target, member: &Member, way: &Way<'_>) -> Option<String> {
    let holder = &way.grant.member;
    if !holder.same_as(member) {
        return match holder.kind() {
            // Out of the group, and nothing else of it changes.
            MemberKind::Group if member.is_account() => Some(format!(
                "gcloud identity groups memberships delete --group-email={} --member-email={}",
                holder.address(),
                member.address()
            )),
            _ => None,
        };
    }
    // A basic role is far more than to invoke: to take it away is for people to decide.
    if is_basic(&way.grant.role) {
        return None;
    }
    let condition = match &way.grant.condition {
        None => "None".to_owned(),
        Some(_) => "--all".to_owned(),
    };
    let all = if condition == "None" { "--condition=None".to_owned() } else { condition };
    let member = quoted(&format!("--member={holder}"));
    let role = quoted(&format!("--role={}", way.grant.role));
    let of = |group: &str, id: &str| {
        Some(format!("gcloud {group} remove-iam-policy-binding {id} {member} {role} {all}"))
    };
    match way.resource.split('/').collect::<Vec<_>>().as_slice() {
        ["projects", id] => of("projects", id),
        ["folders", id] => of("resource-manager folders", id),
        ["organizations", id] => of("organizations", id),
        ["projects", _, "serviceAccounts", address] => of("iam service-accounts", address),
        ["projects", _, "iap_web", rest @ ..] => {
            let service = match rest {
                [_, "services", service] => {
                    let region = target.region().unwrap_or_default();
                    format!(" --resource-type=cloud-run --service={service} --region={region}")
                }
                [] => String::new(),
                // Of one region alone gcloud has no name.
                _ => return None,
            };
            let project = target.project();
            Some(format!(
                "gcloud iap web remove-iam-policy-binding{service} {member} {role} {all} --project={project}"
            ))
        }
        _ => {
            let named = cx.named(target);
            let who = quoted(&way.grant.member.to_string());
            let role = &way.grant.role;
            Some(cx.suggest(&format!("revoke {who} {named} --role {role} --any-condition")))
        }
    }
}

/// The accounts that may invoke a resource, and that somebody may have tokens of.
fn invoking_accounts(around: &Around, target: &Target, cx: &Context) -> Vec<(Member, Target)> {
    let granted = around.allow.iter().flat_map(|layer| layer.read.iter().flatten());
    granted
        .filter(|grant| grant.member.kind() == MemberKind::ServiceAccount && grant.counts(cx.now()))
        .filter(|grant| around.carries(&grant.role, target.permission()) == Some(true))
        .map(|grant| grant.member.clone())
        .filter(|member| {
            !is_service_agent(member.address()) && project_in(member.address()).is_some()
        })
        .map(|member| (member, target.clone()))
        .collect()
}
