//! The remaining access of a principal, with the command that removes each part of it for that
//! principal alone.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};

use crate::cloud::{Failure, Gateway, Subject};
use crate::context::Context;
use crate::domain::access::{Hierarchy, Verdict};
use crate::domain::error::{CommandError, quoted};
use crate::domain::evidence::{Counts, GrantPath, Judgement, PolicyLayer, ResourceEvidence};
use crate::domain::exit_code::ExitCode;
use crate::domain::invokers::Grant;
use crate::domain::member::{Member, MemberKind};
use crate::domain::permission::Permission;
use crate::domain::principal::project_in;
use crate::domain::role::{MINT_ID_TOKEN, PASS_IAP, is_basic};
use crate::domain::target::Target;
use crate::domain::ways_in::Via;
use crate::report::{Command, ConditionShape, LeftRow};

/// How many resources are judged at a time.
pub(super) const WIDTH: usize = 8;

/// The remaining access, and what is unknown.
#[derive(Debug, Default)]
pub(super) struct RemainingAccess {
    pub(super) rows: Vec<LeftRow>,
    /// Access that may remain, as sentences.
    pub(super) unknown: Vec<String>,
}

impl RemainingAccess {
    /// The exit code: access remains, or may remain.
    pub(super) fn code(&self) -> ExitCode {
        if !self.rows.is_empty() {
            ExitCode::No
        } else if self.unknown.is_empty() {
            ExitCode::Done
        } else {
            ExitCode::Undetermined
        }
    }

    /// Prints each remaining access with the command that removes it.
    pub(super) fn tell(&self, cx: &Context) {
        for row in &self.rows {
            cx.terminal.warning(&row.words());
            if let Some(command) = &row.command {
                cx.terminal.hint(command.text());
            }
        }
        let is_gcloud = |row: &LeftRow| matches!(row.command, Some(Command::Gcloud(_)));
        if cx.is_sandbox() && self.rows.iter().any(is_gcloud) {
            cx.terminal.note("commands of gcloud go to Google, not to the sandbox");
        }
        for line in &self.unknown {
            cx.terminal.warning(line);
        }
    }
}

/// A resource, and what its users must hold.
struct Asked {
    target: Target,
    permission: Permission<'static>,
}

/// What was read of one resource.
struct Findings {
    around: ResourceEvidence,
    iap: Vec<PolicyLayer<Grant>>,
    has_iap: bool,
    check_off: bool,
    said: Judgement,
}

/// Judges every resource for each member by everything that can be read. `with_accounts` includes
/// accounts whose tokens the member may obtain.
pub(super) async fn look(
    cx: &Context,
    targets: &[Target],
    members: &[Member],
    with_accounts: bool,
) -> Result<RemainingAccess, CommandError> {
    let gateway = cx.gateway().await?;
    // Nobody invokes what asks for no permission: a worker pool.
    let used = targets.iter().filter_map(|target| Some((target, target.permission()?)));
    let pairs: Vec<(Asked, Member)> = used
        .flat_map(|(target, permission)| {
            let asked = move || Asked { target: target.clone(), permission };
            members.iter().map(move |member| (asked(), member.clone()))
        })
        .collect();
    let judged = stream::iter(pairs).map(|(asked, member)| async move {
        let judged = Box::pin(judge(cx, gateway, &asked, &member)).await;
        (asked, member, judged)
    });
    let judged: Vec<_> = judged.buffered(WIDTH).collect().await;
    let mut left = RemainingAccess::default();
    let mut accounts: Vec<(Member, Target)> = Vec::new();
    for (asked, member, judged) in judged {
        let target = &asked.target;
        let (verb, short) = (target.verb(), cx.named(target));
        let unknown =
            |why: &str| format!("whether `{member}` can still {verb} `{short}` is unknown: {why}");
        match judged {
            Ok(judged) => {
                if with_accounts {
                    let may = judged.around.accounts_with(asked.permission, cx.now());
                    let of_project = may.into_iter().filter(|m| project_in(m.address()).is_some());
                    accounts.extend(of_project.map(|account| (account, target.clone())));
                }
                let Judgement { verdict, by, turns_on_request } = &judged.said;
                match verdict {
                    Verdict::Denied => {}
                    Verdict::Unknown if !turns_on_request => left.unknown.push(unknown(by)),
                    Verdict::Allowed | Verdict::Unknown => {
                        left.rows.extend(rows(cx, &asked, &member, &judged));
                    }
                }
                left.rows.extend(past_iap(cx, target, &member, &judged));
            }
            Err(failure) => left.unknown.push(unknown(&failure.message)),
        }
    }
    accounts.sort();
    accounts.dedup_by(|(a, _), (b, _)| a == b);
    accounts.retain(|(account, _)| !members.iter().any(|member| member.same_as(account)));
    let read = stream::iter(accounts).map(|(account, target)| async move {
        let around = gateway.account_policies(account.address(), &Hierarchy::default()).await;
        (account, target, around)
    });
    let read: Vec<_> = read.buffered(WIDTH).collect().await;
    for (account, target, around) in &read {
        let unread = around.allow.iter().any(|layer| layer.read.is_err());
        for member in members {
            let ways = around.ways(member, MINT_ID_TOKEN, cx.now());
            if unread || ways.iter().any(|way| way.counts == Counts::Perhaps) {
                left.unknown.push(format!(
                    "whether `{member}` may have tokens of `{}` is unknown",
                    account.address()
                ));
            }
            left.rows.extend(certain(cx, target, member, &ways, |_| Via::ActAs));
        }
    }
    name_groups(gateway, &mut left.rows).await;
    Ok(left)
}

/// Names the groups that a principal must leave, if they are nested in the granted group.
async fn name_groups(gateway: &Gateway, rows: &mut [LeftRow]) {
    let mut known: BTreeMap<(Member, Member), Option<Command>> = BTreeMap::new();
    for row in rows {
        let (holder, member) = (&row.holder, &row.member);
        if holder.kind() != MemberKind::Group || !member.is_account() {
            continue;
        }
        let key = (row.holder.clone(), row.member.clone());
        if !known.contains_key(&key) {
            let ways = gateway.membership_paths(holder.address(), member).await;
            let leave = |ways: Vec<String>| {
                let commands: Vec<String> =
                    ways.iter().map(|group| leave_group(group, member)).collect();
                Command::Gcloud(commands.join(" && "))
            };
            let command = ways.filter(|ways| !ways.is_empty()).map(leave);
            known.insert(key.clone(), command);
        }
        if let Some(Some(command)) = known.get(&key) {
            row.command = Some(command.clone());
        }
    }
}

/// Leaving a group changes nothing else in it.
fn leave_group(group: &str, member: &Member) -> String {
    let member = member.address();
    format!(
        "gcloud identity groups memberships delete --group-email={group} --member-email={member}"
    )
}

async fn judge(
    cx: &Context,
    gateway: &Gateway,
    asked: &Asked,
    member: &Member,
) -> Result<Findings, Failure> {
    let whose = Subject::One { member, is_self: false };
    match &asked.target {
        Target::Service(name) => {
            let gathered = gateway.gather(name, whose).await?;
            let said = gathered.may_call(member, cx.now());
            let check_off = !gathered.service.invoker_check;
            let has_iap = gathered.service.iap;
            Ok(Findings { around: gathered.around, iap: gathered.iap, has_iap, check_off, said })
        }
        job => {
            let (around, _) = gateway.gather_workload(job, whose, asked.permission).await?;
            let said = around.may(member, asked.permission, cx.now());
            let (iap, has_iap, check_off) = (Vec::new(), false, false);
            Ok(Findings { around, iap, has_iap, check_off, said })
        }
    }
}

/// The remaining access of an allowed principal, one row for each grant or open check.
fn rows(cx: &Context, asked: &Asked, member: &Member, judged: &Findings) -> Vec<LeftRow> {
    let Asked { target, permission } = asked;
    let check_off = judged.check_off.then(|| LeftRow {
        member: member.clone(),
        service: target.to_string(),
        role: None,
        condition: None,
        via: Via::InvokerCheckDisabled,
        resource: target.to_string(),
        holder: Member::all_users(),
        short: cx.named(target),
        command: None,
    });
    if judged.has_iap {
        return check_off.into_iter().collect();
    }
    let of = |member: &Member| {
        let ways = judged.around.ways(member, *permission, cx.now());
        certain(cx, target, member, &ways, |way| via(way.resource))
    };
    let mut rows = of(member);
    // The group itself is not allowed, but its members are.
    if let Some(members) = judged.around.members.as_ref().filter(|_| rows.is_empty()) {
        rows = members.read.iter().flat_map(of).collect();
    }
    check_off.into_iter().chain(rows).collect()
}

/// The grants that allow a principal through Identity-Aware Proxy.
fn past_iap(cx: &Context, target: &Target, member: &Member, judged: &Findings) -> Vec<LeftRow> {
    if !judged.has_iap {
        return Vec::new();
    }
    let allow = judged.around.layers_of_iap(&judged.iap).cloned().collect();
    let around = ResourceEvidence { allow, ..judged.around.clone() };
    let ways = around.ways(member, PASS_IAP, cx.now());
    certain(cx, target, member, &ways, |_| Via::Iap)
}

/// The grants that allow a principal, even if only for some requests: one row for each, with the
/// command that removes it.
fn certain(
    cx: &Context,
    target: &Target,
    member: &Member,
    ways: &[GrantPath<'_>],
    via: impl Fn(&GrantPath<'_>) -> Via,
) -> Vec<LeftRow> {
    let certain = ways.iter().filter(|way| way.counts != Counts::Perhaps);
    certain
        .map(|way| LeftRow {
            member: member.clone(),
            service: target.to_string(),
            role: Some(way.grant.role.clone()),
            condition: way.grant.condition.as_ref().map(ConditionShape::from),
            via: via(way),
            resource: way.resource.to_owned(),
            holder: way.grant.member.clone(),
            short: cx.named(target),
            command: command_for(cx, target, member, way),
        })
        .collect()
}

/// The resource whose policy contains the grant; the resource itself is reported as the service.
fn via(resource: &str) -> Via {
    match Via::of_resource(resource) {
        above @ (Via::Folder | Via::Organization | Via::Project) => above,
        _ => Via::Service,
    }
}

/// The command that removes the access for this member alone; `None` if there is none.
fn command_for(
    cx: &Context,
    target: &Target,
    member: &Member,
    way: &GrantPath<'_>,
) -> Option<Command> {
    let holder = &way.grant.member;
    if !holder.same_as(member) && !holder.names(member) {
        return match holder.kind() {
            MemberKind::Group if member.is_account() => {
                Some(Command::Gcloud(leave_group(holder.address(), member)))
            }
            _ => None,
        };
    }
    // A basic role allows far more than invoking: the user must decide to remove it.
    if is_basic(&way.grant.role) {
        return None;
    }
    let all = if way.grant.condition.is_some() { "--all" } else { "--condition=None" };
    let member = quoted(&format!("--member={holder}"));
    let role = quoted(&format!("--role={}", way.grant.role));
    let of = |group: &str, id: &str| {
        let words = format!("gcloud {group} remove-iam-policy-binding {id} {member} {role} {all}");
        Some(Command::Gcloud(words))
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
                // gcloud has no name for a single region here.
                _ => return None,
            };
            let project = target.project();
            Some(Command::Gcloud(format!(
                "gcloud iap web remove-iam-policy-binding{service} {member} {role} {all} --project={project}"
            )))
        }
        _ => {
            let named = cx.named(target);
            // A member in a form that cannot be granted anything has only its text.
            let flag = if holder.is_of_deny_policies() { "--member " } else { "" };
            let who = format!("{flag}{}", quoted(holder.as_str()));
            let role = &way.grant.role;
            let under = match &way.grant.condition {
                Some(under) => format!(" --condition-title {}", quoted(&under.title)),
                None => String::new(),
            };
            let words = format!("revoke {who} {named} --role {role}{under}");
            Some(Command::Own(cx.suggest(&words)))
        }
    }
}
