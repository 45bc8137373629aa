//! Requests: posted once, to where the URL says and nowhere else.

use std::time::Duration;

use fwb::{Error, Result};
use reqwest::header::{CONTENT_TYPE, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};

use crate::event::Kind;
use crate::failure::told;
use crate::forms::Request;
use crate::settings::Authorities;
use crate::target::{Credentials, Http};
use crate::text::cut;

/// How much of an answer is read, in bytes. What is beyond is not looked at.
const LONGEST_ANSWER: usize = 64 << 10;
/// How much of an answer is told, in letters.
const TOLD: usize = 200;

/// What is said of a certificate that nobody who is trusted has signed.
pub(crate) const UNTRUSTED: &str = "; FWB_NOTIFY_CA names the certificates of an authority of your own";

/// Why a request was not carried out.
pub(crate) struct Refused {
    pub(crate) reason: String,
    /// Whether the same may succeed in a moment.
    pub(crate) again: bool,
    /// How long the server wants to be left alone.
    pub(crate) after: Option<Duration>,
}

impl Refused {
    /// Another try gives the same.
    pub(crate) fn finally(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), again: false, after: None }
    }
}

/// What makes requests: to this host, and to others, which a proxy may reach.
#[derive(Debug, Clone)]
pub(crate) struct Clients {
    local: Client,
    other: Client,
}

impl Clients {
    /// # Errors
    /// The certificates cannot be used.
    pub(crate) fn new(authorities: &Authorities) -> Result<Self> {
        // Another part of the process may have said the same before.
        rustls::crypto::ring::default_provider().install_default().ok();
        let builder = || {
            let builder = Client::builder()
                .user_agent(concat!("fwb/", env!("CARGO_PKG_VERSION")))
                // Whoever answers does not choose who is told.
                .redirect(reqwest::redirect::Policy::none());
            authorities
                .http
                .iter()
                .fold(builder, |builder, certificate| builder.add_root_certificate(certificate.clone()))
        };
        let unusable = |error: reqwest::Error| {
            Error::usage(format!("no notice can be sent: {}", told(&error.without_url())))
        };
        let local = builder().no_proxy().build().map_err(unusable)?;
        let other = builder().build().map_err(unusable)?;
        Ok(Self { local, other })
    }

    /// Posts a request, once.
    pub(crate) async fn post(&self, kind: Kind, to: &Http, request: Request) -> Result<(), Refused> {
        let client = if to.is_local { &self.local } else { &self.other };
        let mut post = client.post(request.url).header(CONTENT_TYPE, request.content_type).body(request.body);
        for (name, value) in request.fields {
            post = post.header(name, value);
        }
        let answer = authorised(post, to.credentials.as_ref()).send().await.map_err(broken)?;
        judged(kind, answer).await
    }
}

fn authorised(post: RequestBuilder, credentials: Option<&Credentials>) -> RequestBuilder {
    match credentials {
        None => post,
        Some(Credentials::Basic { user, password }) => post.basic_auth(user, Some(password)),
        Some(Credentials::Token(token)) => post.bearer_auth(token),
    }
}

/// A connection that could not be made, or broke.
fn broken(error: reqwest::Error) -> Refused {
    let is_certificate = told(&error).contains("invalid peer certificate");
    let again = !is_certificate && !error.is_builder() && !error.is_redirect();
    let words = told(&error.without_url());
    let hint = if is_certificate { UNTRUSTED } else { "" };
    Refused { reason: format!("{words}{hint}"), again, after: None }
}

async fn judged(kind: Kind, answer: Response) -> Result<(), Refused> {
    let status = answer.status();
    if status.is_redirection() {
        let to = answer.headers().get(LOCATION).and_then(|to| elsewhere(answer.url(), to));
        let to = to.map_or_else(|| "elsewhere".to_owned(), |host| format!("to {host}"));
        return Err(Refused::finally(format!(
            "it answered {status}: it redirects {to}, and redirects are not followed"
        )));
    }
    let wait = answer.headers().get(RETRY_AFTER).and_then(|wait| wait.to_str().ok()?.trim().parse().ok());
    let said = said(answer).await;
    if status.is_success() {
        // A check that it does not know is no error to healthchecks.io.
        return match said.strip_prefix("OK (") {
            Some(but) if kind == Kind::Ping => {
                Err(Refused::finally(format!("it answered {status}: {}", but.trim_end_matches(')'))))
            }
            _ => Ok(()),
        };
    }
    let joint = if said.is_empty() { "" } else { ": " };
    Err(Refused {
        reason: format!("it answered {status}{joint}{said}"),
        again: status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS,
        after: wait.map(Duration::from_secs),
    })
}

/// The host that a redirect leads to.
fn elsewhere(from: &Url, to: &HeaderValue) -> Option<String> {
    from.join(to.to_str().ok()?).ok()?.host_str().map(ToOwned::to_owned)
}

/// The first line of an answer. One that breaks off, or is none of letters, says nothing.
async fn said(mut answer: Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < LONGEST_ANSWER
        && let Ok(Some(part)) = answer.chunk().await
    {
        bytes.extend_from_slice(&part[..part.len().min(LONGEST_ANSWER - bytes.len())]);
    }
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    // A page is for browsers.
    if line.starts_with('<') { String::new() } else { cut(line, TOLD) }
}
