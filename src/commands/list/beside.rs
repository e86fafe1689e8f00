//! What `list` shows of kinds other than services, or of every kind.

use futures::{StreamExt, stream};

use super::{Granted, Listed, Read, with_grants};
use crate::cloud::{Failure, Gateway, Unreadable, why};
use crate::context::Context;
use crate::domain::error::{CommandError, ErrorKind};
use crate::domain::invokers::grants;
use crate::domain::resource::{InstanceRef, ServiceName, ServiceRef, glob_matches};
use crate::domain::service::Service;
use crate::domain::target::{FunctionRef, Target, TargetRef, WorkloadKind, WorkloadName};
use crate::report::ListedKind;

/// How many resources are read at a time.
const WIDTH: usize = 16;

/// One that is listed, before its settings and policy are read.
struct Item {
    region: String,
    name: String,
    of: ItemOf,
}

enum ItemOf {
    /// What has an address, by its name alone or with the settings that its list holds.
    Endpoint(ServiceName, Option<Box<Service>>),
    /// A function of the 1st generation, which has no service.
    FirstGeneration,
    Workload(WorkloadName),
}

/// Where rows are looked for.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) project: &'a str,
    /// `-` for every region.
    pub(super) region: &'a str,
}

/// Reads the rows of these kinds that any of the references names, or every row. What cannot be
/// listed costs its own kind only, if several are wanted.
pub(super) async fn read(
    cx: &Context,
    place: Place<'_>,
    kinds: &[ListedKind],
    references: &[TargetRef],
    no_access: bool,
) -> Result<Read, CommandError> {
    let gateway = cx.gateway().await?;
    let mut read = Read::default();
    let mut met = vec![references.is_empty(); references.len()];
    for kind in kinds.iter().copied() {
        let (items, unread) = match items(gateway, kind, place).await {
            Ok(found) => found,
            Err(failure) if kinds.len() > 1 => {
                let what = format!("the {}s of project `{}`", kind.noun(), place.project);
                read.unreadable.push(Unreadable { what, why: why(&failure), region: None });
                continue;
            }
            Err(failure) => return Err(failure.into()),
        };
        for unread in unread {
            if !read.unreadable.contains(&unread) {
                read.unreadable.push(unread);
            }
        }
        let mut kept = Vec::new();
        for item in items {
            let mut is_named = references.is_empty();
            for (reference, met) in references.iter().zip(&mut met) {
                if names(reference, kind, &item) {
                    (is_named, *met) = (true, true);
                }
            }
            if is_named && (place.region == "-" || place.region == item.region) {
                kept.push(item);
            }
        }
        let rows = rows(cx, gateway, kind, kept, no_access, &mut read.unreadable).await?;
        read.rows.extend(rows);
    }
    let missing = references.iter().zip(&met).find(|(_, met)| !**met);
    if let Some((reference, _)) = missing.filter(|_| read.unreadable.is_empty()) {
        let noun = match kinds {
            [only] => only.noun(),
            _ => "resource",
        };
        let does = if reference.is_glob() { "matches" } else { "is named" };
        let message = format!("no {noun} of project `{}` {does} `{reference}`", place.project);
        return Err(CommandError::new(ErrorKind::NotFound, message)
            .hint(cx.suggest("list --kind all --no-access")));
    }
    Ok(read)
}

/// Lists what there is of a kind.
async fn items(
    gateway: &Gateway,
    kind: ListedKind,
    Place { project, region }: Place<'_>,
) -> Result<(Vec<Item>, Vec<Unreadable>), Failure> {
    let endpoint = |name: ServiceName, facts| Item {
        region: name.region().to_owned(),
        name: name.service().to_owned(),
        of: ItemOf::Endpoint(name, facts),
    };
    Ok(match kind {
        ListedKind::Service => {
            let listing = gateway.services(project, region).await?;
            let items = listing.services.into_iter();
            let items = items.map(|service| endpoint(service.name.clone(), Some(service.into())));
            (items.collect(), listing.unreachable)
        }
        ListedKind::Function => {
            let (functions, unread) = gateway.functions(project).await?;
            let items = functions.into_iter().map(|function| Item {
                region: function.region,
                name: function.name,
                of: match function.service {
                    Some(service) => ItemOf::Endpoint(service, None),
                    None => ItemOf::FirstGeneration,
                },
            });
            (items.collect(), unread)
        }
        ListedKind::Instance => {
            let (instances, unread) = gateway.instances(project).await?;
            (instances.into_iter().map(|name| endpoint(name, None)).collect(), unread)
        }
        ListedKind::Job => workloads(gateway, WorkloadKind::Job, project).await?,
        ListedKind::WorkerPool => workloads(gateway, WorkloadKind::WorkerPool, project).await?,
    })
}

async fn workloads(
    gateway: &Gateway,
    kind: WorkloadKind,
    project: &str,
) -> Result<(Vec<Item>, Vec<Unreadable>), Failure> {
    let (workloads, unread) = gateway.workloads(kind, project).await?;
    let items = workloads.into_iter().map(|name| Item {
        region: name.region.clone(),
        name: name.name.clone(),
        of: ItemOf::Workload(name),
    });
    Ok((items.collect(), unread))
}

/// Whether a reference names one of a kind. A plain name, parsed as a service's, is of every kind.
fn names(reference: &TargetRef, kind: ListedKind, item: &Item) -> bool {
    let is = |region: Option<&str>, pattern: &str| {
        region.is_none_or(|region| region == "-" || region == item.region)
            && glob_matches(pattern, &item.name)
    };
    let by_service = |reference: &ServiceRef| match reference {
        ServiceRef::Full(name) => is(Some(name.region()), name.service()),
        ServiceRef::InProject { service, .. } => is(None, service),
        ServiceRef::Glob { region, pattern }
        | ServiceRef::Instance(InstanceRef { region, pattern, .. }) => {
            is(region.as_deref(), pattern)
        }
        ServiceRef::Name(name) => is(None, name),
        ServiceRef::Regional { region, service } => is(Some(region), service),
        ServiceRef::Url(_) => false,
    };
    match reference {
        TargetRef::Function(FunctionRef { region, function, .. }) => {
            kind == ListedKind::Function && is(region.as_deref(), function)
        }
        TargetRef::Service(named) if named.is_of_instance() => {
            kind == ListedKind::Instance && by_service(named)
        }
        TargetRef::Service(named) => by_service(named),
        TargetRef::Workload(of, named) => kind == ListedKind::from(*of) && by_service(named),
    }
}

/// Reads what rows show of these.
async fn rows(
    cx: &Context,
    gateway: &Gateway,
    kind: ListedKind,
    items: Vec<Item>,
    no_access: bool,
    unreadable: &mut Vec<Unreadable>,
) -> Result<Vec<Listed>, CommandError> {
    let (mut endpoints, mut workloads) = (Vec::new(), Vec::new());
    let mut unread = |what: String, why: String| {
        unreadable.push(Unreadable { what, why, region: None });
    };
    for item in items {
        match item.of {
            ItemOf::Endpoint(name, facts) => endpoints.push((name, facts)),
            ItemOf::Workload(name) => workloads.push(name),
            ItemOf::FirstGeneration => unread(
                format!("function {}", item.name),
                "it is of the 1st generation, whose access is its own".to_owned(),
            ),
        }
    }
    let read = stream::iter(endpoints).map(async |(name, facts)| match facts {
        Some(facts) => Ok(*facts),
        None => gateway.service(&name).await.map_err(|failure| (name, failure)),
    });
    let mut services = Vec::new();
    for read in read.buffered(WIDTH).collect::<Vec<_>>().await {
        match read {
            Ok(service) => services.push(service),
            Err((name, failure)) => unread(name.short(), why(&failure)),
        }
    }
    let granted = with_grants(cx, services, no_access).await?.into_iter();
    let endpoints =
        granted.map(|(service, granted)| Listed::Endpoint(kind, Box::new(service), granted));
    let read = stream::iter(workloads).map(async |name| {
        let granted: Granted = if no_access {
            Err(None)
        } else {
            let policy = gateway.policy_of(&Target::Workload(name.clone())).await;
            policy.map(|policy| grants(&policy)).map_err(Some)
        };
        Listed::Workload(name, granted)
    });
    let workloads: Vec<Listed> = read.buffered(WIDTH).collect().await;
    Ok(endpoints.chain(workloads).collect())
}
