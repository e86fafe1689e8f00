//! One request: accepted, given its token and sent on; then its response, or why there is none.

use std::error::Error as _;
use std::sync::Arc;

use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::uri::{Parts as UriParts, PathAndQuery};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::{Body, Incoming};
use hyper::upgrade::OnUpgrade;
use hyper_util::client::legacy::Error;

use super::answer;
use super::arrival::Arrival;
use super::download::Download;
use super::gate::{self, Taken};
use super::grpc::{grpc_status, is_grpc};
use super::guard::Fault;
use super::log::By;
use super::origin::LocalOrigin;
use super::rewrite;
use super::site::{Door, HostMatch, Route, Site};
use super::ticket::Ticket;
use super::upload::{Upload, Waits};
use super::upstream::{How, Sent, Upstream};
use crate::hop_by_hop;
use crate::invoke::FrontEndRefusal;
use crate::transport::reason;
use crate::tunnel;

impl Site {
    /// Answers a request.
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        arrival: &Arrival,
    ) -> Response<Download> {
        let line = Arc::clone(&arrival.line);
        // Over HTTP/1, the guard counted the request when it passed it on.
        if request.version() >= Version::HTTP_2 {
            line.begin();
        }
        let fault = line.fault();
        let ticket = Ticket::new(&request, line, Arc::clone(&self.listener));
        let door = &self.doors[arrival.whence.door];
        let (head, body) = request.into_parts();
        let is_whole = body.is_end_stream() || head.version >= Version::HTTP_2;
        let mut response = match self.own_answer(&head, door, fault, ticket) {
            Turn::Answered(response) => response,
            Turn::Goes { taken, route, ticket } => {
                let passage = Passage { site: self, door, route, taken: &taken, arrival };
                return passage.pass(Request::from_parts(head, body), ticket).await;
            }
        };
        if !is_whole {
            // The rest of the body is not read, so no other request can follow.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// Answers a request that needs no service: a refusal, a preflight, the index.
    fn own_answer<'a>(
        &'a self,
        head: &Parts,
        door: &'a Door,
        fault: Option<Fault>,
        ticket: Ticket,
    ) -> Turn<'a> {
        let taken = match gate::check(self, door, head, fault) {
            Ok(taken) => taken,
            Err(refusal) => {
                return Turn::Answered(answer::not_taken(self, door, head, &refusal, ticket));
            }
        };
        match (answer::own(head, &taken, self, ticket), taken.found) {
            (Ok(response), _) => Turn::Answered(response),
            (Err(ticket), HostMatch::Index) => {
                Turn::Answered(answer::index(self, door, head, ticket))
            }
            (Err(ticket), HostMatch::Route(route)) => Turn::Goes { taken, route, ticket },
        }
    }
}

/// How a request is handled.
enum Turn<'a> {
    Answered(Response<Download>),
    /// The request is sent to a service.
    Goes {
        taken: Taken<'a>,
        route: &'a Route,
        ticket: Ticket,
    },
}

/// A request on its way to a service.
struct Passage<'a> {
    site: &'a Site,
    door: &'a Door,
    route: &'a Route,
    taken: &'a Taken<'a>,
    arrival: &'a Arrival,
}

impl Passage<'_> {
    async fn pass(&self, mut request: Request<Incoming>, mut ticket: Ticket) -> Response<Download> {
        ticket.note(|told| told.service = Some(Arc::clone(&self.route.name)));
        let cors = self.taken.cors.clone();
        let token = match self.route.keeper.header().await {
            Ok(token) => token,
            Err(no_token) => {
                let form = answer::Form::of(request.headers());
                return answer::failed(form, &no_token.text(), cors, ticket);
            }
        };
        // Another protocol can follow only a complete request.
        let may_follow = request.body().is_end_stream() && !is_grpc(request.headers());
        // HTTP/1.0 knows no other protocol (RFC 9110, 7.8).
        let may_follow = may_follow && request.version() == Version::HTTP_11;
        let protocol = hop_by_hop::protocol(request.headers()).filter(|_| may_follow);
        let client = protocol.is_some().then(|| hyper::upgrade::on(&mut request));
        let (head, body) = request.into_parts();
        let method = head.method.clone();
        let mut head = Request::from_parts(head, ());
        let form = answer::Form::of(head.headers());
        self.prepare(&mut head, &token, protocol.as_ref());
        let answered = self.send(head, body, &token, client.is_some(), &ticket).await;
        let (mut response, load) = match answered {
            Ok(answered) => answered,
            Err(why) => return self.no_answer(form, &why, ticket),
        };
        if let Some(wrong) = wrong(&mut response, client.is_some()) {
            return self.no_answer(form, wrong, ticket);
        }
        ticket.load = load;
        let status = response.status();
        let refused = FrontEndRefusal::of(status.as_u16(), response.headers(), None);
        ticket.note(|told| {
            told.status = Some(status.as_u16());
            told.by = refused.map_or(By::Application, By::FrontEnd);
            told.grpc_status = grpc_status(response.headers());
        });
        let server =
            (status == StatusCode::SWITCHING_PROTOCOLS).then(|| hyper::upgrade::on(&mut response));
        let agreed = response.headers().get(UPGRADE).cloned();
        let place = LocalOrigin {
            site: self.site,
            door: self.door,
            host: &self.taken.host,
            label: &self.route.label,
        };
        rewrite::inbound(response.headers_mut(), &place, cors);
        *response.version_mut() = Version::HTTP_11;
        if let (Some(client), Some(server)) = (client, server) {
            return self.switch(response, agreed, client, server, ticket);
        }
        let has_none = method == Method::HEAD
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        response.map(|body| Download::service(body, has_none, ticket))
    }

    /// The response if the service gave none that can be passed on.
    fn no_answer(&self, form: answer::Form, why: &str, ticket: Ticket) -> Response<Download> {
        // The client's own body may have broken off.
        if let Some(fault) = self.arrival.line.fault() {
            return answer::broken_off(form, fault, ticket);
        }
        let text = format!("`{}` cannot be reached: {why}", self.route.name);
        answer::failed(form, &text, self.taken.cors.clone(), ticket)
    }

    /// Turns the client's request head into the head for the service.
    fn prepare(&self, head: &mut Request<()>, token: &HeaderValue, protocol: Option<&HeaderValue>) {
        let upstream = &self.route.upstream;
        let mut target = UriParts::default();
        target.scheme = Some(upstream.scheme.clone());
        target.authority = Some(upstream.authority.clone());
        let path = head.uri().path_and_query().cloned();
        target.path_and_query = path.or_else(|| Some(PathAndQuery::from_static("/")));
        *head.uri_mut() = Uri::from_parts(target).unwrap_or_default();
        let (host, peer) = (&self.taken.host, self.arrival.whence.peer);
        let client = (host.as_str(), peer);
        rewrite::outbound(head.headers_mut(), self.site, token.clone(), client, &upstream.origin);
        if let Some(protocol) = protocol {
            hop_by_hop::say_protocol(head.headers_mut(), protocol.clone());
        }
    }

    /// Sends the request. Retries once if that does no harm: over a new connection if the reused one
    /// turned out dead, and with a new token if the service rejected the first.
    async fn send(
        &self,
        mut head: Request<()>,
        body: Incoming,
        token: &HeaderValue,
        upgrades: bool,
        ticket: &Ticket,
    ) -> Result<Sent, String> {
        let upstream = &self.route.upstream;
        let is_whole = body.is_end_stream();
        let spare = is_whole.then(|| bare(&head));
        let upload = if is_whole {
            Upload::Nothing
        } else {
            let waits = head.headers().contains_key(EXPECT).then(|| Waits::for_answer(&mut head));
            let header = self.site.header.clone();
            Upload::Streamed { body, received: ticket.counter(), waits, header }
        };
        let is_safe = repeats(head.method());
        let how = How { worker: self.arrival.whence.worker, upgrades, fresh: false };
        let sent = upstream.send(head.map(|()| upload), how).await;
        let answered = match (&sent, &spare) {
            (Err(error), Some(spare)) if is_safe && broke_off(error) => {
                again(upstream, spare, How { fresh: true, ..how }).await
            }
            _ => sent,
        };
        let answered = answered.map_err(|error| reason(&error))?;
        let refused = FrontEndRefusal::of(answered.0.status().as_u16(), answered.0.headers(), None);
        if refused != Some(FrontEndRefusal::BadToken) {
            return Ok(answered);
        }
        // The next request must not be refused for the same token.
        let other = self.route.keeper.other_than(token).await;
        let (Some(other), Some(mut spare)) = (other, spare) else { return Ok(answered) };
        spare.headers_mut().insert(self.site.header.clone(), other);
        Ok(again(upstream, &spare, how).await.unwrap_or(answered))
    }

    /// Sends the response that switches the protocol, and passes on the bytes that follow.
    fn switch(
        &self,
        mut response: Response<Incoming>,
        agreed: Option<HeaderValue>,
        client: OnUpgrade,
        server: OnUpgrade,
        mut ticket: Ticket,
    ) -> Response<Download> {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
        if let Some(agreed) = agreed {
            response.headers_mut().insert(UPGRADE, agreed);
        }
        let line = Arc::clone(&self.arrival.line);
        line.upgrade();
        ticket.tell_so_far();
        let running = self.arrival.whence.running.clone();
        tokio::spawn(async move {
            let (received, sent) = tunnel::join(client, server).await;
            ticket.add(received, sent);
            ticket.note(|told| told.reason = Some("the connection ended".to_owned()));
            drop((ticket, running));
        });
        response.map(|_| Download::nothing())
    }
}

/// Why a response cannot be passed on, if it cannot.
fn wrong(response: &mut Response<Incoming>, upgrades: bool) -> Option<&'static str> {
    let headers = response.headers_mut();
    if let Some(coding) = headers.get(TRANSFER_ENCODING) {
        if !coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") {
            return Some("its answer is in a transfer coding that is not read here");
        }
        // The coding says where the body ends (RFC 9112, 6.3).
        headers.remove(CONTENT_LENGTH);
    }
    if let Err(why) = settle_length(headers) {
        return Some(why);
    }
    let switches = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    (switches && !upgrades).then_some("it changed the protocol unasked")
}

async fn again(upstream: &Upstream, spare: &Request<()>, how: How) -> Result<Sent, Error> {
    upstream.send(bare(spare).map(|()| Upload::Nothing), how).await
}

/// Whether a connection ended in place of a response, as a connection does that was idle for too
/// long.
fn broke_off(error: &Error) -> bool {
    let cause = error.source().and_then(|source| source.downcast_ref::<hyper::Error>());
    !error.is_connect() && cause.is_some_and(|cause| !cause.is_parse() && !cause.is_user())
}

/// A copy of a request's head.
fn bare(head: &Request<()>) -> Request<()> {
    let mut copy = Request::new(());
    *copy.method_mut() = head.method().clone();
    *copy.uri_mut() = head.uri().clone();
    *copy.headers_mut() = head.headers().clone();
    copy
}

/// Leaves one length, if a list says the same several times (RFC 9110, 8.6).
fn settle_length(headers: &mut HeaderMap) -> Result<(), &'static str> {
    let several = "its answer has several lengths, or none that is one";
    let mut said = headers.get_all(CONTENT_LENGTH).iter();
    let (Some(first), second) = (said.next(), said.next()) else { return Ok(()) };
    if second.is_some() {
        return Err(several);
    }
    let is_length = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let mut each = first.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let one = each.next().unwrap_or_default();
    if !is_length(one) || each.any(|other| other != one) {
        return Err(several);
    }
    let one = HeaderValue::from_bytes(one).map_err(|_| several)?;
    headers.insert(CONTENT_LENGTH, one);
    Ok(())
}

/// Whether a method may be executed twice (RFC 9110, 9.2.2).
fn repeats(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE)
}
