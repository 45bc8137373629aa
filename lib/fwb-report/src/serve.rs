//! A small server of the report: read-only, for a browser and Prometheus. It trusts nobody: names of hosts are checked, so that a
//! page from elsewhere cannot read it through a name that it made point here; requests are small, answers are made beforehand,
//! and whoever is slow is cut off.

use std::convert::Infallible;
use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fwb::{Cancel, Error, ReportDocument, Result};
use http_body_util::Full;
use hyper::header::{self, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};

use crate::prometheus::{Service, metrics};

/// The stores are looked at again when an answer is asked for and the last look is so old.
const FRESH: Duration = Duration::from_secs(30);
/// So long an answer waits for a new look; then the last good one is given.
const PATIENCE: Duration = Duration::from_secs(8);
/// So long a client may take for the head of its request.
const HEAD: Duration = Duration::from_secs(5);
/// And for everything, to the last byte of the answer.
const WHOLE: Duration = Duration::from_secs(30);
/// The largest head of a request, in bytes, and the most fields in it.
const LARGEST_HEAD: (usize, usize) = (16 << 10, 64);
/// The most connections at a time; more wait.
const CONNECTIONS: usize = 64;
/// How often the server looks whether a signal asks it to end.
const PAUSE: Duration = Duration::from_millis(50);

/// What is served, and where.
pub struct Served {
    /// The address that is listened at.
    pub listener: TcpListener,
    /// Names by which the service may be asked, beside those of this machine's loopback and the address itself.
    pub host_names: Vec<String>,
    /// Looks at the stores.
    pub read: Box<dyn FnMut() -> Result<ReportDocument> + Send>,
}

/// What was seen at the last look.
#[derive(Clone, Default)]
struct Seen {
    /// When it was made; none before the first.
    tried_at: Option<Instant>,
    /// Answers from the last look that succeeded.
    answers: Option<Answers>,
    is_up: bool,
    errors: u64,
}

/// Answers that are made beforehand.
#[derive(Clone)]
struct Answers {
    page: Bytes,
    policy: HeaderValue,
    json: Bytes,
    metrics: Bytes,
}

impl Seen {
    fn is_fresh(&self) -> bool {
        self.tried_at.is_some_and(|tried| tried.elapsed() < FRESH)
    }
}

/// What requests share.
struct Shared {
    host_names: Vec<String>,
    seen: watch::Receiver<Seen>,
    demand: SyncSender<()>,
}

/// Serves until a signal arrives.
///
/// # Errors
/// The address cannot be used; a signal arrived.
pub fn serve(served: Served, cancel: &Cancel) -> Result<()> {
    let refused = |source| Error::Stream { action: "listen for requests", source };
    let Served { listener, host_names, read } = served;
    let (demand, demands) = sync_channel(1);
    let (tell, seen) = watch::channel(Seen::default());
    std::thread::Builder::new()
        .name("stores".into())
        .spawn(move || look(read, &demands, &tell))
        .map_err(refused)?;
    let shared = Arc::new(Shared { host_names, seen, demand });
    listener.set_nonblocking(true).map_err(refused)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(refused)?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).map_err(refused)?;
        let accepting = tokio::spawn(accept(listener, shared));
        loop {
            tokio::time::sleep(PAUSE).await;
            if let Err(interrupted) = cancel.check() {
                accepting.abort();
                return Err(interrupted);
            }
        }
    })
}

/// Looks at the stores when somebody asks, in a thread of its own: a store that hangs holds nobody else.
fn look(
    mut read: impl FnMut() -> Result<ReportDocument>,
    demands: &Receiver<()>,
    tell: &watch::Sender<Seen>,
) {
    let mut last: Option<ReportDocument> = None;
    while demands.recv().is_ok() {
        let mut seen = tell.borrow().clone();
        if seen.is_fresh() {
            continue;
        }
        match read() {
            Ok(report) => {
                seen.answers = answers(&report, None).or(seen.answers);
                seen.is_up = true;
                last = Some(report);
            }
            Err(error) => {
                log::warn!(code = error.code().code; "the stores cannot be read: {error}");
                seen.is_up = false;
                seen.errors += 1;
                let note = "The stores cannot be read now. This is what they held at the moment below.";
                seen.answers = last.as_ref().and_then(|report| answers(report, Some(note))).or(seen.answers);
            }
        }
        seen.tried_at = Some(Instant::now());
        if tell.send(seen).is_err() {
            return;
        }
    }
}

fn answers(report: &ReportDocument, note: Option<&str>) -> Option<Answers> {
    let json = serde_json::to_vec(report)
        .inspect_err(|error| log::warn!("the report cannot be written: {error}"))
        .ok()?;
    Some(Answers {
        page: crate::html(report, note).into(),
        policy: HeaderValue::from_str(&(crate::html::policy() + "; frame-ancestors 'none'")).ok()?,
        json: json.into(),
        metrics: metrics(Some(report), None).into(),
    })
}

async fn accept(listener: tokio::net::TcpListener, shared: Arc<Shared>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    attend(stream, shared).await;
                    drop(place);
                });
            }
            // No descriptor is left, or the client has gone: it goes on in a moment.
            Err(error) => {
                log::debug!("a connection was not accepted: {error}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// One connection, which is one request.
async fn attend(stream: TcpStream, shared: Arc<Shared>) {
    let Ok(own) = stream.local_addr() else { return };
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(&request, own.ip(), &shared).await) }
    });
    let mut server = hyper::server::conn::http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD).keep_alive(false);
    server.max_buf_size(LARGEST_HEAD.0).max_headers(LARGEST_HEAD.1);
    match tokio::time::timeout(WHOLE, server.serve_connection(TokioIo::new(stream), service)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => log::debug!("a request failed: {error}"),
        Err(_) => log::debug!("a client was too slow"),
    }
}

async fn answer<B>(request: &Request<B>, own: IpAddr, shared: &Shared) -> Response<Full<Bytes>> {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let is_one = request.headers().get_all(header::HOST).iter().count() == 1;
    if !is_one || !host.is_some_and(|host| is_ours(host, own, &shared.host_names)) {
        return plain(
            StatusCode::MISDIRECTED_REQUEST,
            "this host is not served by this name; see --host-name\n",
        );
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        refused.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    let path = request.uri().path();
    match path {
        "/healthz" => return plain(StatusCode::OK, "ok\n"),
        "/" | "/metrics" | "/report.json" => {}
        _ => return plain(StatusCode::NOT_FOUND, "there are /, /metrics, /report.json and /healthz\n"),
    }
    let seen = seen(shared).await;
    if path == "/metrics" {
        let mut text = metrics(None, Some(Service { is_up: seen.is_up, errors: seen.errors })).into_bytes();
        text.extend(seen.answers.iter().flat_map(|answers| answers.metrics.iter()));
        return with(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text.into());
    }
    let Some(answers) = seen.answers else {
        return plain(
            StatusCode::SERVICE_UNAVAILABLE,
            "the stores could not be read yet; the log says why\n",
        );
    };
    if path == "/report.json" {
        return with(StatusCode::OK, "application/json", answers.json);
    }
    let mut page = with(StatusCode::OK, "text/html; charset=utf-8", answers.page);
    page.headers_mut().insert(header::CONTENT_SECURITY_POLICY, answers.policy);
    page
}

/// What was seen last, at most half a minute ago where the stores answer in time.
async fn seen(shared: &Shared) -> Seen {
    let mut seen = shared.seen.clone();
    if !seen.borrow_and_update().is_fresh() {
        // Where it is full, the look is asked for already.
        let _ = shared.demand.try_send(());
        let _ = tokio::time::timeout(PATIENCE, seen.changed()).await;
    }
    seen.borrow().clone()
}

/// Whether a request was meant for this service, by the name that it was sent to. An address counts where it is the one that
/// the connection came to: only names can be made to point elsewhere.
fn is_ours(host: &str, own: IpAddr, names: &[String]) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !name.ends_with(':') && (!name.contains(':') || name.ends_with(']')) => {
            (name, Some(port))
        }
        _ => (host, None),
    };
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return false;
    }
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    if names.iter().any(|known| known.eq_ignore_ascii_case(bare)) {
        return true;
    }
    let own = own.to_canonical();
    match bare.parse::<IpAddr>() {
        Ok(address) => address.to_canonical() == own || address.is_loopback() && own.is_loopback(),
        Err(_) => own.is_loopback() && name.eq_ignore_ascii_case("localhost"),
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    with(status, "text/plain; charset=utf-8", Bytes::from_static(text.as_bytes()))
}

fn with(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_for_us_by_the_name_it_was_sent_to() {
        let (loopback, pod): (IpAddr, IpAddr) = ("127.0.0.1".parse().unwrap(), "10.1.2.3".parse().unwrap());
        let names = ["report.backup.svc".to_owned(), "10.96.0.7".to_owned()];
        let cases = [
            ("localhost", loopback, true),
            ("LOCALHOST:9394", loopback, true),
            ("127.0.0.1:9394", loopback, true),
            ("[::1]:9394", loopback, true),
            ("10.1.2.3:9394", pod, true),
            ("report.backup.svc:80", pod, true),
            ("10.96.0.7:80", pod, true),
            ("localhost", pod, false),
            ("127.0.0.1", pod, false),
            ("10.1.2.4", pod, false),
            ("evil.example", loopback, false),
            ("localhost.evil.example", loopback, false),
            ("127.0.0.1.evil.example:9394", loopback, false),
            ("localhost:x", loopback, false),
            ("", loopback, false),
            ("[::1", loopback, false),
        ];
        for (host, own, is_served) in cases {
            assert_eq!(is_ours(host, own, &names), is_served, "{host:?} at {own}");
        }
    }
}
