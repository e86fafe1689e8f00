//! `curl`: calls a service with curl and a token for it.

use std::path::PathBuf;

use http::Uri;

use super::args::complete;
use super::args::global::parse_tag;
use super::args::members::missing;
use super::token::id_token;
use crate::auth::BearerToken;
use crate::context::Context;
use crate::domain::error::{CommandError, ErrorKind, quoted};
use crate::domain::exit_code::ExitCode;
use crate::invoke::{
    self, Call, Config, CurlWords, Ended, FrontEndRefusal, Program, Wanted, Way, WordsError,
    path_word, service_word, way,
};
use crate::lookup;

/// Google's words on how long a change of access takes.
pub(super) const SPREADS: &str = "a change of access takes a while to spread: two minutes as a rule, \
    seven and more at times";

/// Call a service with curl and the right token
///
/// What follows SERVICE goes to curl; a first word that starts with `/` is the path. The token is in
/// no argument: curl reads it from a pipe. It ends with curl's own exit code, or with 125 where curl
/// could not be started.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  runaccess curl orders /health -i
  runaccess curl orders /items -d '{\"id\": 1}' -H 'Content-Type: application/json'
  runaccess curl --tag canary orders
  runaccess curl https://orders-k4qx7v2nza-uc.a.run.app/health")]
pub(super) struct Args {
    /// The service, the path, and what goes to curl
    #[arg(
        value_name = "SERVICE [/PATH] [CURL ARGS]",
        trailing_var_arg = true,
        allow_hyphen_values = true,
        add = complete::services()
    )]
    words: Vec<String>,
    /// Call the revision of this traffic tag
    #[arg(long, value_name = "TAG", value_parser = parse_tag, add = complete::tags())]
    tag: Option<String>,
    /// Whom the token is for, in place of the service's own URL
    #[arg(long, value_name = "URL")]
    audience: Option<String>,
    /// Use the ID token in this file
    #[arg(long, value_name = "FILE")]
    id_token_file: Option<PathBuf>,
    /// Let the token go to this host
    #[arg(long = "allow-host", value_name = "HOST")]
    allow_hosts: Vec<String>,
    /// Print the command that does the same, with no token in it
    #[arg(long)]
    print: bool,
    /// Take the words in any order, as curl does: the one that is an address names the service
    #[arg(long, hide = true)]
    any_order: bool,
}

/// A prepared call.
struct Prepared {
    call: Call,
    url: String,
    words: CurlWords,
}

/// Parses curl's arguments. `ours` are the long options of this command, which must not follow the
/// service.
pub(super) async fn run(cx: &Context, args: Args, ours: &[String]) -> Result<u8, CommandError> {
    let asks_curl = |word: &String| {
        matches!(word.as_str(), "-h" | "--help" | "-M" | "--manual" | "-V" | "--version")
    };
    if args.any_order && args.words.first().is_some_and(asks_curl) {
        // Options such as `--version` need no service.
        let program = Program { name: "curl", words: args.words };
        return run_curl(cx, program, Config::default(), false).await.map(|ended| ended.code);
    }
    let ready = prepare(cx, &args, ours).await.map_err(not_started)?;
    if args.print {
        print(cx, &args, &ready)?;
        return Ok(ExitCode::Done.number());
    }
    start(cx, &args, ready).await.map_err(not_started)
}

/// Errors before curl runs must not use curl's exit codes.
pub(super) fn not_started(error: CommandError) -> CommandError {
    let code = match error.kind.exit_code() {
        // A caller with only the Invoker role cannot look the service up: the hint starts with its
        // URL.
        code @ (ExitCode::Usage | ExitCode::Refused | ExitCode::Cancelled) => code,
        _ => ExitCode::NotStarted,
    };
    error.ending(code)
}

async fn prepare(cx: &Context, args: &Args, ours: &[String]) -> Result<Prepared, CommandError> {
    let mut words = args.words.clone();
    if args.any_order {
        bare_url(&mut words);
    }
    let typed = if args.any_order {
        let at = service_word(&words).ok_or_else(|| {
            CommandError::usage("no word names a service").hint("gcurl -s https://SERVICE_URL")
        })?;
        words.remove(at)
    } else if words.is_empty() {
        if !cx.terminal.interactive {
            return Err(missing(cx, "SERVICE"));
        }
        lookup::pick(cx, "Call which service?").await?.to_string()
    } else {
        words.remove(0)
    };
    if typed.starts_with('-') {
        let mut all = args.words.clone();
        let service = service_word(&all).map_or_else(|| "SERVICE".to_owned(), |at| all.remove(at));
        let rest = all.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
        return Err(CommandError::usage(format!("`{typed}` stands before the service"))
            .because("what goes to curl follows the service; what stands before it is ours")
            .hint(format!("{} {} {rest}", cx.suggest("curl"), quoted(&service))));
    }
    let mut path = None;
    if args.any_order
        && !typed.contains("://")
        && let Some(at) = path_word(&words)
    {
        path = Some(words.remove(at));
    }
    if !args.any_order && words.first().is_some_and(|word| word.starts_with('/')) {
        path = Some(words.remove(0));
    }
    let after_dashes = !args.any_order && words.first().is_some_and(|word| word == "--");
    if after_dashes {
        words.remove(0);
    }
    let words = CurlWords::check(words, if after_dashes { &[] } else { ours })
        .map_err(|error| wrong_word(cx, &error, &typed))?;
    let wanted = Wanted {
        typed: &typed,
        tag: args.tag.as_deref(),
        audience: args.audience.as_deref(),
        allowed: &args.allow_hosts,
        only_audience: false,
    };
    let call = invoke::find(cx, wanted).await?;
    let url = call.url(path.as_deref());
    if Uri::try_from(url.as_str()).is_err() {
        return Err(CommandError::usage(format!("`{url}` is not an address")));
    }
    Ok(Prepared { call, url, words })
}

/// Treats curl's option `--url` as the address.
fn bare_url(words: &mut Vec<String>) {
    let option = "--url";
    let begins = |word: &String| word.to_ascii_lowercase().starts_with(option);
    let Some(at) = words.iter().position(begins) else { return };
    match words[at][option.len()..].strip_prefix('=').map(str::to_owned) {
        Some(url) => words[at] = url,
        None if words[at].len() == option.len() => drop(words.remove(at)),
        None => {}
    }
}

fn wrong_word(cx: &Context, error: &WordsError, service: &str) -> CommandError {
    let said = CommandError::usage(error.to_string());
    match error {
        WordsError::Ours(option) => said.hint(cx.command_with_moved(option)),
        WordsError::AnotherAddress(word) if !word.contains(['.', ':']) => {
            said.because("the path is right behind the service, and starts with `/`").hint(format!(
                "{} {} {}",
                cx.suggest("curl"),
                quoted(service),
                quoted(&format!("/{}", word.trim_start_matches('/')))
            ))
        }
        WordsError::FollowsWithSecond => said.because(
            "the token would stand in `X-Serverless-Authorization`, which curl does not drop when \
             a redirect leaves the host",
        ),
        _ => said,
    }
}

impl Prepared {
    /// The header of the token: Cloud Run reads its own header first, and leaves the other to the
    /// application (documented).
    fn header(&self) -> &'static str {
        if self.words.has_authorization { "X-Serverless-Authorization" } else { "Authorization" }
    }
}

/// Refuses arguments that could send the token to another server.
fn check_way(words: &CurlWords, way: &Way) -> Result<(), CommandError> {
    // With https the server must present its certificate, whatever the route.
    let must_stay = way.is_near || way.url.starts_with("http://");
    if let Some(option) = words.reroutes.as_ref().filter(|_| must_stay) {
        return Err(CommandError::usage(format!("`{option}` is not taken here"))
            .because("what goes to this machine stays on it"));
    }
    if words.trusts_all && !way.is_near {
        return Err(CommandError::usage("`--insecure` is not taken")
            .because("whoever answers would be given the token; `--cacert FILE` trusts one more"));
    }
    Ok(())
}

async fn start(cx: &Context, args: &Args, ready: Prepared) -> Result<u8, CommandError> {
    let token = if let Some(path) = &args.id_token_file {
        BearerToken::in_file(path)?
    } else {
        let audience = Some(ready.call.audience.as_str());
        let token = id_token(cx, audience, args.audience.is_some()).await?.token;
        BearerToken::new(&token).map_err(|error| {
            let message = format!("what came back is not an ID token: {error}");
            CommandError::new(ErrorKind::NotAuthenticated, message)
        })?
    };
    if ready.words.shows_headers {
        cx.terminal.warning("curl shows the headers that it sends, the token among them");
    }
    let way = way(cx, &ready.call, &ready.url, false)?;
    check_way(&ready.words, &way)?;
    let header = format!("{}: {}", ready.header(), token.text_of_header());
    let mut config = Config::default().with("header", &header).with("url", &way.url);
    for (option, value) in &way.options {
        config = config.with(option, value);
    }
    let watch = !ready.words.dumps_headers;
    let program = Program { name: "curl", words: ready.words.words };
    let ended = run_curl(cx, program, config, watch).await?;
    tell(cx, &ready.call, &ended, args.id_token_file.is_none()).await;
    Ok(ended.code)
}

async fn run_curl(
    cx: &Context,
    program: Program,
    config: Config,
    watch: bool,
) -> Result<Ended, CommandError> {
    cx.while_it_runs(program.curl(config, watch)).await.map_err(|error| {
        let failed = CommandError::new(ErrorKind::Failed, "cannot run `curl`");
        not_started(failed.because(error.to_string()))
    })
}

/// Whether the caller may invoke the service, according to Cloud Run's API: one call that evaluates
/// groups, inherited grants and deny policies. `None` if the call fails.
async fn may_invoke(cx: &Context, call: &Call) -> Option<bool> {
    let name = call.service.as_ref()?;
    let asked = cx.gateway().await.ok()?.may_invoke(name);
    cx.in_time("ask whether it may be invoked", asked).await.ok()?.ok()?
}

/// Prints the likely cause of a refusal by the front end.
async fn tell(cx: &Context, call: &Call, ended: &Ended, is_own_token: bool) {
    let Some(answered) = ended.seen.refused else { return };
    let recent = cx.was_granted_lately(call.service.as_ref());
    if recent && answered == FrontEndRefusal::Forbidden {
        cx.terminal.note(SPREADS);
    }
    if !cx.terminal.stderr_is_terminal() {
        return;
    }
    let named = call.service.as_ref().map_or_else(|| call.origin.clone(), |name| cx.named(name));
    match answered {
        FrontEndRefusal::BadToken => {
            cx.terminal.note("Cloud Run did not take the token");
            cx.terminal.hint(&cx.suggest(&format!("doctor {named}")));
        }
        FrontEndRefusal::Forbidden if is_own_token && may_invoke(cx, call).await == Some(true) => {
            cx.terminal.note(
                "Cloud Run did not let it through, and its API says that you may invoke the service: a \
                 change of access that is still spreading, or a condition on the path or host",
            );
            cx.terminal.hint(&cx.suggest(&format!("doctor {named}")));
        }
        FrontEndRefusal::Forbidden => {
            let account = cx.identity().ok().and_then(|identity| identity.account.clone());
            let who = account.as_ref().map_or("whoever acts".to_owned(), |who| format!("`{who}`"));
            cx.terminal.note(&format!(
                "Cloud Run did not let it through: {who} may not invoke the service; its owner can \
                 grant that"
            ));
            if let Some(member) = account {
                cx.terminal.hint(&cx.suggest_to_others(&format!("grant {member} {named}")));
            }
            cx.terminal.hint(&cx.suggest(&format!("doctor {named}")));
        }
        FrontEndRefusal::Iap | FrontEndRefusal::IapSignIn => {
            cx.terminal.note("Identity-Aware Proxy stands in front of the service, and refused");
            cx.terminal.hint(&cx.suggest(&format!("doctor {named}")));
        }
        FrontEndRefusal::NoInstance => {
            cx.terminal.note("Cloud Run let it through, and no instance of the service answered");
        }
        FrontEndRefusal::TooLarge => {
            cx.terminal.note("the request is larger than Cloud Run takes over HTTP/1");
        }
        FrontEndRefusal::NotFound | FrontEndRefusal::ReservedPath => {
            cx.terminal
                .note("Cloud Run has no such address, or does not let requests from here to it");
            cx.terminal.hint(&cx.suggest(&format!("doctor {named}")));
        }
    }
}

/// Prints the command that a user could run, with a command substitution in place of the token.
fn print(cx: &Context, args: &Args, ready: &Prepared) -> Result<(), CommandError> {
    let token = match &args.id_token_file {
        Some(path) => format!("cat {}", quoted(&path.display().to_string())),
        None => match &args.audience {
            Some(audience) => cx.suggest(&format!("token --audience {}", quoted(audience))),
            None => cx.suggest(&format!("token {}", quoted(&ready.call.audience))),
        },
    };
    if cx.is_sandbox() {
        cx.terminal.note("the sandbox answers curl only while `runaccess sandbox serve` runs");
    }
    let way = way(cx, &ready.call, &ready.url, true)?;
    check_way(&ready.words, &way)?;
    let mut words = vec!["curl".to_owned(), "-q".to_owned()];
    words.extend(["-H".to_owned(), format!("\"{}: Bearer $({token})\"", ready.header())]);
    for (option, value) in &way.options {
        words.extend([format!("--{option}"), quoted(value)]);
    }
    words.extend(ready.words.words.iter().map(|word| quoted(word)));
    words.push(quoted(&way.url));
    cx.print(&words.join(" "))
}
