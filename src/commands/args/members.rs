//! Parses members and services; asks for a required one that is missing.

use crate::context::Context;
use crate::domain::error::{CommandError, ErrorKind};
use crate::domain::member::{Member, MemberArg, MemberError};
use crate::domain::printable::with_article;
use crate::domain::resource::{ServiceRef, ServiceRefError, looks_like_member};
use crate::domain::role::Role;
use crate::domain::target::{Kind, Target, TargetRef, WorkloadKind};
use crate::lookup::{self, FoundService};
use crate::terminal;

/// The service or instance of a command that takes one.
pub(in crate::commands) async fn one_service(
    cx: &Context,
    typed: Option<&str>,
    question: &str,
) -> Result<FoundService, CommandError> {
    match typed {
        Some(typed) => lookup::find(cx, &service_or_instance(cx, typed)?).await,
        None if cx.terminal.interactive => {
            Ok(FoundService { name: lookup::pick(cx, question).await?, facts: None })
        }
        None => Err(missing(cx, "SERVICE")),
    }
}

/// Parses one service. What is done to services alone, by settings that instances may not have, is
/// not done to an instance.
pub(in crate::commands) fn service(cx: &Context, typed: &str) -> Result<ServiceRef, CommandError> {
    let reference = service_or_instance(cx, typed)?;
    if reference.is_of_instance() {
        return Err(CommandError::usage(format!(
            "`{typed}` is an instance, and this is about services"
        ))
        .because(
            "who may invoke an instance is changed by `grant` and `revoke`; its settings by \
             `gcloud beta run instances update`",
        ));
    }
    Ok(reference)
}

/// Parses a service or an instance.
pub(in crate::commands) fn service_or_instance(
    cx: &Context,
    typed: &str,
) -> Result<ServiceRef, CommandError> {
    ServiceRef::parse(typed).map_err(|error| match &error {
        ServiceRefError::Name { instead: Some(instead), .. } => {
            let hint = cx.command_with_argument(typed, instead);
            CommandError::from(error).hint(hint)
        }
        _ => error.into(),
    })
}

/// The option that says what a plain name is of.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub(in crate::commands) struct KindOption {
    /// What a plain name is of; `jobs/NAME`, `functions/NAME`, `instances/NAME` and
    /// `worker-pools/NAME` say it themselves
    #[arg(long, value_enum, value_name = "KIND")]
    kind: Option<KindValue>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum KindValue {
    Service,
    Job,
    /// A Cloud Functions (2nd gen) function, by its underlying service
    Function,
    /// A Cloud Run instance (in preview)
    Instance,
    WorkerPool,
}

impl KindOption {
    fn kind(self) -> Option<Kind> {
        self.kind.map(|kind| match kind {
            KindValue::Service => Kind::Service,
            KindValue::Job => Kind::Workload(WorkloadKind::Job),
            KindValue::Function => Kind::Function,
            KindValue::Instance => Kind::Instance,
            KindValue::WorkerPool => Kind::Workload(WorkloadKind::WorkerPool),
        })
    }

    /// Parses a service, or what is like one.
    pub(in crate::commands) fn target(
        self,
        cx: &Context,
        typed: &str,
    ) -> Result<TargetRef, CommandError> {
        TargetRef::parse(typed, self.kind()).map_err(|error| match &error {
            ServiceRefError::Name { typed: name, instead: Some(instead), .. } => {
                let instead = typed.replace(name, instead);
                CommandError::from(error).hint(cx.command_with_argument(typed, &instead))
            }
            _ => error.into(),
        })
    }

    /// Parses the targets of a command that takes several, or lets the user pick a service.
    pub(in crate::commands) async fn targets(
        self,
        cx: &Context,
        typed: &[String],
        question: &str,
    ) -> Result<Vec<TargetRef>, CommandError> {
        if !typed.is_empty() {
            return typed.iter().map(|text| self.target(cx, text)).collect();
        }
        if !cx.terminal.interactive {
            return Err(missing(cx, "SERVICE"));
        }
        Ok(vec![ServiceRef::Full(lookup::pick(cx, question).await?).into()])
    }

    /// The target of a command that takes one.
    pub(in crate::commands) async fn one_target(
        self,
        cx: &Context,
        typed: Option<&str>,
        question: &str,
    ) -> Result<Target, CommandError> {
        match typed {
            Some(typed) => lookup::find_target(cx, &self.target(cx, typed)?).await,
            None if cx.terminal.interactive => Ok(lookup::pick(cx, question).await?.into()),
            None => Err(missing(cx, "SERVICE")),
        }
    }
}

/// Parses the services of a command that takes several, or lets the user pick one.
pub(in crate::commands) async fn services(
    cx: &Context,
    typed: &[String],
    question: &str,
) -> Result<Vec<ServiceRef>, CommandError> {
    if !typed.is_empty() {
        return typed.iter().map(|text| service(cx, text)).collect();
    }
    if !cx.terminal.interactive {
        return Err(missing(cx, "SERVICE"));
    }
    Ok(vec![ServiceRef::Full(lookup::pick(cx, question).await?)])
}

/// The members and services of `grant` and `revoke`.
#[derive(Debug)]
pub(in crate::commands) struct Operands {
    pub(in crate::commands) members: Vec<MemberArg>,
    pub(in crate::commands) services: Vec<String>,
}

/// Separates members from services: the first operand holds the members, split at commas, unless
/// `--member` gave them.
pub(in crate::commands) fn operands(
    cx: &Context,
    flagged: &[String],
    positional: &[String],
) -> Result<Operands, CommandError> {
    operands_by(cx, flagged, positional, |typed| member(cx, typed))
}

/// The same for members that a policy contains, in any form.
pub(in crate::commands) fn held_operands(
    cx: &Context,
    flagged: &[String],
    positional: &[String],
) -> Result<Operands, CommandError> {
    operands_by(cx, flagged, positional, |typed| Ok(MemberArg::parse_held(typed)))
}

fn operands_by(
    cx: &Context,
    flagged: &[String],
    positional: &[String],
    parse: impl Fn(&str) -> Result<MemberArg, CommandError>,
) -> Result<Operands, CommandError> {
    if !flagged.is_empty() {
        let members = flagged.iter().map(|typed| parse(typed)).collect::<Result<_, _>>()?;
        return Ok(Operands { members, services: positional.to_vec() });
    }
    let Some((first, services)) = positional.split_first() else {
        return Ok(Operands { members: Vec::new(), services: Vec::new() });
    };
    check_order(cx, first, services)?;
    // A federated principal may contain a comma; it is then given with `--member`.
    let members = first.split(',').map(parse).collect::<Result<_, _>>()?;
    Ok(Operands { members, services: services.to_vec() })
}

/// Asks for a member and checks it during input.
pub(in crate::commands) async fn ask_for_member(
    cx: &Context,
    question: &str,
) -> Result<MemberArg, CommandError> {
    if !cx.terminal.interactive {
        return Err(missing(cx, "MEMBER"));
    }
    let check = |text: &str| match MemberArg::parse(text) {
        Ok(_) => Ok(()),
        Err(MemberError { why, instead: None, .. }) => Err(why.to_owned()),
        Err(MemberError { why, instead: Some(instead), .. }) => {
            Err(format!("{why}; perhaps {instead}"))
        }
    };
    let typed =
        cx.ask(question, move |question, color| terminal::type_in(question, color, check)).await?;
    Ok(MemberArg::parse(&typed)?)
}

/// A member as it was, or could have been, typed.
pub(in crate::commands) fn typed(member: &MemberArg) -> String {
    match member {
        MemberArg::Me => "me".to_owned(),
        MemberArg::Member(member) | MemberArg::Held { member, .. } => member.to_string(),
        MemberArg::RuntimeOf(name) => format!("service:{name}"),
    }
}

/// Members in IAM's form, with notes for the plan on how they were resolved.
#[derive(Debug, Default)]
pub(in crate::commands) struct ResolvedMembers {
    pub(in crate::commands) members: Vec<Member>,
    pub(in crate::commands) notes: Vec<String>,
    pub(in crate::commands) warnings: Vec<String>,
    /// Members that are valid only if a policy contains them, each with the error otherwise.
    pub(in crate::commands) unproven: Vec<(Member, MemberError)>,
}

impl ResolvedMembers {
    /// Refuses a member that is no valid principal, unless a policy contains it.
    pub(in crate::commands) fn check_held(
        &self,
        cx: &Context,
        is_held: impl Fn(&Member) -> bool,
    ) -> Result<(), CommandError> {
        match self.unproven.iter().find(|(member, _)| !is_held(member)) {
            None => Ok(()),
            Some((member, error)) => Err(no_member(cx, member.as_str(), error.clone())),
        }
    }
}

/// Resolves `me` and `service:NAME` to accounts.
pub(in crate::commands) async fn resolve(
    cx: &Context,
    typed: &[MemberArg],
) -> Result<ResolvedMembers, CommandError> {
    let mut resolved = ResolvedMembers::default();
    for argument in typed {
        let member = match argument {
            MemberArg::Member(member) => member.clone(),
            MemberArg::Me => {
                let identity = cx.identity()?;
                let account = identity.account.as_deref().ok_or_else(|| {
                    CommandError::usage(format!(
                        "`me` is not known: {} does not say whose it is",
                        identity.source
                    ))
                    .hint(cx.command_with_argument("me", "ADDRESS"))
                })?;
                resolved.notes.push(format!("`me` is `{account}`"));
                Member::of_account(account)
            }
            MemberArg::RuntimeOf(name) => runtime_account(cx, name, &mut resolved).await?,
            MemberArg::Held { member, error } => {
                resolved.unproven.push((member.clone(), error.clone()));
                member.clone()
            }
        };
        if !resolved.members.iter().any(|known| known.same_as(&member)) {
            resolved.members.push(member);
        }
    }
    Ok(resolved)
}

/// The account of a service, with a note of the other services that use it.
async fn runtime_account(
    cx: &Context,
    typed: &str,
    resolved: &mut ResolvedMembers,
) -> Result<Member, CommandError> {
    let reference = service(cx, typed)?;
    let gateway = cx.gateway().await?;
    let project = lookup::project_of(cx, &reference).await?;
    let listing = gateway.services(&project, "-").await?;
    let reference = match (reference, cx.region()?) {
        (ServiceRef::Name(service) | ServiceRef::InProject { service, .. }, Some(region)) => {
            ServiceRef::Regional { region, service }
        }
        (ServiceRef::InProject { service, .. }, None) => ServiceRef::Name(service),
        (reference, _) => reference.in_project(&project),
    };
    let found = lookup::one_of(cx, &listing, &reference).await?;
    // No list says which services are agents. An agent does not call as its service account.
    let whole = gateway.service(&found.name).await?;
    if whole.is_agent == Some(true) {
        let agent = gateway.agent_identity(&found.name).await.map_err(|why| {
            let message = format!("which agent `{}` is is not known", found.name.short());
            CommandError::new(ErrorKind::Undetermined, message).because(why)
        })?;
        resolved.notes.push(format!("`service:{typed}` is the agent `{agent}`"));
        return Ok(agent);
    }
    let account = match found.service_account.clone() {
        Some(account) => account,
        None => whole.service_account.ok_or_else(|| {
            CommandError::new(
                ErrorKind::Undetermined,
                format!("which account `{}` runs as is not known", found.name.short()),
            )
        })?,
    };
    resolved.notes.push(format!("`service:{typed}` runs as `{account}`"));
    let others: Vec<String> = listing
        .services
        .iter()
        .filter(|service| service.name != found.name)
        .filter(|service| service.service_account.as_ref() == Some(&account))
        .map(|service| service.name.short())
        .collect();
    match others.as_slice() {
        [] => {}
        [first] => resolved.warnings.push(format!("`{first}` runs as that account too")),
        [first, rest @ ..] => resolved
            .warnings
            .push(format!("`{first}` and {} more services run as that account too", rest.len())),
    }
    Ok(Member::of_account(&account))
}

/// Parses a role; for a likely slip, the error suggests the corrected command.
pub(in crate::commands) fn role(cx: &Context, typed: &str) -> Result<Role, CommandError> {
    Role::parse(typed).map_err(|error| match error.instead() {
        Some(instead) => {
            CommandError::usage(error.to_string()).hint(cx.command_with_argument(typed, instead))
        }
        None => error.into(),
    })
}

pub(in crate::commands) fn member(cx: &Context, typed: &str) -> Result<MemberArg, CommandError> {
    MemberArg::parse(typed).map_err(|error| no_member(cx, typed, error))
}

fn no_member(cx: &Context, typed: &str, error: MemberError) -> CommandError {
    let hint = error.instead.as_ref().map(|instead| cx.command_with_argument(typed, instead));
    match hint {
        Some(hint) => CommandError::from(error).hint(hint),
        None => error.into(),
    }
}

/// Detects swapped MEMBER and SERVICE, and suggests the corrected command.
pub(in crate::commands) fn check_order(
    cx: &Context,
    first: &str,
    services: &[String],
) -> Result<(), CommandError> {
    let first_is_service =
        MemberArg::parse(first).is_err() && TargetRef::parse(first, None).is_ok();
    let is_member = |text: &str| looks_like_member(text) || MemberArg::parse(text).is_ok();
    let member = services.iter().find(|text| is_member(text));
    match member {
        Some(member) if first_is_service => {
            let command = cx.command_with_swapped(first, member);
            let noun = TargetRef::parse(first, None).map_or("service", |found| found.kind().noun());
            let is = with_article(noun);
            let message =
                format!("`{first}` is {is} and `{member}` a principal: the principal comes first");
            Err(CommandError::usage(message).hint(command))
        }
        // The operand that exists is the service, so the member is missing.
        None if first_is_service && services.is_empty() && !cx.terminal.interactive => {
            Err(missing(cx, "MEMBER"))
        }
        _ => Ok(()),
    }
}

/// The error for a missing required argument.
pub(in crate::commands) fn missing(cx: &Context, what: &str) -> CommandError {
    let are = if what.contains(" and ") { "are" } else { "is" };
    CommandError::usage(format!("{what} {are} missing, and there is no terminal to ask at"))
        .hint(format!("{} --help", cx.command()))
}
