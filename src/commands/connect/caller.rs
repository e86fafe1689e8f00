//! The caller: its account, what the account can already do, and from where it calls.

use super::super::args::members::{KindOption, member, missing};
use super::super::remedy::grant;
use crate::context::Context;
use crate::domain::access::{Hierarchy, Verdict};
use crate::domain::caller::{
    CallsFrom, TOKEN_CREATOR, Via, WORKLOAD_IDENTITY_USER, account_id, is_account_id,
    is_default_compute,
};
use crate::domain::error::{CommandError, ErrorKind};
use crate::domain::evidence::Judgement;
use crate::domain::invokers::Grant;
use crate::domain::member::{Member, MemberArg, MemberKind};
use crate::domain::principal::project_in;
use crate::domain::resource::looks_like_member;
use crate::domain::role::MINT_ID_TOKEN;
use crate::domain::service::{Service, VpcEgress};
use crate::domain::target::{AccountName, Existing, Target, WorkloadKind};
use crate::lookup;

/// A caller.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// The account whose token is sent.
    pub(super) account: Member,
    pub(super) name: AccountName,
    /// The project in which it runs, or in which Google's caller is configured.
    pub(super) project: String,
    pub(super) calls_from: CallsFrom,
    /// The principal that calls as the account because it cannot have a token of its own, with the
    /// role that allows that.
    pub(super) by: Option<(Member, &'static str)>,
    /// The workload that runs as the account, if one was named.
    runs: Option<Target>,
    /// The display name of an account that is created for it.
    pub(super) create: Option<String>,
    /// The command that configures the workload to run as the account.
    pub(super) deploy: Option<String>,
    pub(super) notes: Vec<String>,
    pub(super) warnings: Vec<String>,
    /// Commands that are better than this one.
    pub(super) offers: Vec<String>,
}

/// A called service, with the address and audience that a caller needs.
#[derive(Clone, Debug)]
pub(super) struct Callee {
    pub(super) service: Service,
    pub(super) url: Option<String>,
    pub(super) audience: String,
}

/// Reads the called services. The plan reports a service that cannot be read.
pub(super) async fn callees(cx: &Context, targets: &[Target]) -> Vec<Callee> {
    let Ok(gateway) = cx.gateway().await else { return Vec::new() };
    let names = targets.iter().filter_map(Target::service);
    let reads = names.map(|name| gateway.service(name));
    let read = futures::future::join_all(reads).await;
    let mut all = Vec::new();
    for service in read.into_iter().flatten() {
        let own = service.url.clone().or(service.urls.first().cloned());
        if let Some(own) = own {
            all.push(Callee { service, url: Some(own.clone()), audience: own });
            continue;
        }
        // If the default URL of the service is off, the service is called at a mapped domain, else at
        // a custom audience, which is most likely an address.
        let mapped = gateway.mappings_of(&service.name).await.unwrap_or_default();
        let mapped = mapped.first().map(|mapping| format!("https://{}", mapping.domain));
        let taken = service.custom_audiences.first().cloned();
        let url = mapped.or_else(|| taken.clone().filter(|url| url.starts_with("https://")));
        let audience = match &url {
            Some(url) if service.custom_audiences.contains(url) => url.clone(),
            _ => taken.or(url.clone()).unwrap_or_default(),
        };
        all.push(Callee { service, url, audience });
    }
    all
}

/// Finds the caller, and what it can already do.
pub(super) async fn caller(
    cx: &Context,
    typed: &str,
    via: Option<Via>,
    delegate: Option<&str>,
    callees: &[Callee],
) -> Result<Caller, CommandError> {
    if typed.is_empty() {
        return Err(missing(cx, "CALLER"));
    }
    match MemberArg::parse(typed) {
        Ok(MemberArg::Member(principal)) => {
            return match principal.kind() {
                MemberKind::Principal | MemberKind::PrincipalSet if principal.is_federated() => {
                    by_delegate(cx, (principal, typed), delegate, callees).await
                }
                MemberKind::ServiceAccount => account(cx, &principal, via, callees).await,
                _ if via.is_some() => Err(no_account("--as", &principal)),
                _ => Err(no_caller(cx, &principal, callees)),
            };
        }
        Err(_) if Member::from_policy(typed).is_public() => {
            return Err(no_caller(cx, &Member::from_policy(typed), callees));
        }
        Err(_) if is_principal(typed) => {
            member(cx, typed)?;
        }
        _ => {}
    }
    // The same note that `grant` prints for the account of a service.
    let typed = typed.strip_prefix("service:").unwrap_or(typed);
    if via.is_some() {
        return Err(CommandError::usage(format!("`{typed}` is not a service account"))
            .because("`--as` names the account whose tokens are sent, by its address"));
    }
    let target = lookup::find_target(cx, &KindOption::default().target(cx, typed)?).await?;
    let gateway = cx.gateway().await?;
    let read = match &target {
        Target::Service(name) => match gateway.service(name).await {
            Ok(read) if read.is_agent == Some(true) => {
                let principal = gateway.agent_identity(name).await.map_err(|why| {
                    let message = format!("which agent `{}` is is not known", cx.named(name));
                    CommandError::new(ErrorKind::Undetermined, message).because(why)
                })?;
                let found = by_delegate(cx, (principal, typed), delegate, callees).await?;
                return Ok(Caller {
                    calls_from: calls_from(&target, read.vpc_egress, callees),
                    ..found
                });
            }
            read => read.map(|read| (read.service_account, read.vpc_egress)),
        },
        Target::Workload(workload) if workload.kind == WorkloadKind::Job => {
            gateway.job_runs_as(workload).await
        }
        other => {
            let message = format!("`{typed}` is a {}, and calls as no caller here", other.noun());
            return Err(CommandError::usage(message)
                .because("a service, a job, an account or a federated principal calls")
                .hint(cx.command_with_argument(typed, "ACCOUNT")));
        }
    };
    let (account, egress) = match read {
        Ok(read) => read,
        Err(failure) => return Err(lookup::unread_target(cx, &target, failure).await),
    };
    let project = target.project().to_owned();
    let short = cx.named(&target);
    let address = if let Some(address) = account {
        address
    } else {
        let number = gateway.project_number(&project).await.map_err(|why| {
            CommandError::usage(format!("which account `{short}` runs as is not known"))
                .because(why)
        })?;
        format!("{number}-compute@developer.gserviceaccount.com")
    };
    let mut found = Caller {
        calls_from: calls_from(&target, egress, callees),
        notes: vec![format!("`{short}` runs as `{address}`")],
        ..of_account(&address, &project)
    };
    say_who_else(cx, &mut found, &address, Some(&target)).await?;
    if is_default_compute(&address) {
        let command = format!("{} --create-service-account", cx.command());
        found.warnings.push(format!("`{command}` gives `{short}` an account of its own"));
        found.offers.push(command);
    }
    found.runs = Some(target);
    Ok(found)
}

/// A caller that cannot have an ID token of its own: it calls as an account whose tokens it may
/// obtain.
async fn by_delegate(
    cx: &Context,
    (principal, typed): (Member, &str),
    delegate: Option<&str>,
    callees: &[Callee],
) -> Result<Caller, CommandError> {
    let role = if principal.is_agent() { TOKEN_CREATOR } else { WORKLOAD_IDENTITY_USER };
    let what = if principal.is_agent() { "an agent" } else { "a federated identity" };
    let Some(delegate) = delegate else {
        let message = format!("`{typed}` is {what}: it calls by an account that `--as` names");
        return Err(CommandError::usage(message)
            .because(format!("`{principal}` can have no ID token of its own for certain"))
            .hint(cx.command_with_option("--as", Some("ACCOUNT"))));
    };
    let MemberArg::Member(delegate) = member(cx, delegate)? else {
        return Err(CommandError::usage(format!("`--as` names no service account: `{delegate}`")));
    };
    if delegate.kind() != MemberKind::ServiceAccount {
        return Err(no_account("--as", &delegate));
    }
    let mut found = account(cx, &delegate, None, callees).await?;
    let address = found.account.address().to_owned();
    found.notes.push(format!("`{principal}` calls with tokens of `{address}`"));
    found.by = Some((principal, role));
    Ok(found)
}

/// Whether a text that is not a valid principal looks like one.
fn is_principal(typed: &str) -> bool {
    ["principal:", "principalSet:"].iter().any(|begin| typed.starts_with(begin))
        || looks_like_member(typed)
}

/// The error for a principal that is not the account whose tokens are sent.
fn no_account(option: &str, principal: &Member) -> CommandError {
    CommandError::usage(format!("`{option}` names a service account, and `{principal}` is none"))
        .because("services call with tokens of service accounts")
}

/// The error for a principal that needs no connection: it calls as itself, and is granted access.
fn no_caller(cx: &Context, principal: &Member, callees: &[Callee]) -> CommandError {
    let named = |callee: &Callee| cx.named(&callee.service.name);
    let services = callees.iter().map(named).collect::<Vec<_>>().join(" ");
    let error = |why: &str| {
        CommandError::usage(format!("`{principal}` cannot be connected")).because(why.to_owned())
    };
    match principal.kind() {
        MemberKind::Deleted => error("it is deleted, and can call nothing"),
        MemberKind::AllUsers => {
            error("whoever has no credential is let in by making a service public")
                .hint(cx.suggest(&format!("make-public {services}")))
        }
        MemberKind::Other | MemberKind::Principal | MemberKind::PrincipalSet => {
            error("it is of a kind that this version does not know")
        }
        _ => {
            error("`connect` is for service accounts, which services call with; others are granted")
                .hint(cx.suggest(&grant(principal, &services)))
        }
    }
}

async fn account(
    cx: &Context,
    account: &Member,
    via: Option<Via>,
    callees: &[Callee],
) -> Result<Caller, CommandError> {
    let address = account.address().to_owned();
    let set_up_in = cx.project()?.value;
    let home = project_in(&address).filter(|project| !project.chars().all(|c| c.is_ascii_digit()));
    let project = home.map_or_else(|| set_up_in.clone(), str::to_owned);
    let found = of_account(&address, &project);
    // A workload that cannot be read may exist.
    if let Ok(Existing::Nothing) = cx.gateway().await?.account(&found.name).await {
        let message = format!("there is no service account `{address}`");
        return Err(CommandError::new(ErrorKind::NotFound, message)
            .hint_gcloud(format!("iam service-accounts list --project={project}")));
    }
    let from = match via {
        None => CallsFrom::Unknown,
        Some(via) => {
            let is_same = |callee: &Callee| callee.service.name.project() == set_up_in;
            if callees.iter().all(is_same) {
                CallsFrom::Inside("Google's own callers in the same project are internal")
            } else {
                CallsFrom::Internet(format!("{} of another project calls", via.title()))
            }
        }
    };
    let mut found = Caller { calls_from: from, project: set_up_in, ..found };
    if is_default_compute(&address) {
        say_who_else(cx, &mut found, &address, None).await?;
    }
    Ok(found)
}

fn of_account(address: &str, project: &str) -> Caller {
    Caller {
        account: Member::of_account(address),
        name: AccountName { project: project.to_owned(), address: address.to_owned() },
        project: project.to_owned(),
        calls_from: CallsFrom::Unknown,
        by: None,
        runs: None,
        create: None,
        deploy: None,
        notes: Vec::new(),
        warnings: Vec::new(),
        offers: Vec::new(),
    }
}

/// Requests from Cloud Run come from the internet, unless all of them go through a VPC network
/// (documented).
fn calls_from(target: &Target, egress: Option<VpcEgress>, callees: &[Callee]) -> CallsFrom {
    let project = target.project();
    let (group, name) = named(target);
    let elsewhere = callees.iter().any(|callee| callee.service.name.project() != project);
    match egress {
        Some(VpcEgress::AllTraffic) if elsewhere => {
            CallsFrom::Internet(format!("`{name}` is in another project"))
        }
        Some(VpcEgress::AllTraffic) => {
            CallsFrom::Inside("all of its requests go by the VPC network")
        }
        Some(VpcEgress::PrivateRanges) => CallsFrom::Internet(format!(
            "`{name}` sends requests to private addresses alone by its VPC network \
             (`--vpc-egress=all-traffic` sends all)"
        )),
        None => CallsFrom::Internet(format!(
            "`{name}` calls over the internet (`gcloud run {group} update {name} \
             --vpc-egress=all-traffic --network=NETWORK` has it call from inside)"
        )),
    }
}

/// gcloud's group of a service or job, and its name.
fn named(target: &Target) -> (&'static str, &str) {
    match target {
        Target::Service(service) => (service.kind().collection(), service.service()),
        Target::Workload(workload) => (workload.kind.word(), &workload.name),
        // Accounts and domain mappings do not run.
        Target::Account(account) => ("services", &account.address),
        Target::Mapping(mapping) => ("services", &mapping.domain),
    }
}

/// Notes the other workloads that run as an account and gain access too.
async fn say_who_else(
    cx: &Context,
    caller: &mut Caller,
    address: &str,
    but: Option<&Target>,
) -> Result<(), CommandError> {
    let listing = cx.gateway().await?.services(&caller.name.project, "-").await;
    let services = listing.iter().flat_map(|listing| &listing.services);
    let others: Vec<String> = services
        .filter(|other| but.is_none_or(|target| *target != other.name))
        .filter(|other| other.service_account.as_deref() == Some(address))
        .map(|other| other.name.short())
        .collect();
    let too = if but.is_some() { " too" } else { "" };
    match others.as_slice() {
        [] => {}
        [only] => caller.warnings.push(format!("`{only}` runs as that account{too}")),
        [first, rest @ ..] => caller
            .warnings
            .push(format!("`{first}` and {} more services run as that account{too}", rest.len())),
    }
    if is_default_compute(address) {
        say_what_it_can(cx, caller).await?;
    }
    Ok(())
}

/// Notes the roles of the default account on the project and above.
async fn say_what_it_can(cx: &Context, caller: &mut Caller) -> Result<(), CommandError> {
    let gateway = cx.gateway().await?;
    let above = gateway.above(&caller.project, Some(&caller.account)).await;
    let mut held: Vec<String> = Vec::new();
    let mut unread = false;
    for layer in &above.allow {
        let Ok(grants) = &layer.read else {
            unread = true;
            continue;
        };
        let own = |grant: &&Grant| grant.member.same_as(&caller.account) && grant.counts(cx.now());
        for grant in grants.iter().filter(own) {
            held.push(format!("`{}` on `{}`", grant.role, layer.resource));
        }
    }
    let what = match held.as_slice() {
        [] if unread => "what it holds on the project could not be read".to_owned(),
        [] => "it holds nothing on the project itself".to_owned(),
        held => format!("it holds {}", held.join(", ")),
    };
    caller.warnings.push(format!(
        "that is the default account, which whatever names no other runs as; {what}"
    ));
    Ok(())
}

/// Plans the creation of an account for the caller.
pub(super) async fn creation(
    cx: &Context,
    caller: &mut Caller,
    id: &str,
) -> Result<(), CommandError> {
    if caller.by.is_some() {
        let message = "an agent or a federated identity calls by an account that is there";
        return Err(CommandError::usage(message)
            .because("it does not run as that account, which `--as` names")
            .hint(cx.command_without(&["--create-service-account"])));
    }
    let Some(target) = caller.runs.clone() else {
        return Err(CommandError::usage(
            "`--create-service-account` makes one for what runs as it",
        )
        .because(format!("the caller is an account already: `{}`", caller.account.address()))
        .hint(cx.command_without(&["--create-service-account"])));
    };
    let (group, name) = named(&target);
    let project = target.project();
    let id = if id.is_empty() { account_id(name) } else { id.to_owned() };
    if !is_account_id(&id) {
        return Err(CommandError::usage(format!("`{id}` cannot be the id of a service account"))
            .because("it is 6 to 30 characters long: lower-case letters, digits and hyphens"));
    }
    let address = format!("{id}@{project}.iam.gserviceaccount.com");
    let now = caller.account.address().to_owned();
    caller.notes = vec![format!("`{}` runs as `{now}` today", cx.named(&target))];
    caller.warnings.clear();
    caller.offers.clear();
    let is_new_to_it = now != address;
    caller.account = Member::of_account(&address);
    caller.name = AccountName { project: project.to_owned(), address: address.clone() };
    caller.create = Some(format!("Runs {name}"));
    caller.deploy = is_new_to_it.then(|| {
        format!(
            "gcloud run {group} update {name} --service-account={address} --region={} \
             --project={project}",
            target.region().unwrap_or_default()
        )
    });
    if let Ok(Existing::Account { .. }) = cx.gateway().await?.account(&caller.name).await {
        caller.warnings.push(format!("`{address}` is there already, and is taken as it is"));
        say_who_else(cx, caller, &address, Some(&target)).await?;
    }
    Ok(())
}

/// Google's agent that creates the tokens, if it lacks the permission.
pub(super) async fn second_grant(
    cx: &Context,
    caller: &mut Caller,
    via: Via,
) -> Result<Option<(Member, &'static str)>, CommandError> {
    let gateway = cx.gateway().await?;
    let address = caller.account.address().to_owned();
    caller.notes.push(via.also_needs(&address));
    let number = gateway.project_number(&caller.project).await.map_err(|why| {
        CommandError::usage(format!(
            "the account of {} in project `{}` is not known",
            via.title(),
            caller.project
        ))
        .because(format!("it goes by the project's number, which could not be read: {why}"))
    })?;
    let agent = via.agent(&number);
    let place =
        Hierarchy { project: caller.project.clone(), number: Some(number), ..Hierarchy::default() };
    minter(cx, caller, (agent, TOKEN_CREATOR), (via.title().to_owned(), place)).await
}

/// The principal that calls as the account, if it lacks the permission to obtain its tokens.
pub(super) async fn grant_to_caller(
    cx: &Context,
    caller: &mut Caller,
) -> Result<Option<(Member, &'static str)>, CommandError> {
    let Some((principal, role)) = caller.by.clone() else { return Ok(None) };
    let number = cx.gateway().await?.project_number(&caller.project).await.ok();
    let place = Hierarchy { project: caller.project.clone(), number, ..Hierarchy::default() };
    let title = format!("`{principal}`");
    minter(cx, caller, (principal, role), (title, place)).await
}

async fn minter(
    cx: &Context,
    caller: &mut Caller,
    (agent, role): (Member, &'static str),
    (title, place): (String, Hierarchy),
) -> Result<Option<(Member, &'static str)>, CommandError> {
    let gateway = cx.gateway().await?;
    let address = caller.account.address().to_owned();
    let around = gateway.account_policies(&address, &place).await;
    let Judgement { verdict, by, .. } = around.may(&agent, MINT_ID_TOKEN, cx.now());
    match verdict {
        Verdict::Allowed => {
            caller.notes.push(format!("{title} may have tokens of `{address}` already: {by}"));
            Ok(None)
        }
        Verdict::Denied => Ok(Some((agent, role))),
        Verdict::Unknown => {
            caller.notes.push(format!(
                "whether {title} may have tokens of `{address}` already is not known ({by}), so \
                 `{role}` is granted"
            ));
            Ok(Some((agent, role)))
        }
    }
}
