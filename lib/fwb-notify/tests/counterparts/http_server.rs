//! As much of a server of HTTP/1.1 as receives notices, and behaves as it is told.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What came.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    /// `POST /path HTTP/1.1`.
    pub(crate) first: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Got {
    pub(crate) fn path(&self) -> &str {
        self.first.split(' ').nth(1).unwrap_or_default()
    }

    pub(crate) fn field(&self, name: &str) -> &str {
        let found = self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// How a request is answered.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// With this status, these further fields and this text.
    Status(u16, &'static str, String),
    /// Not at all, while the connection stays open.
    Never,
    /// By the end of the connection.
    Break,
    /// With a text that has no end.
    Endless,
}

impl Answer {
    pub(crate) fn status(status: u16) -> Self {
        Self::Status(status, "", String::new())
    }
}

/// A server on loopback, for as long as the tests run.
pub(crate) struct HttpServer {
    pub(crate) port: u16,
    got: Arc<Mutex<Vec<Got>>>,
}

impl HttpServer {
    /// Answers the first request with the first answer, and all after the last with the last.
    pub(crate) fn new(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let got = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&got);
        thread::spawn(move || {
            for connection in listener.incoming() {
                let (all, answers) = (Arc::clone(&all), answers.clone());
                // A client that goes away ends its connection alone.
                thread::spawn(move || serve(&connection.ok()?, &all, &answers));
            }
        });
        Self { port, got }
    }

    pub(crate) fn ok() -> Self {
        Self::new(vec![Answer::status(200)])
    }

    /// What came until now.
    pub(crate) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// The only request that came.
    pub(crate) fn only(&self) -> Got {
        let got = self.got();
        assert_eq!(got.len(), 1, "{got:?}");
        got[0].clone()
    }
}

fn serve(connection: &TcpStream, all: &Mutex<Vec<Got>>, answers: &[Answer]) -> Option<()> {
    let mut from = BufReader::new(connection);
    let mut to = connection;
    loop {
        let got = read(&mut from)?;
        let number = {
            let mut all = all.lock().unwrap();
            all.push(got);
            all.len() - 1
        };
        match answers.get(number).or(answers.last())? {
            Answer::Status(status, fields, text) => {
                let length = text.len();
                let head = format!("HTTP/1.1 {status} X\r\n{fields}Content-Length: {length}\r\n\r\n{text}");
                to.write_all(head.as_bytes()).ok()?;
            }
            Answer::Never => thread::sleep(Duration::from_secs(3600)),
            Answer::Break => return None,
            Answer::Endless => {
                to.write_all(b"HTTP/1.1 500 X\r\nContent-Length: 1000000000000\r\n\r\n").ok()?;
                loop {
                    to.write_all(&[b'x'; 1 << 12]).ok()?;
                }
            }
        }
    }
}

fn read(from: &mut BufReader<&TcpStream>) -> Option<Got> {
    let mut line = || {
        let mut line = String::new();
        from.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
        Some(line.trim_end().to_owned())
    };
    let first = line()?;
    let mut fields = Vec::new();
    loop {
        let line = line()?;
        let Some((name, value)) = line.split_once(':') else { break };
        fields.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut got = Got { first, fields, body: String::new() };
    let length = got.field("Content-Length").parse().unwrap_or(0);
    from.take(length).read_to_string(&mut got.body).ok()?;
    Some(got)
}
