//! The application behind a service that has none of the user's own: it shows what it received.

use axum::body::Body;
use axum::response::IntoResponse;
use futures::StreamExt;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Request, Response};
use serde_json::{Map, Value, json};

use super::judge::Entered;
use super::live;
use super::too_large;
use runaccess_domain::printable::in_html;

/// How much of a body is shown.
const SHOWN: usize = 16 * 1024;

pub(crate) async fn answer(
    request: Request<Body>,
    entry: &Entered,
    http2: bool,
    limit: u64,
) -> Response<Body> {
    let request = match live::answer(request).await {
        Ok(response) => return response,
        Err(request) => request,
    };
    let (head, body) = request.into_parts();
    let mut headers = Map::new();
    for name in head.headers.keys() {
        let values: Vec<String> = head
            .headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect();
        headers.insert(name.as_str().to_owned(), Value::from(values.join(", ")));
    }
    let (mut size, mut start) = (0_u64, Vec::new());
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let Ok(piece) = piece else {
            return (http::StatusCode::BAD_REQUEST, "The request's body broke off.\n")
                .into_response();
        };
        size += piece.len() as u64;
        let room = SHOWN - start.len();
        start.extend_from_slice(&piece[..piece.len().min(room)]);
    }
    if size > limit {
        return too_large();
    }
    let name = &entry.service.name;
    let shown = json!({
        "service": name.service(),
        "region": name.region(),
        "project": name.project(),
        "tag": entry.tag,
        "protocol": if http2 { "HTTP/2" } else { "HTTP/1.1" },
        "method": head.method.as_str(),
        "path": head.uri.path(),
        "query": head.uri.query(),
        "headers": headers,
        "body": {"size": size, "text": String::from_utf8(start).ok().filter(|text| !text.is_empty())},
    });
    let text = serde_json::to_string_pretty(&shown).unwrap_or_default() + "\n";
    let accepts = head.headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    let (kind, text) = if accepts.is_some_and(|accepts| accepts.contains("text/html")) {
        ("text/html; charset=utf-8", as_page(name.service(), &text))
    } else {
        ("application/json", text)
    };
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn as_page(service: &str, text: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{service}</title>\n\
         <style>body{{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;\
         padding:0 1rem;color:#202124;background:#fff}}pre{{background:#f1f3f4;padding:1rem;\
         border-radius:8px;overflow:auto;white-space:pre-wrap;overflow-wrap:anywhere}}\
         @media(prefers-color-scheme:dark){{body{{color:#e8eaed;background:#202124}}\
         pre{{background:#303134}}}}</style>\n\
         <h1>{service}</h1>\n<p>You were let in. This is what the application behind the service \
         received.</p>\n<pre>{}</pre>\n</html>\n",
        in_html(text)
    )
}
