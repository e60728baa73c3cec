//! Answers the requests of one connection.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rtsp_types::headers::{self, HeaderName};
use rtsp_types::{Method, Request, StatusCode, Url, Version};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::Shared;
use super::activity::Activity;
use super::auth::{Authenticator, Verdict};
use super::connection::Ends;
use super::describe::wait_for_description;
use super::mount;
use super::peer::Peer;
use super::range::is_range_of_times;
use super::response::Response;
use super::sdp;
use super::session::{Prepared, Session, Transport, UdpListener};
use super::tcp::Outgoing;
use super::transport::Wanted;
use super::udp::UdpPair;

/// What one connection has been through.
pub(super) struct Handler<'a> {
    shared: &'a Shared,
    /// UDP comes from our end and goes to the other.
    ends: Ends,
    authenticator: Authenticator,
    session: Option<Session>,
    activity: Arc<Activity>,
    outgoing: mpsc::Sender<Outgoing>,
}

/// The writer has ended.
#[derive(Debug)]
pub(super) struct Ended;

/// An answer, and what follows it.
struct Answer {
    response: Response,
    then: Then,
}

enum Then {
    GoOn,
    Play(Box<Prepared>),
    Close,
}

impl<'a> Handler<'a> {
    pub(super) fn new(
        shared: &'a Shared,
        ends: Ends,
        peer: Arc<Peer>,
        activity: Arc<Activity>,
        outgoing: mpsc::Sender<Outgoing>,
    ) -> Self {
        let ends = Ends { peer: canonical(ends.peer), local: canonical(ends.local), ..ends };
        let authenticator = Authenticator::new(shared.checks.clone(), ends.peer.ip(), peer);
        Self { shared, ends, authenticator, session: None, activity, outgoing }
    }

    /// Whether there is a session, which has more time than a connection without.
    pub(super) fn has_session(&self) -> bool {
        self.session.is_some()
    }

    /// Whether a viewer is being sent to.
    pub(super) fn is_playing(&self) -> bool {
        self.session.as_ref().is_some_and(Session::is_playing)
    }

    /// The moment of the last sign of life that was to be expected. A viewer whose stream brings nothing has nothing to
    /// answer, and many a program then sends nothing at all; its time begins anew when packets come again.
    pub(super) fn last_sign(&self) -> Instant {
        let last = self.activity.last();
        match self.session.as_ref().filter(|session| session.is_playing()) {
            Some(session) => {
                session.channel().flowing_since().map_or_else(Instant::now, |since| last.max(since.into()))
            }
            None => last,
        }
    }

    /// Whether it is known to be a viewer's connection, which makes way for no other.
    pub(super) fn is_settled(&self) -> bool {
        self.session.is_some() || self.authenticator.has_let_in()
    }

    /// Looks at whoever views again, now that the rules may have changed.
    ///
    /// # Errors
    /// Why the connection has to end.
    pub(super) async fn revise(&mut self) -> Result<(), &'static str> {
        self.authenticator.forget();
        let Some(session) = &self.session else { return Ok(()) };
        if self.authenticator.still_allows(session.channel().path(), session.user()) {
            return Ok(());
        }
        let _ = self.send(Outgoing::Close).await;
        Err("the viewer may not watch any more")
    }

    /// Takes a packet that came interleaved. What comes on other channels than the session's is not for us.
    pub(super) fn packet(&self, channel: u8, packet: &[u8]) {
        if let Some(session) = self.session.as_ref().filter(|session| session.has_control_channel(channel)) {
            session.reception().take(packet);
        }
    }

    /// Answers `request`.
    pub(super) async fn handle(&mut self, request: &Request<Vec<u8>>) -> Result<(), Ended> {
        let cseq = request.header(&headers::CSEQ).and_then(|value| value.as_str().parse::<u32>().ok());
        let answer = match cseq {
            Some(_) => self.answer(request).await,
            None => status(StatusCode::BadRequest),
        };
        let mut response = answer.response;
        if let Some(cseq) = cseq {
            response = response.header("CSeq", cseq.to_string());
        }
        if let (Some(session), true) = (&self.session, u16::from(response.status) == 200) {
            let timeout = self.shared.options.session_timeout.as_secs();
            response = response.header("Session", format!("{};timeout={timeout}", session.id()));
        }
        self.send(Outgoing::Response(response.into_bytes())).await?;
        match answer.then {
            Then::GoOn => {}
            Then::Play(prepared) => {
                if let Some(session) = &mut self.session {
                    session.play(*prepared, &self.shared.audience, &self.activity, &self.outgoing).await;
                }
            }
            Then::Close => self.send(Outgoing::Close).await?,
        }
        Ok(())
    }

    /// Says that what came is no request, and closes.
    pub(super) async fn refuse(&mut self, code: StatusCode) -> Result<(), Ended> {
        self.send(Outgoing::Response(Response::new(code).into_bytes())).await?;
        self.send(Outgoing::Close).await
    }

    async fn answer(&mut self, request: &Request<Vec<u8>>) -> Answer {
        if request.version() != Version::V1_0 {
            return status(StatusCode::RTSPVersionNotSupported);
        }
        if let Some(option) = request.header(&headers::REQUIRE) {
            let response = Response::new(StatusCode::OptionNotSupported);
            // Continuation lines are folded by the parser's rules, not removed.
            return response.header("Unsupported", option.as_str().replace(['\r', '\n'], " ")).into();
        }
        if *request.method() == Method::Options {
            return Response::new(StatusCode::Ok).header("Public", METHODS).into();
        }
        let user = match self.authenticate(request).await {
            Ok(user) => user,
            Err(challenge) => return challenge,
        };
        if let Some(given) = header(request, &headers::SESSION) {
            let given = given.split(';').next().unwrap_or_default().trim();
            if self.session.as_ref().is_none_or(|session| session.id() != given) {
                return status(StatusCode::SessionNotFound);
            }
        }
        match request.method() {
            Method::Describe => self.describe(request).await,
            Method::Setup => self.set_up(request, user),
            Method::Play => self.play(request),
            Method::Pause => self.pause().await,
            Method::Teardown => self.tear_down().await,
            // With nothing in it, it only keeps the session alive.
            Method::GetParameter | Method::SetParameter if request.body().is_empty() => {
                status(StatusCode::Ok)
            }
            Method::GetParameter | Method::SetParameter => status(StatusCode::ParameterNotUnderstood),
            Method::Extension(_) => status(StatusCode::NotImplemented),
            _ => Response::new(StatusCode::MethodNotAllowed).header("Allow", METHODS).into(),
        }
    }

    /// Who asks, if a name is asked for, or what to answer if the request does not bring the right credentials.
    async fn authenticate(&mut self, request: &Request<Vec<u8>>) -> Result<Option<String>, Answer> {
        let method: &str = request.method().into();
        let authorization = header(request, &headers::AUTHORIZATION);
        let path = self.subject(request).to_owned();
        let verdict = self.authenticator.check(&path, method, authorization).await;
        let then = match verdict {
            Verdict::Allowed(user) => return Ok(user),
            Verdict::Busy => {
                let response = Response::new(StatusCode::ServiceUnavailable);
                return Err(response.header("Retry-After", "5").into());
            }
            Verdict::Challenge => Then::GoOn,
            Verdict::TooManyFailures => {
                warn!(peer = %self.ends.peer, path, "wrong credentials too often, connection closed");
                Then::Close
            }
        };
        let mut response = Response::new(StatusCode::Unauthorized);
        for challenge in self.authenticator.challenges(&path) {
            response = response.header("WWW-Authenticate", challenge);
        }
        Err(Answer { response, then })
    }

    /// The path that a request concerns: that of the session, once there is one, unless it asks for another.
    fn subject<'r>(&'r self, request: &'r Request<Vec<u8>>) -> &'r str {
        let key = request.request_uri().map_or("", mount::key);
        match (request.method(), &self.session) {
            // What is no track may be the stream itself, for which the same credentials are right.
            (Method::Setup, _) => track(key).map_or(key, |(path, _)| path),
            (Method::Describe, _) | (_, None) => key,
            (_, Some(session)) => session.channel().path(),
        }
    }

    async fn describe(&mut self, request: &Request<Vec<u8>>) -> Answer {
        let Some(url) = request.request_uri() else { return status(StatusCode::BadRequest) };
        let accept = header(request, &headers::ACCEPT);
        if accept.is_some_and(|accept| !accept.contains("application/sdp") && !accept.contains("*/*")) {
            return status(StatusCode::NotAcceptable);
        }
        let path = mount::key(url);
        let Some(channel) = self.shared.registry.find(path) else { return status(StatusCode::NotFound) };
        let description = wait_for_description(&channel, self.shared.options.describe_timeout).await;
        if description.closed {
            return status(StatusCode::NotFound);
        }
        if description.tracks.is_empty() {
            // The camera behind the mount has not been heard yet.
            return Response::new(StatusCode::ServiceUnavailable).header("Retry-After", "1").into();
        }
        debug!(peer = %self.ends.peer, path, "described");
        Response::new(StatusCode::Ok)
            .header("Content-Base", base(url, path))
            .body("application/sdp", sdp::write(path, &description, None))
            .into()
    }

    fn set_up(&mut self, request: &Request<Vec<u8>>, user: Option<String>) -> Answer {
        let Some(url) = request.request_uri() else { return status(StatusCode::BadRequest) };
        let key = mount::key(url);
        let Some((path, index)) = track(key) else {
            return status(match self.shared.registry.find(key) {
                // Tracks are set up one by one.
                Some(_) => StatusCode::AggregateOperationNotAllowed,
                None => StatusCode::NotFound,
            });
        };
        let Some(channel) = self.shared.registry.find(path) else { return status(StatusCode::NotFound) };
        let Some(ssrc) = channel.ssrc(index) else { return status(StatusCode::NotFound) };
        if let Some(session) = &self.session {
            if session.is_playing() {
                return status(StatusCode::MethodNotValidInThisState);
            }
            if !Arc::ptr_eq(session.channel(), &channel) {
                return status(StatusCode::AggregateOperationNotAllowed);
            }
        }
        let in_the_clear = !self.ends.is_encrypted;
        let multicast = in_the_clear && self.shared.groups.serve(&channel, self.ends.local);
        // What goes by UDP is not encrypted: whoever asks for TLS does not want that.
        let served = |wanted: &Wanted| match wanted {
            Wanted::Interleaved(_) => true,
            Wanted::Udp { .. } => in_the_clear,
            Wanted::Multicast => multicast,
        };
        let wanted = header(request, &headers::TRANSPORT).and_then(|header| Wanted::choose(header, served));
        let Some(wanted) = wanted else { return status(StatusCode::UnsupportedTransport) };

        let session = self.session.get_or_insert_with(|| Session::new(channel.clone(), self.ends.peer, user));
        let (transport, words) = match wanted {
            Wanted::Interleaved(channels) => {
                let (rtp, rtcp) = channels.unwrap_or((2 * index, 2 * index + 1));
                if !session.are_free((rtp, rtcp), index) {
                    return status(StatusCode::UnsupportedTransport);
                }
                let words = format!("RTP/AVP/TCP;unicast;interleaved={rtp}-{rtcp}");
                (Transport::Interleaved((rtp, rtcp)), words)
            }
            Wanted::Udp { rtp, rtcp } => {
                let pair = match UdpPair::bind(self.ends.local, self.ends.peer, (rtp, rtcp)) {
                    Ok(pair) => Arc::new(pair),
                    Err(error) => {
                        warn!(peer = %self.ends.peer, %error, "no UDP ports for a viewer");
                        return status(StatusCode::ServiceUnavailable);
                    }
                };
                let (server_rtp, server_rtcp) = pair.server_ports();
                let words = format!(
                    "RTP/AVP;unicast;client_port={rtp}-{rtcp};server_port={server_rtp}-{server_rtcp}"
                );
                let listener = UdpListener::new(&pair, session.reception(), &self.activity);
                (Transport::Udp { pair, _listener: listener }, words)
            }
            Wanted::Multicast => match self.shared.groups.open(&channel, index, self.ends.local) {
                Ok((group, words)) => (Transport::Multicast(group), words),
                Err(error) => {
                    warn!(peer = %self.ends.peer, %error, "no sockets for a group of viewers");
                    return status(StatusCode::ServiceUnavailable);
                }
            },
        };
        session.set_up(index, transport);
        Response::new(StatusCode::Ok).header("Transport", format!("{words};ssrc={ssrc:08X}")).into()
    }

    fn play(&mut self, request: &Request<Vec<u8>>) -> Answer {
        let Some(session) = &self.session else { return status(StatusCode::MethodNotValidInThisState) };
        let Some(url) = request.request_uri() else { return status(StatusCode::BadRequest) };
        // The stream is live: every time is now, but it must be a time.
        let range = header(request, &headers::RANGE).unwrap_or("npt=now-");
        if !is_range_of_times(range) {
            return status(StatusCode::InvalidRange);
        }
        let response = Response::new(StatusCode::Ok).header("Range", "npt=now-");
        if session.is_playing() {
            return response.into();
        }
        let (starts, prepared) = session.prepare();
        let base = base(url, session.channel().path());
        let info: Vec<_> = starts
            .iter()
            .map(|start| {
                let url = format!("url={base}{}", sdp::control(start.track));
                match start.first {
                    Some((sequence, timestamp)) => format!("{url};seq={sequence};rtptime={timestamp}"),
                    None => url,
                }
            })
            .collect();
        debug!(peer = %self.ends.peer, path = session.channel().path(), "plays");
        Answer { response: response.header("RTP-Info", info.join(",")), then: Then::Play(Box::new(prepared)) }
    }

    async fn pause(&mut self) -> Answer {
        match &mut self.session {
            Some(session) if session.is_playing() => {
                session.pause(&self.outgoing).await;
                status(StatusCode::Ok)
            }
            _ => status(StatusCode::MethodNotValidInThisState),
        }
    }

    async fn tear_down(&mut self) -> Answer {
        let Some(mut session) = self.session.take() else {
            return status(StatusCode::MethodNotValidInThisState);
        };
        session.pause(&self.outgoing).await;
        status(StatusCode::Ok)
    }

    async fn send(&self, outgoing: Outgoing) -> Result<(), Ended> {
        self.outgoing.send(outgoing).await.map_err(|_| Ended)
    }
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        Self { response, then: Then::GoOn }
    }
}

fn status(code: StatusCode) -> Answer {
    Response::new(code).into()
}

/// What it is in IPv4, where a listener for both takes connections of either.
fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr.ip().to_canonical() {
        IpAddr::V4(ip) => (ip, addr.port()).into(),
        IpAddr::V6(_) => addr,
    }
}

fn header<'a>(request: &'a Request<Vec<u8>>, name: &HeaderName) -> Option<&'a str> {
    request.header(name).map(|value| value.as_str())
}

/// The path of a stream and the track of it, if `key` is that of a track.
fn track(key: &str) -> Option<(&str, u8)> {
    let (path, name) = key.rsplit_once('/').unwrap_or(("", key));
    Some((path, sdp::track_of(name)?))
}

/// The address that the tracks' names are appended to. Credentials and queries do not come back.
fn base(url: &Url, path: &str) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}/{path}/", url.scheme(), url.host_str().unwrap_or_default())
}

const METHODS: &str = "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER, SET_PARAMETER";
