//! Responses of the proxy itself: refusals, failures, preflights, the index.

use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, LOCATION, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use super::download::Download;
use super::fields::SECRET;
use super::gate::{self, Refusal, Taken};
use super::grpc::is_grpc;
use super::guard::Fault;
use super::rewrite::{preflight, share};
use super::site::{Door, Listed, Site};
use super::ticket::Ticket;
use crate::domain::printable::in_html;
use crate::domain::resource::TAG_SIGN;

/// The gRPC statuses that correspond to HTTP statuses.
const GRPC: [(u16, &str); 5] = [(400, "3"), (401, "16"), (403, "7"), (405, "12"), (502, "14")];

/// The form of response that a client understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Grpc,
    Text,
}

impl Form {
    /// Determines the form from the headers of the request.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        if is_grpc(headers) { Self::Grpc } else { Self::Text }
    }
}

/// A refusal or failure in the form that the client understands. `why` goes to whoever runs the proxy.
fn refused(
    form: Form,
    status: u16,
    (text, why): (&str, &str),
    mut ticket: Ticket,
) -> Response<Download> {
    ticket.note(|told| {
        told.status = Some(status);
        told.reason = Some(why.to_owned());
    });
    if form == Form::Grpc {
        // The status is set where gRPC libraries look for it; they make little of other HTTP
        // statuses.
        let mut response = Response::new(Download::here("", ticket));
        let code = GRPC.iter().find(|(http, _)| *http == status).map_or("2", |(_, grpc)| grpc);
        let encoded: String = percent_encoding::utf8_percent_encode(
            &format!("runaccess proxy: {text}"),
            percent_encoding::CONTROLS,
        )
        .to_string();
        let set = response.headers_mut();
        set.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        set.insert("grpc-status", HeaderValue::from_static(code));
        if let Ok(message) = HeaderValue::try_from(encoded) {
            set.insert("grpc-message", message);
        }
        return response;
    }
    let mut response = Response::new(Download::here(format!("runaccess proxy: {text}\n"), ticket));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let set = response.headers_mut();
    set.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    set.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The response to a request that is refused.
pub(super) fn not_taken(
    site: &Site,
    door: &Door,
    head: &Parts,
    refusal: &Refusal,
    ticket: Ticket,
) -> Response<Download> {
    let (text, why) = (refusal.public(site, door), refusal.text(site, door));
    let form = Form::of(&head.headers);
    let mut response = refused(form, refusal.status(), (&text, &why), ticket);
    match refusal {
        Refusal::Method(_) => {
            let allowed = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
            response.headers_mut().insert(ALLOW, allowed);
        }
        // The rest of the bytes on the connection cannot be split into requests.
        Refusal::Faulty(_) | Refusal::SeveralHosts | Refusal::Target
            if head.version < http::Version::HTTP_2 =>
        {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        _ => {}
    }
    response
}

/// The response to a request that needs no service: a preflight, or the secret in a URL.
pub(super) fn own(
    head: &Parts,
    taken: &Taken<'_>,
    site: &Site,
    ticket: Ticket,
) -> Result<Response<Download>, Ticket> {
    if let Some(origin) = taken.cors.as_ref().filter(|_| gate::is_preflight(head)) {
        let mut response = empty(StatusCode::NO_CONTENT, ticket);
        *response.headers_mut() = preflight(&head.headers, origin.clone());
        return Ok(response);
    }
    let Some(secret) = site.secret.as_ref().filter(|secret| gate::is_in_query(secret, head)) else {
        return Err(ticket);
    };
    let left = head.uri.query().unwrap_or_default().split('&');
    let left: Vec<&str> = left.filter(|pair| pair.split('=').next() != Some(SECRET)).collect();
    let query = if left.is_empty() { String::new() } else { format!("?{}", left.join("&")) };
    // One slash: two, of either kind, would name another host.
    let to = format!("/{}{query}", head.uri.path().trim_start_matches(['/', '\\']));
    let cookie = format!("{SECRET}={secret}; Path=/; HttpOnly; SameSite=Strict");
    let mut response = empty(StatusCode::TEMPORARY_REDIRECT, ticket);
    for (name, text) in [(LOCATION, to), (SET_COOKIE, cookie)] {
        if let Ok(value) = HeaderValue::try_from(text) {
            response.headers_mut().insert(name, value);
        }
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn empty(status: StatusCode, mut ticket: Ticket) -> Response<Download> {
    ticket.note(|told| told.status = Some(status.as_u16()));
    let mut response = Response::new(Download::here("", ticket));
    *response.status_mut() = status;
    response
}

/// A failure response that a page of another origin may read.
pub(super) fn failed(
    form: Form,
    text: &str,
    cors: Option<HeaderValue>,
    ticket: Ticket,
) -> Response<Download> {
    let mut response = refused(form, 502, (text, text), ticket);
    if let Some(origin) = cors {
        share(response.headers_mut(), origin);
    }
    response
}

/// The response to a request whose body broke off because it was malformed.
pub(super) fn broken_off(form: Form, fault: Fault, ticket: Ticket) -> Response<Download> {
    let text = gate::faulty(fault);
    refused(form, 400, (&text, &text), ticket)
}

/// The index of the served services, at the root of a door that is no one service's; anything else there
/// is of no service.
pub(super) fn index(
    site: &Site,
    door: &Door,
    head: &Parts,
    mut ticket: Ticket,
) -> Response<Download> {
    let method = &head.method;
    if head.uri.path() != "/" || !matches!(*method, Method::GET | Method::HEAD) {
        let names = site
            .index
            .iter()
            .map(|listed| format!("http://{}.localhost:{}", listed.label, door.port));
        let names: Vec<String> = names.collect();
        let text = format!("no service is at this address; they are at {}", names.join(" "));
        return refused(Form::of(&head.headers), 404, (&text, &text), ticket);
    }
    ticket.note(|told| told.status = Some(200));
    let rows: String = site.index.iter().map(|listed| row(listed, door.port)).collect();
    let text = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>runaccess proxy</title>\n\
         <style>{STYLE}</style>\n<h1>runaccess proxy</h1>\n<p>Each service answers at its own \
         name, with your identity.</p>\n<ul>\n{rows}</ul>\n</html>\n"
    );
    let text = if *method == Method::HEAD { String::new() } else { text };
    let mut response = Response::new(Download::here(text, ticket));
    let set = response.headers_mut();
    set.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    set.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");
    set.insert(http::header::CONTENT_SECURITY_POLICY, policy);
    response
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:48rem;\
    padding:0 1rem;color:#202124;background:#fff}ul{list-style:none;padding:0}\
    li{border:1px solid #dadce0;border-radius:8px;padding:.75rem 1rem;margin:.75rem 0}\
    li>a{font-size:1.15rem;font-weight:600}a{color:#1a56db}small{color:#5f6368;\
    overflow-wrap:anywhere}span{border-radius:99px;background:#e8eaed;padding:.1rem .6rem;\
    font-size:.85rem;margin-left:.5rem;white-space:nowrap}\
    @media(prefers-color-scheme:dark){body{color:#e8eaed;background:#202124}a{color:#8ab4f8}\
    li{border-color:#5f6368}small{color:#9aa0a6}span{background:#3c4043}}";

fn row(listed: &Listed, port: u16) -> String {
    let at = |label: &str| format!("http://{label}.localhost:{port}/");
    let (label, url) = (in_html(&listed.label), in_html(&listed.url));
    let exposure = listed.exposure.map(|exposure| format!(" <span>{}</span>", exposure.as_str()));
    let exposure = exposure.unwrap_or_default();
    let tags: Vec<String> = listed
        .tags
        .iter()
        .map(|tag| {
            let tagged = in_html(&format!("{tag}{TAG_SIGN}{}", listed.label));
            format!("<a href=\"{}\">{}</a>", at(&tagged), in_html(tag))
        })
        .collect();
    let tags = match tags.as_slice() {
        [] => String::new(),
        tags => format!("<br><small>tags · {}</small>", tags.join(" · ")),
    };
    format!(
        "<li><a href=\"{}\">{label}</a>{exposure}<br><small>{url}</small>{tags}</li>\n",
        at(&label)
    )
}
