//! An HTTP proxy between the tools and a server of objects: it writes down what is asked, and lets what a test has
//! planned go wrong on the way.

use std::io::{BufReader, Result, Write, sink};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::http::{Head, Length, pass_body};

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misfortune {
    /// It does not reach the server, and the connection is cut.
    CutBefore,
    /// The server carries it out, and its answer is lost.
    CutAfter,
    /// So many bytes of its body reach the server, and the connections are cut. All of a shorter one does.
    CutRequest(u64),
    /// So many bytes of the answer's body come back, and the connections are cut. All of a shorter one does.
    CutAnswer(u64),
    /// It does not reach the server, and is answered with this status.
    Answer(u16),
    /// The server carries it out, and it is answered with this status.
    AnswerAfter(u16),
    /// It reaches the server after this time.
    Delay(Duration),
    /// It reaches the server without this field, as if the server did not know that field. A server that checks
    /// signatures refuses it then.
    Without(&'static str),
}

/// A request, and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Counted from 1, over all connections, since the plan was made.
    pub(crate) number: usize,
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// With all its fields.
    pub(crate) head: Head,
    /// How many bytes of its body were passed on.
    pub(crate) sent: u64,
    /// How many bytes of the answer's body were passed on.
    pub(crate) received: u64,
    /// The status that the client was told; none where the connection was cut before.
    pub(crate) status: Option<u16>,
}

type Plan = dyn FnMut(&Request) -> Option<Misfortune> + Send;

struct State {
    plan: Box<Plan>,
    log: Vec<(Request, Arc<Progress>)>,
}

/// What has become of a request so far: written down before the client can know.
#[derive(Default)]
struct Progress {
    sent: AtomicU64,
    received: AtomicU64,
    /// Zero where there is none yet.
    status: AtomicU16,
}

impl Progress {
    fn request(&self, request: &Request) -> Request {
        let status = Some(self.status.load(Ordering::SeqCst)).filter(|&status| status != 0);
        let (sent, received) = (self.sent.load(Ordering::SeqCst), self.received.load(Ordering::SeqCst));
        Request { sent, received, status, ..request.clone() }
    }
}

/// The proxy; it takes no more connections when this value goes.
pub(crate) struct FaultyProxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    ended: Arc<AtomicBool>,
}

impl FaultyProxy {
    /// One that passes all on to a server.
    pub(crate) fn new(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = State { plan: Box::new(|_| None), log: Vec::new() };
        let (state, ended) = (Arc::new(Mutex::new(state)), Arc::<AtomicBool>::default());
        let (states, end) = (Arc::clone(&state), Arc::clone(&ended));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(client), state) = (client, Arc::clone(&states)) else { continue };
                std::thread::spawn(move || {
                    // Whatever the error is, nobody is there to be told.
                    let _ = serve(&client, server, &state);
                    let _ = client.shutdown(Shutdown::Both);
                });
            }
        });
        Self { address, state, ended }
    }

    /// Where to connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What becomes of each request from now on; none means that it is passed on. The log starts anew, and requests
    /// are counted from 1.
    pub(crate) fn plan(&self, plan: impl FnMut(&Request) -> Option<Misfortune> + Send + 'static) {
        let mut state = lock(&self.state);
        state.plan = Box::new(plan);
        state.log.clear();
    }

    /// As [`FaultyProxy::plan`], for one request alone.
    pub(crate) fn plan_at(&self, number: usize, misfortune: Misfortune) {
        self.plan(move |request| (request.number == number).then_some(misfortune));
    }

    /// As [`FaultyProxy::plan`], with nothing going wrong.
    pub(crate) fn plan_nothing(&self) {
        self.plan(|_| None);
    }

    /// What was asked, in the order in which the heads came.
    pub(crate) fn log(&self) -> Vec<Request> {
        lock(&self.state).log.iter().map(|(request, progress)| progress.request(request)).collect()
    }

    /// How many requests of this method there were; of all methods where it is empty.
    pub(crate) fn count(&self, method: &str) -> usize {
        let is_it = |request: &Request| method.is_empty() || request.method == method;
        lock(&self.state).log.iter().filter(|(request, _)| is_it(request)).count()
    }

    /// How many bytes of bodies were passed to the server, and back.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        self.log().iter().fold((0, 0), |(to, back), request| (to + request.sent, back + request.received))
    }
}

impl Drop for FaultyProxy {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // For it to look.
        let _ = TcpStream::connect(self.address);
    }
}

/// A plan that panics fails its own test, not all that come after.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Goes through the requests of one connection.
fn serve(client: &TcpStream, server: SocketAddr, state: &Mutex<State>) -> Result<()> {
    client.set_nodelay(true)?;
    let mut from = BufReader::new(client);
    while let Some(head) = Head::read(&mut from)? {
        let (method, target) = (head.word(0).to_owned(), head.word(1).to_owned());
        let progress = Arc::<Progress>::default();
        let (request, misfortune) = {
            let mut state = lock(state);
            let number = state.log.len() + 1;
            let request = Request { number, method, target, head, sent: 0, received: 0, status: None };
            state.log.push((request.clone(), Arc::clone(&progress)));
            let misfortune = (state.plan)(&request);
            (request, misfortune)
        };
        if !exchange(&mut from, client, server, &request, &progress, misfortune)? {
            break;
        }
    }
    Ok(())
}

/// Carries out one request; returns whether the connection can be used again.
fn exchange(
    from: &mut BufReader<&TcpStream>,
    mut client: &TcpStream,
    server: SocketAddr,
    request: &Request,
    progress: &Progress,
    misfortune: Option<Misfortune>,
) -> Result<bool> {
    let length = request.head.request_length();
    let most = |cut: Option<u64>| cut.unwrap_or(u64::MAX);
    let mut head = request.head.clone();
    match misfortune {
        Some(Misfortune::CutBefore) => return Ok(false),
        Some(Misfortune::Delay(time)) => std::thread::sleep(time),
        Some(Misfortune::Without(field)) => head.remove(field),
        _ => {}
    }
    // Whoever waits to be told to go on is told so by us: not each server knows that.
    if head.field("Expect").is_some() {
        head.remove("Expect");
        client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    if let Some(Misfortune::Answer(status)) = misfortune {
        pass_body(from, &mut sink(), length, u64::MAX, &AtomicU64::default())?;
        return invent(client, request, progress, status);
    }
    // A connection for each request: none is used that the server is about to close.
    let mut to = TcpStream::connect(server)?;
    to.set_nodelay(true)?;
    head.remove("Connection");
    head.fields.push(("Connection".to_owned(), "close".to_owned()));
    head.write(&mut to)?;
    let cut = if let Some(Misfortune::CutRequest(bytes)) = misfortune { Some(bytes) } else { None };
    let passed = pass_body(from, &mut to, length, most(cut), &progress.sent);
    if cut.is_some() {
        // Neither side hears of the other any more.
        let _ = to.shutdown(Shutdown::Both);
        return passed.map(|()| false);
    }
    // A server that has seen enough answers before it has all; the rest of the body is in the way of a next request.
    // Where it is the client that is gone, the server is not to wait for more.
    let mut usable = passed.is_ok();
    if !usable {
        let _ = to.shutdown(Shutdown::Write);
    }
    let mut back = BufReader::new(&to);
    let Some(mut head) = Head::read(&mut back)? else { return Ok(false) };
    let length = head.answer_length(&request.method);
    match misfortune {
        Some(Misfortune::CutAfter) => {
            // Not before it is done.
            pass_body(&mut back, &mut sink(), length, u64::MAX, &AtomicU64::default())?;
            return Ok(false);
        }
        Some(Misfortune::AnswerAfter(status)) => {
            pass_body(&mut back, &mut sink(), length, u64::MAX, &AtomicU64::default())?;
            return Ok(invent(client, request, progress, status)? && usable);
        }
        _ => {}
    }
    // What the server says of its connection to us is not for the client.
    head.remove("Connection");
    head.remove("Keep-Alive");
    head.first = head.first.replacen("HTTP/1.0", "HTTP/1.1", 1);
    usable &= length != Length::ToTheEnd;
    if !usable {
        head.fields.push(("Connection".to_owned(), "close".to_owned()));
    }
    progress.status.store(head.status(), Ordering::SeqCst);
    head.write(&mut client)?;
    let cut = if let Some(Misfortune::CutAnswer(bytes)) = misfortune { Some(bytes) } else { None };
    pass_body(&mut back, &mut client, length, most(cut), &progress.received)?;
    Ok(usable && cut.is_none())
}

/// Answers in the server's place.
fn invent(mut client: &TcpStream, request: &Request, progress: &Progress, status: u16) -> Result<bool> {
    let code = match status {
        403 => "AccessDenied",
        404 => "NoSuchKey",
        412 => "PreconditionFailed",
        503 => "SlowDown",
        _ => "InternalError",
    };
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>planned</Message></Error>");
    let fields = [("Content-Type", "application/xml"), ("Content-Length", &body.len().to_string())];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    progress.status.store(status, Ordering::SeqCst);
    Head { first: format!("HTTP/1.1 {status} Planned"), fields }.write(&mut client)?;
    if request.method != "HEAD" && status != 304 && status != 204 {
        client.write_all(body.as_bytes())?;
    }
    Ok(true)
}
