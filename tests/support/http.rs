//! As much of HTTP/1.1 as a proxy and a test need that look at what goes over the wire: heads and bodies, nothing else.

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};

/// More than any head here has.
const LONGEST_HEAD: u64 = 64 << 10;

/// The first line of a message, and the fields below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) first: String,
    pub(crate) fields: Vec<(String, String)>,
}

/// How long a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    Bytes(u64),
    /// In chunks, each with its own length.
    Chunked,
    /// As long as the connection.
    ToTheEnd,
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
}

fn line(from: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    from.take(LONGEST_HEAD).read_line(&mut line)?;
    if line.ends_with('\n') { Ok(line.trim_end().to_owned()) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

impl Head {
    /// The next one; none where the connection ends before it.
    pub(crate) fn read(from: &mut impl BufRead) -> Result<Option<Self>> {
        if from.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut head = Self { first: line(from)?, fields: Vec::new() };
        loop {
            let line = line(from)?;
            if line.is_empty() {
                return Ok(Some(head));
            }
            let (name, value) = line.split_once(':').ok_or(ErrorKind::InvalidData)?;
            head.fields.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    /// As it goes over the wire.
    pub(crate) fn write(&self, to: &mut impl Write) -> Result<()> {
        let mut text = format!("{}\r\n", self.first);
        for (name, value) in &self.fields {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        to.write_all(text.as_bytes())
    }

    /// A field's value; names are the same in upper and lower case.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let is_it = |field: &&(String, String)| field.0.eq_ignore_ascii_case(name);
        self.fields.iter().find(is_it).map(|field| field.1.as_str())
    }

    /// Takes a field out.
    pub(crate) fn remove(&mut self, name: &str) {
        self.fields.retain(|field| !field.0.eq_ignore_ascii_case(name));
    }

    /// A word of the first line: method, target and version of a request; version and status of an answer.
    pub(crate) fn word(&self, index: usize) -> &str {
        self.first.split(' ').nth(index).unwrap_or_default()
    }

    /// An answer's status.
    pub(crate) fn status(&self) -> u16 {
        self.word(1).parse().unwrap_or_default()
    }

    fn said_length(&self) -> Option<Length> {
        let chunked = self.field("Transfer-Encoding").is_some_and(|codings| codings.ends_with("chunked"));
        let length = || self.field("Content-Length")?.parse().ok().map(Length::Bytes);
        if chunked { Some(Length::Chunked) } else { length() }
    }

    /// How long a request's body is.
    pub(crate) fn request_length(&self) -> Length {
        self.said_length().unwrap_or(Length::Bytes(0))
    }

    /// How long the body of an answer to this method is: some have none, whatever they say.
    pub(crate) fn answer_length(&self, method: &str) -> Length {
        if method == "HEAD" || matches!(self.status(), 100..=199 | 204 | 304) {
            return Length::Bytes(0);
        }
        self.said_length().unwrap_or(Length::ToTheEnd)
    }
}

/// Passes on so many bytes, and counts them before they go: whoever gets them may look at the count at once. Fails where
/// fewer come.
fn pass(from: &mut impl BufRead, to: &mut impl Write, mut bytes: u64, count: &AtomicU64) -> Result<()> {
    while bytes > 0 {
        let part = from.fill_buf()?;
        let size = part.len().min(usize::try_from(bytes).unwrap_or(usize::MAX));
        if size == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        count.fetch_add(size as u64, Ordering::SeqCst);
        to.write_all(&part[..size])?;
        from.consume(size);
        bytes -= size as u64;
    }
    Ok(())
}

/// Passes a body on as it is, and counts its bytes, without what is around chunks. Passes at most so many on, and fails
/// then.
pub(crate) fn pass_body(
    from: &mut impl BufRead,
    to: &mut impl Write,
    length: Length,
    most: u64,
    count: &AtomicU64,
) -> Result<()> {
    let cut = || Err(Error::other("cut on purpose"));
    let left = || most - count.load(Ordering::SeqCst);
    match length {
        Length::Bytes(bytes) if bytes > most => pass(from, to, most, count).and_then(|()| cut()),
        Length::Bytes(bytes) => pass(from, to, bytes, count),
        Length::ToTheEnd => {
            while !from.fill_buf()?.is_empty() {
                let here = from.fill_buf()?.len() as u64;
                pass(from, to, here.min(left()), count)?;
                if left() == 0 {
                    return cut();
                }
            }
            Ok(())
        }
        Length::Chunked => loop {
            let size = line(from)?;
            let bytes = size.split(';').next().unwrap_or_default();
            let bytes = u64::from_str_radix(bytes.trim(), 16).map_err(|_| ErrorKind::InvalidData)?;
            to.write_all(format!("{size}\r\n").as_bytes())?;
            if bytes == 0 {
                // Trailers, and the empty line.
                loop {
                    let trailer = line(from)?;
                    to.write_all(format!("{trailer}\r\n").as_bytes())?;
                    if trailer.is_empty() {
                        return Ok(());
                    }
                }
            }
            if bytes > left() {
                pass(from, to, left(), count)?;
                return cut();
            }
            pass(from, to, bytes, count)?;
            line(from)?;
            to.write_all(b"\r\n")?;
        },
    }
}

/// A body without its chunks.
fn read_body(from: &mut impl BufRead, length: Length) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    if length != Length::Chunked {
        pass_body(from, &mut body, length, u64::MAX, &AtomicU64::default())?;
        return Ok(body);
    }
    loop {
        let size = u64::from_str_radix(&line(from)?, 16).map_err(|_| ErrorKind::InvalidData)?;
        pass(from, &mut body, size, &AtomicU64::default())?;
        line(from)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

/// Reads the answer to a request of this method.
pub(crate) fn read_answer(from: &mut impl BufRead, method: &str) -> Result<Answer> {
    let head = Head::read(from)?.ok_or(ErrorKind::UnexpectedEof)?;
    let body = read_body(from, head.answer_length(method))?;
    Ok(Answer { status: head.status(), head, body })
}

/// Asks once, over a connection of its own.
pub(crate) fn ask(
    address: SocketAddr,
    method: &str,
    target: &str,
    fields: &[(&str, &str)],
    body: &[u8],
) -> Result<Answer> {
    let mut server = TcpStream::connect(address)?;
    server.set_nodelay(true)?;
    let mut head = Head { first: format!("{method} {target} HTTP/1.1"), fields: Vec::new() };
    let (host, length) = (address.to_string(), body.len().to_string());
    let ours = [("Host", host.as_str()), ("Connection", "close"), ("Content-Length", length.as_str())];
    let fields = ours.iter().chain(fields).map(|&(name, value)| (name.to_owned(), value.to_owned()));
    head.fields.extend(fields);
    head.write(&mut server)?;
    // A server that has seen enough answers before it has all.
    let _ = server.write_all(body);
    read_answer(&mut BufReader::new(server), method)
}
