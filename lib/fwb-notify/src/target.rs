//! One target: a URL, taken apart. Nothing here tells it again.

use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use lettre::message::Mailbox;
use percent_encoding::percent_decode_str;
use reqwest::Url;

use crate::event::Kind;
use crate::failure::Secrets;

/// Schemes of targets that are reached by HTTP, without `+https` and `+http`.
const OVER_HTTP: [(&str, Kind); 5] = [
    ("ping", Kind::Ping),
    ("webhook", Kind::Webhook),
    ("ntfy", Kind::Ntfy),
    ("slack", Kind::Slack),
    ("alertmanager", Kind::Alertmanager),
];
/// Where alerts are posted.
const ALERTS: &str = "api/v2/alerts";
/// The ports of mail that is submitted: with STARTTLS, with TLS from the beginning, and to a server on this host.
const SUBMISSION: u16 = 587;
const SUBMISSIONS: u16 = 465;
const RELAY: u16 = 25;

/// Somebody who is told.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) kind: Kind,
    /// Its host, without a port.
    pub(crate) host: String,
    pub(crate) way: Way,
    pub(crate) secrets: Secrets,
}

/// How it is reached.
#[derive(Clone)]
pub(crate) enum Way {
    Http(Http),
    Mail(Mail),
}

/// A place on a server of HTTP.
#[derive(Clone)]
pub(crate) struct Http {
    /// Without credentials.
    pub(crate) url: Url,
    pub(crate) credentials: Option<Credentials>,
    /// Whether it is on this host, which no proxy reaches.
    pub(crate) is_local: bool,
}

/// Who asks.
#[derive(Clone)]
pub(crate) enum Credentials {
    Basic { user: String, password: String },
    Token(String),
}

/// A mail server, and who gets mail from whom by it.
#[derive(Clone)]
pub(crate) struct Mail {
    /// Without the brackets of an IPv6 address.
    pub(crate) server: String,
    pub(crate) port: u16,
    pub(crate) tls: Tls,
    /// User and password.
    pub(crate) login: Option<(String, String)>,
    pub(crate) from: Mailbox,
    pub(crate) to: Vec<Mailbox>,
}

/// How mail is encrypted on its way to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tls {
    /// From the beginning.
    Wrapped,
    /// By STARTTLS, and not without.
    Required,
    None,
}

/// Why a text is no target, and what to write instead. Neither repeats the text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) what: String,
    pub(crate) hint: String,
}

type Parsed<T> = Result<T, Problem>;

fn problem<T>(what: impl Into<String>, hint: impl Into<String>) -> Parsed<T> {
    Err(Problem { what: what.into(), hint: hint.into() })
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.kind, self.host)
    }
}

impl Target {
    /// Takes a URL apart. `allow_http`: a password may go to another host unencrypted.
    pub(crate) fn parse(text: &str, allow_http: bool) -> Parsed<Self> {
        let Some((scheme, _)) = text.split_once("://") else {
            return problem("it is no URL", "write it KIND+https://HOST/PATH, or smtp://HOST?from=…&to=…");
        };
        let scheme = scheme.to_ascii_lowercase();
        let mut target = match scheme.as_str() {
            "smtp" | "smtps" => mail(text)?,
            "http" | "https" => {
                return problem(
                    format!("it begins with {scheme}://, which does not say what listens there"),
                    format!(
                        "write ping+{scheme}://, webhook+{scheme}://, ntfy+{scheme}://, slack+{scheme}:// or alertmanager+{scheme}://"
                    ),
                );
            }
            _ => {
                let parts = scheme.split_once('+').filter(|(_, over)| matches!(*over, "http" | "https"));
                let kind = parts.and_then(|(kind, _)| OVER_HTTP.iter().find(|(name, _)| *name == kind));
                let Some((name, kind)) = kind else {
                    return problem(
                        "its scheme is none that is known",
                        "ping+https, webhook+https, ntfy+https, slack+https, alertmanager+https (or +http), smtp, smtps",
                    );
                };
                http(*kind, &text[name.len() + 1..], allow_http)?
            }
        };
        target.secrets.add(text);
        Ok(target)
    }
}

fn url(text: &str) -> Parsed<Url> {
    match Url::parse(text) {
        Ok(url) if url.host_str().is_some_and(|host| !host.is_empty()) => Ok(url),
        Ok(_) => problem("it names no host", "write it KIND+https://HOST/PATH, or smtp://HOST?from=…&to=…"),
        // The library's words name the kind of mistake, not the text.
        Err(error) => problem(
            format!("it is no URL: {error}"),
            "in a user, a password or an address, write @ as %40, / as %2F, : as %3A, # as %23, % as %25",
        ),
    }
}

/// A name or a password of a URL, as it is.
fn decoded(text: &str) -> Parsed<String> {
    match percent_decode_str(text).decode_utf8() {
        Ok(text) if !text.contains(char::is_control) => Ok(text.into_owned()),
        _ => problem(
            "it has letters in it that cannot be",
            "write letters beyond ASCII as UTF-8, each byte as %XX",
        ),
    }
}

/// Without the brackets of an IPv6 address.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

fn is_local(host: &str) -> bool {
    let host = bare(host).trim_end_matches('.');
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// What of a URL must not be read.
fn secrets(url: &Url, decoded: &[&str]) -> Secrets {
    let mut secrets = Secrets::default();
    secrets.add(url.as_str());
    secrets.add(url.path().trim_matches('/'));
    for segment in url.path_segments().into_iter().flatten() {
        secrets.add(segment);
        // As a server repeats it.
        secrets.add(&percent_decode_str(segment).decode_utf8_lossy());
    }
    for secret in [url.username(), url.password().unwrap_or_default()].iter().chain(decoded) {
        secrets.add(secret);
    }
    secrets
}

fn http(kind: Kind, text: &str, allow_http: bool) -> Parsed<Target> {
    let mut url = url(text)?;
    let host = url.host_str().unwrap_or_default().to_owned();
    let (user, password) = (decoded(url.username())?, decoded(url.password().unwrap_or_default())?);
    let mut secrets = secrets(&url, &[&user, &password]);
    url.query().into_iter().for_each(|query| secrets.add(query));
    url.query_pairs().for_each(|(_, value)| secrets.add(&value));
    let credentials = match (user.is_empty(), password.is_empty()) {
        (true, true) => None,
        (true, false) => Some(Credentials::Token(password)),
        (false, _) => {
            // As it goes over the wire.
            secrets.add(&base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")));
            Some(Credentials::Basic { user, password })
        }
    };
    let is_local = is_local(&host);
    if credentials.is_some() && url.scheme() == "http" && !is_local && !allow_http {
        return problem(
            "it has a password, which would go over the network unencrypted",
            "write +https instead of +http; or set FWB_ALLOW_HTTP=1, where nobody listens",
        );
    }
    url.set_fragment(None);
    let has_none = url.set_username("").and_then(|()| url.set_password(None));
    if has_none.is_err() {
        return problem("it names no host", "write it KIND+https://HOST/PATH");
    }
    match kind {
        Kind::Ntfy if url.path().trim_matches('/').is_empty() => {
            return problem("it names no topic", "write it ntfy+https://HOST/TOPIC");
        }
        Kind::Alertmanager if !url.path().ends_with(ALERTS) => append(&mut url, ALERTS),
        _ => {}
    }
    secrets.add(url.as_str());
    Ok(Target { kind, host, way: Way::Http(Http { url, credentials, is_local }), secrets })
}

/// Appends to the path of a URL.
pub(crate) fn append(url: &mut Url, path: &str) {
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path.split('/'));
    }
}

fn mail(text: &str) -> Parsed<Target> {
    let url = url(text)?;
    let host = decoded(url.host_str().unwrap_or_default())?;
    let server = bare(&host).to_owned();
    if server
        .contains(|letter: char| !letter.is_ascii_alphanumeric() && !matches!(letter, '.' | '-' | ':' | '_'))
    {
        return problem("its host has letters in it that cannot be", "write it smtp://HOST:PORT?from=…&to=…");
    }
    let (user, password) = (decoded(url.username())?, decoded(url.password().unwrap_or_default())?);
    // Addresses stay: a server says which of them it refuses.
    let secrets = secrets(&url, &[&user, &password]);
    let login = if user.is_empty() && password.is_empty() { None } else { Some((user, password)) };
    if !matches!(url.path(), "" | "/") {
        return problem("a mail server's URL has no path", "write it smtp://HOST:PORT?from=…&to=…");
    }

    let (mut from, mut to, mut tls) = (None, Vec::new(), None);
    // Not by `query_pairs`: in an address, + is +.
    for pair in url.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decoded(value)?;
        match name {
            "from" => from = Some(mailbox("from", &value)?),
            "to" => to.push(mailbox("to", &value)?),
            "tls" => tls = Some(value),
            _ => {
                return problem(
                    "it has a parameter that is none of from, to and tls",
                    "write it smtp://HOST:PORT?from=…&to=…",
                );
            }
        }
    }
    let Some(from) = from else {
        return problem("it does not say from whom mail is", "add ?from=ADDRESS");
    };
    if to.is_empty() {
        return problem("it does not say who gets mail", "add &to=ADDRESS, once for each");
    }
    let is_local = is_local(&host);
    let tls = match (url.scheme(), tls.as_deref()) {
        ("smtps", None) => Tls::Wrapped,
        ("smtps", Some(_)) => return problem("smtps:// and tls= contradict each other", "leave tls= out"),
        (_, Some("starttls")) => Tls::Required,
        (_, Some("none")) if login.is_some() && !is_local => {
            return problem(
                "it has a password, which would go over the network unencrypted",
                "leave tls=none out",
            );
        }
        (_, Some("none")) => Tls::None,
        (_, Some(_)) => {
            return problem("tls= is neither starttls nor none", "leave it out: STARTTLS is the usual");
        }
        (_, None) if is_local => Tls::None,
        (_, None) => Tls::Required,
    };
    let port = url.port().unwrap_or(match tls {
        Tls::Wrapped => SUBMISSIONS,
        Tls::Required => SUBMISSION,
        Tls::None => RELAY,
    });
    Ok(Target {
        kind: Kind::Mail,
        host,
        way: Way::Mail(Mail { server, port, tls, login, from, to }),
        secrets,
    })
}

fn mailbox(name: &str, text: &str) -> Parsed<Mailbox> {
    text.parse().or_else(|_| {
        problem(
            format!("{name}= is no address"),
            "write it USER@HOST, + and all; other marks than these as %XX",
        )
    })
}

#[cfg(test)]
mod tests;
