//! `ingress`, `invoker-check` and `default-url`: the other settings that decide who gets in.

use super::completing;
use super::members::services;
use super::writing::{WriteOptions, finish};
use crate::change::{Batch, Needs};
use crate::context::Context;
use crate::domain::plan::{Action, Snapshot, plan_turn};
use crate::domain::setting::SettingName;
use crate::error::CommandError;
use crate::lookup;

/// Set which traffic reaches a service at all
///
/// It is the setting that Cloud Run asks first, before any credential is looked at.
#[derive(clap::Args, Debug)]
pub(super) struct IngressArgs {
    /// NAME, REGION/NAME, a pattern such as 'shop-*', or a URL
    #[arg(value_name = "SERVICE", add = completing::services())]
    service: String,
    /// What is let in
    #[arg(value_enum)]
    value: IngressValue,
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
    #[arg(value_name = "SERVICE", add = completing::services())]
    service: String,
    #[arg(value_enum)]
    value: OnOff,
    #[command(flatten)]
    write: WriteOptions,
}

/// Turn the default `run.app` URL of a service on or off
///
/// Off, it is reached by a load balancer or a domain only.
#[derive(clap::Args, Debug)]
pub(super) struct DefaultUrlArgs {
    /// NAME, REGION/NAME, a pattern such as 'shop-*', or a URL
    #[arg(value_name = "SERVICE", add = completing::services())]
    service: String,
    #[arg(value_enum)]
    value: OnOff,
    #[command(flatten)]
    write: WriteOptions,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum OnOff {
    On,
    Off,
}

impl OnOff {
    fn word(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
        }
    }
}

pub(super) async fn ingress(cx: &Context, args: IngressArgs) -> Result<u8, CommandError> {
    let value = match args.value {
        IngressValue::All => "all",
        IngressValue::Internal => "internal",
        IngressValue::InternalAndCloudLoadBalancing => "internal-and-cloud-load-balancing",
        IngressValue::None => "none",
    };
    turn(cx, args.service, (Action::Ingress, SettingName::Ingress, value), &args.write).await
}

pub(super) async fn invoker_check(
    cx: &Context,
    args: InvokerCheckArgs,
) -> Result<u8, CommandError> {
    let to = (Action::InvokerCheck, SettingName::InvokerCheck, args.value.word());
    turn(cx, args.service, to, &args.write).await
}

pub(super) async fn default_url(cx: &Context, args: DefaultUrlArgs) -> Result<u8, CommandError> {
    let to = (Action::DefaultUrl, SettingName::DefaultUrl, args.value.word());
    turn(cx, args.service, to, &args.write).await
}

async fn turn(
    cx: &Context,
    service: String,
    (action, name, value): (Action, SettingName, &str),
    write: &WriteOptions,
) -> Result<u8, CommandError> {
    write.check_format(cx)?;
    let references = services(cx, &[service], "Which service?").await?;
    let targets = lookup::find_all(cx, &references).await?;
    let opens = name == SettingName::InvokerCheck && value == "off";
    let options = write.options(action, Needs { service: true, constraints: opens, above: false });
    let planner = |snapshot: &Snapshot| plan_turn(snapshot, action, name, value);
    let batch = Batch::read(cx, targets, &options).await?;
    let result = batch.plan(cx, &planner, &options).carry_out(cx, &planner, &options).await?;
    finish(cx, result, write)
}
