//! One request: taken, given its token, sent on; its answer, or why there is none.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::{CONNECTION, EXPECT, UPGRADE};
use http::uri::{Parts as UriParts, PathAndQuery};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::{Body, Incoming};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::answer;
use super::body::{Download, Ticket, Upload, Waits};
use super::connection::Running;
use super::gate::{self, Taken};
use super::guard::Line;
use super::log::By;
use super::rewrite::{self, Place};
use super::site::{Door, Found, Route, Site};
use super::upstream::{Load, Upstream};
use crate::invoke::Answered;
use crate::transport::reason;

/// Where a request came in.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) door: usize,
    pub(super) peer: IpAddr,
    pub(super) line: Arc<Line>,
    pub(super) running: Running,
}

impl Site {
    /// Answers a request.
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        arrival: &Arrival,
    ) -> Response<Download> {
        let line = Arc::clone(&arrival.line);
        // Over HTTP/1 the guard has counted it when it handed it on.
        if request.version() >= Version::HTTP_2 {
            line.begin();
        }
        let fault = line.fault();
        let ticket = Ticket::new(&request, line, Arc::clone(&self.listener));
        let door = &self.doors[arrival.door];
        let (head, body) = request.into_parts();
        let taken = match gate::check(self, door, &head, fault) {
            Ok(taken) => taken,
            Err(refusal) => return answer::not_taken(self, door, &head, &refusal, ticket),
        };
        let ticket = match answer::own(&head, &taken, self, ticket) {
            Ok(response) => return response,
            Err(ticket) => ticket,
        };
        match taken.found {
            Found::Index => answer::index(self, door, &head.method, ticket),
            Found::Route(route) => {
                let passage = Passage { site: self, door, route, taken: &taken, arrival };
                passage.pass(Request::from_parts(head, body), ticket).await
            }
        }
    }
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
        let protocol = protocol(request.headers());
        let client = protocol.is_some().then(|| hyper::upgrade::on(&mut request));
        let (head, body) = request.into_parts();
        let mut head = Request::from_parts(head, ());
        let form = answer::Form::of(head.headers());
        self.prepare(&mut head, &token, protocol.as_ref());
        let answered = self.send(head, body, &token, client.is_some(), &ticket).await;
        let (mut response, load) = match answered {
            Ok(answered) => answered,
            Err(why) => {
                let text = format!("`{}` cannot be reached: {why}", self.route.name);
                return answer::failed(form, &text, cors, ticket);
            }
        };
        ticket.load = load;
        let status = response.status();
        let refused = Answered::of(status.as_u16(), response.headers());
        ticket.note(|told| {
            told.status = Some(status.as_u16());
            told.by = refused.map_or(By::Application, By::FrontEnd);
        });
        let server =
            (status == StatusCode::SWITCHING_PROTOCOLS).then(|| hyper::upgrade::on(&mut response));
        let agreed = response.headers().get(UPGRADE).cloned();
        let place = Place {
            site: self.site,
            door: self.door,
            host: &self.taken.host,
            name: &self.route.name,
        };
        rewrite::inbound(response.headers_mut(), &place, cors);
        *response.version_mut() = Version::HTTP_11;
        if let (Some(client), Some(server)) = (client, server) {
            return self.switch(response, agreed, client, server, ticket);
        }
        response.map(|body| Download::service(body, ticket))
    }

    /// Makes of the client's head the service's.
    fn prepare(&self, head: &mut Request<()>, token: &HeaderValue, protocol: Option<&HeaderValue>) {
        let upstream = &self.route.upstream;
        let mut target = UriParts::default();
        target.scheme = Some(upstream.scheme.clone());
        target.authority = Some(upstream.authority.clone());
        let path = head.uri().path_and_query().cloned();
        target.path_and_query = path.or_else(|| Some(PathAndQuery::from_static("/")));
        *head.uri_mut() = Uri::from_parts(target).unwrap_or_default();
        let (host, peer) = (&self.taken.host, self.arrival.peer);
        rewrite::outbound(head.headers_mut(), self.site, token.clone(), host, peer);
        if let Some(protocol) = protocol {
            head.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
            head.headers_mut().insert(UPGRADE, protocol.clone());
        }
    }

    /// Sends the request: once more where that does no harm, over a new connection where the one
    /// that was kept turned out dead, and with a new token where the service did not take it.
    async fn send(
        &self,
        mut head: Request<()>,
        body: Incoming,
        token: &HeaderValue,
        upgrades: bool,
        ticket: &Ticket,
    ) -> Result<(Response<Incoming>, Option<Load>), String> {
        let upstream = &self.route.upstream;
        let is_whole = body.is_end_stream();
        let spare = is_whole.then(|| bare(&head));
        let upload = if is_whole {
            Upload::Nothing
        } else {
            let waits = head.headers().contains_key(EXPECT).then(|| Waits::for_answer(&mut head));
            Upload::Streamed { body, received: ticket.counter(), waits }
        };
        let is_safe = repeats(head.method());
        let sent = upstream.send(head.map(|()| upload), upgrades, false).await;
        let answered = match (sent, &spare) {
            (Err(error), Some(spare)) if is_safe && !error.is_connect() => {
                again(upstream, spare, upgrades, true).await
            }
            (sent, _) => sent,
        };
        let answered = answered.map_err(|error| reason(&error))?;
        let refused = Answered::of(answered.0.status().as_u16(), answered.0.headers());
        if refused != Some(Answered::BadToken) {
            return Ok(answered);
        }
        // Whoever asks next is not to be refused for the same token.
        let other = self.route.keeper.other_than(token).await;
        let (Some(other), Some(mut spare)) = (other, spare) else { return Ok(answered) };
        spare.headers_mut().insert(self.site.header.clone(), other);
        Ok(again(upstream, &spare, upgrades, false).await.unwrap_or(answered))
    }

    /// Answers that the protocol is another from now on, and passes on what comes then.
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
        line.begin();
        ticket.tell();
        let running = self.arrival.running.clone();
        tokio::spawn(async move {
            if let Ok((client, server)) = futures::future::try_join(client, server).await {
                let (mut client, mut server) = (TokioIo::new(client), TokioIo::new(server));
                // Either side may break off: the other is then closed, which is all there is to do.
                drop(tokio::io::copy_bidirectional(&mut client, &mut server).await);
            }
            line.end();
            drop(running);
        });
        response.map(|_| Download::here("", ticket))
    }
}

async fn again(
    upstream: &Upstream,
    spare: &Request<()>,
    upgrades: bool,
    fresh: bool,
) -> Result<(Response<Incoming>, Option<Load>), hyper_util::client::legacy::Error> {
    upstream.send(bare(spare).map(|()| Upload::Nothing), upgrades, fresh).await
}

/// A request's head once more.
fn bare(head: &Request<()>) -> Request<()> {
    let mut copy = Request::new(());
    *copy.method_mut() = head.method().clone();
    *copy.uri_mut() = head.uri().clone();
    *copy.headers_mut() = head.headers().clone();
    copy
}

/// Whether a method may be carried out twice (RFC 9110, 9.2.2).
fn repeats(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE)
}

/// The protocol that a request asks for in place of this one. HTTP/2 is not asked for that way any
/// more (RFC 9113, 3.1), and no service could be reached by it.
fn protocol(headers: &HeaderMap) -> Option<HeaderValue> {
    let protocol = headers.get(UPGRADE)?;
    let said = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let mut names = said.flat_map(|value| value.split(','));
    let text = protocol.to_str().ok()?;
    let is_http2 = text.split(',').any(|name| name.trim().to_ascii_lowercase().starts_with("h2"));
    (names.any(|name| name.trim().eq_ignore_ascii_case("upgrade")) && !is_http2)
        .then(|| protocol.clone())
}
