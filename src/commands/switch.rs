//! `ingress`, `invoker-check`, `default-url` and `iap`: settings that affect which callers may invoke
//! a service.

use super::args::complete;
use super::args::members::{missing, services};
use super::args::write::{WriteOptions, finish};
use crate::change;
use crate::context::Context;
use crate::domain::access::{Hierarchy, iap_agent};
use crate::domain::error::{CommandError, ErrorKind};
use crate::domain::member::Member;
use crate::domain::plan::{TurnIap, TurnSwitch};
use crate::domain::resource::ServiceRef;
use crate::domain::service::Ingress;
use crate::domain::setting::Switch;
use crate::lookup;
use crate::terminal;

/// Set which traffic reaches a service at all
///
/// It is the setting that Cloud Run asks first, before any credential is looked at.
#[derive(clap::Args, Debug)]
pub(super) struct IngressArgs {
    /// NAME, REGION/NAME, a pattern such as 'shop-*', or a URL
    #[arg(value_name = "SERVICE", add = complete::services())]
    service: Option<String>,
    /// What is let in
    #[arg(value_enum)]
    value: Option<IngressValue>,
    #[command(flatten)]
    write: WriteOptions,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum IngressValue {
    All,
    Internal,
    InternalAndCloudLoadBalancing,
    None,
}

/// Turn the invoker check of a service on or off
///
/// Off, nobody is asked for a permission: whoever reaches the service may call it. `make-public --via
/// no-invoker-check` and `make-private` are the commands that also say so.
#[derive(clap::Args, Debug)]
pub(super) struct InvokerCheckArgs {
    /// NAME, REGION/NAME, a pattern such as 'shop-*', or a URL
    #[arg(value_name = "SERVICE", add = complete::services())]
    service: Option<String>,
    #[arg(value_enum)]
    value: Option<OnOff>,
    #[command(flatten)]
    write: WriteOptions,
}

/// Turn the default `run.app` URL of a service on or off
///
/// Off, it is reached by a load balancer or a domain only.
#[derive(clap::Args, Debug)]
pub(super) struct DefaultUrlArgs {
    /// NAME, REGION/NAME, a pattern such as 'shop-*', or a URL
    #[arg(value_name = "SERVICE", add = complete::services())]
    service: Option<String>,
    #[arg(value_enum)]
    value: Option<OnOff>,
    #[command(flatten)]
    write: WriteOptions,
}

/// Turn Identity-Aware Proxy of a service on or off
///
/// On, it asks every caller first, and calls the service as an account of its own, which is granted the
/// invoker role in the same change. Where that is refused, the whole is taken back. Off, that grant goes
/// too.
#[derive(clap::Args, Debug)]
pub(super) struct IapArgs {
    /// NAME, REGION/NAME, a pattern such as 'shop-*', or a URL
    #[arg(value_name = "SERVICE", add = complete::services())]
    service: Option<String>,
    #[arg(value_enum)]
    value: Option<OnOff>,
    #[command(flatten)]
    write: WriteOptions,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum OnOff {
    On,
    Off,
}

impl From<IngressValue> for Ingress {
    fn from(value: IngressValue) -> Self {
        match value {
            IngressValue::All => Self::All,
            IngressValue::Internal => Self::Internal,
            IngressValue::InternalAndCloudLoadBalancing => Self::InternalAndLoadBalancing,
            IngressValue::None => Self::None,
        }
    }
}

/// The value of a switch; asks for it if it was not given.
async fn value<T: clap::ValueEnum>(
    cx: &Context,
    said: Option<T>,
    question: &str,
) -> Result<T, CommandError> {
    if let Some(said) = said {
        return Ok(said);
    }
    if !cx.terminal.interactive {
        return Err(missing(cx, "VALUE"));
    }
    let all = T::value_variants();
    let words = all.iter().filter_map(T::to_possible_value);
    let items: Vec<String> = words.map(|word| word.get_name().to_owned()).collect();
    let at =
        cx.ask(question, move |question, color| terminal::choose(question, &items, color)).await?;
    Ok(all[at].clone())
}

impl OnOff {
    fn is_on(self) -> bool {
        matches!(self, Self::On)
    }
}

pub(super) async fn ingress(cx: &Context, args: IngressArgs) -> Result<u8, CommandError> {
    let (service, value) = asked(cx, args.service, args.value, "Which traffic is let in?").await?;
    turn(cx, service, Switch::Ingress(value.into()), &args.write).await
}

pub(super) async fn invoker_check(
    cx: &Context,
    args: InvokerCheckArgs,
) -> Result<u8, CommandError> {
    let (service, value) = asked(cx, args.service, args.value, "Turn the check…").await?;
    turn(cx, service, Switch::InvokerCheck(value.is_on()), &args.write).await
}

pub(super) async fn default_url(cx: &Context, args: DefaultUrlArgs) -> Result<u8, CommandError> {
    let (service, value) = asked(cx, args.service, args.value, "Turn the default URL…").await?;
    turn(cx, service, Switch::DefaultUrl(value.is_on()), &args.write).await
}

/// The service and the value; asks for missing ones.
async fn asked<T: clap::ValueEnum>(
    cx: &Context,
    service: Option<String>,
    said: Option<T>,
    question: &str,
) -> Result<(Vec<ServiceRef>, T), CommandError> {
    let references = services(cx, service.as_slice(), "Which service?").await?;
    Ok((references, value(cx, said, question).await?))
}

async fn turn(
    cx: &Context,
    references: Vec<ServiceRef>,
    to: Switch,
    write: &WriteOptions,
) -> Result<u8, CommandError> {
    write.check_format(cx)?;
    let targets = lookup::find_all(cx, &references).await?;
    let result = change::run(cx, targets, &TurnSwitch(to), &write.options()).await?;
    finish(cx, result, write)
}

/// The service account of Identity-Aware Proxy, by the number of the service's project.
async fn agent_of(cx: &Context, project: &str) -> Result<Member, CommandError> {
    let number = cx.gateway().await?.project_number(project).await.map_err(|why| {
        CommandError::new(
            ErrorKind::Undetermined,
            format!("the account of Identity-Aware Proxy in project `{project}` is not known"),
        )
        .because(format!("it goes by the project's number, which could not be read: {why}"))
    })?;
    let place = Hierarchy { number: Some(number), ..Hierarchy::default() };
    iap_agent(&place).ok_or_else(|| CommandError::usage("the project has no number"))
}

pub(super) async fn iap(cx: &Context, args: IapArgs) -> Result<u8, CommandError> {
    args.write.check_format(cx)?;
    let question = "Turn Identity-Aware Proxy…";
    let (references, value) = asked(cx, args.service, args.value, question).await?;
    let targets = lookup::find_all(cx, &references).await?;
    let mut agents: Vec<(String, Member)> = Vec::new();
    for target in &targets.names {
        if !agents.iter().any(|(project, _)| project == target.project()) {
            let agent = agent_of(cx, target.project()).await?;
            agents.push((target.project().to_owned(), agent));
        }
    }
    let change = TurnIap { on: value.is_on(), agents };
    let result = change::run(cx, targets, &change, &args.write.options()).await?;
    finish(cx, result, &args.write)
}
