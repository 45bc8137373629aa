//! A message as mail: the text, and the record attached.

use std::time::Duration;

use futures_util::future::join_all;
use lettre::address::Envelope;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls as SmtpTls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

use crate::failure::told;
use crate::http::{Refused, UNTRUSTED};
use crate::message::Message;
use crate::settings::Authorities;
use crate::target::{Mail, Tls};

/// What stands before each subject, for whoever sorts mail.
const SUBJECT: &str = "[fwb]";

/// A connection to a mail server for each mail.
type Server = AsyncSmtpTransport<Tokio1Executor>;
/// What a mail server said.
type Said = lettre::transport::smtp::Error;

impl Mail {
    /// Sends it, once. A single command of the protocol may take `within`.
    ///
    /// Where a server refuses one of several addresses, it has refused the mail. So it is sent to each of them alone then.
    pub(crate) async fn send(
        &self,
        message: &Message,
        authorities: &Authorities,
        within: Duration,
    ) -> Result<(), Refused> {
        let letter = self.letter(message).map_err(|error| Refused::finally(told(&error)))?;
        let server = self.server(authorities, within).map_err(refused)?;
        let (envelope, bytes) = (letter.envelope(), letter.formatted());
        let Err(error) = server.send_raw(envelope, &bytes).await else { return Ok(()) };
        if self.to.len() == 1 || !is_of_an_address(&error) {
            return Err(refused(error));
        }
        let all = self.to.iter().map(|to| self.send_to(to, &server, &bytes));
        let failed: Vec<Said> = join_all(all).await.into_iter().filter_map(Result::err).collect();
        let (got, all) = (self.to.len() - failed.len(), self.to.len());
        match failed.first() {
            None => Ok(()),
            Some(first) => Err(Refused::finally(format!("{}; {got} of {all} addresses got it", told(first)))),
        }
    }

    async fn send_to(&self, to: &Mailbox, server: &Server, bytes: &[u8]) -> Result<(), Said> {
        // With an address, there is an envelope.
        let Ok(envelope) = Envelope::new(Some(self.from.email.clone()), vec![to.email.clone()]) else {
            return Ok(());
        };
        server.send_raw(&envelope, bytes).await.map(|_| ())
    }

    fn letter(&self, message: &Message) -> Result<lettre::Message, lettre::error::Error> {
        let now = std::time::SystemTime::now();
        let number =
            now.duration_since(std::time::UNIX_EPOCH).map(|since| since.as_nanos()).unwrap_or_default();
        let id = format!("<{number}.{}.fwb@{}>", std::process::id(), self.from.email.domain());
        let mut letter = lettre::Message::builder()
            .from(self.from.clone())
            .subject(format!("{SUBJECT} {}", message.title))
            .message_id(Some(id))
            .date(now)
            // Nobody's absence note is to answer it (RFC 3834).
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
        for to in &self.to {
            letter = letter.to(to.clone());
        }
        let text = SinglePart::plain(format!("{}\n", message.text));
        if message.record.is_null() {
            return letter.singlepart(text);
        }
        let record = format!("{:#}\n", message.record);
        let json = ContentType::parse("application/json").unwrap_or(ContentType::TEXT_PLAIN);
        letter.multipart(
            MultiPart::mixed()
                .singlepart(text)
                .singlepart(Attachment::new("record.json".to_owned()).body(record, json)),
        )
    }

    fn server(&self, authorities: &Authorities, within: Duration) -> Result<Server, Said> {
        let trust = || {
            let mut trust = TlsParameters::builder(self.server.clone());
            if let Some(more) = &authorities.mail {
                trust = trust.add_root_certificate(more.0.clone());
            }
            trust.build()
        };
        let tls = match self.tls {
            Tls::Wrapped => SmtpTls::Wrapper(trust()?),
            Tls::Required => SmtpTls::Required(trust()?),
            Tls::None => SmtpTls::None,
        };
        let mut server = Server::builder_dangerous(self.server.clone())
            .port(self.port)
            .tls(tls)
            .timeout(Some(within))
            .hello_name(hello());
        if let Some((user, password)) = &self.login {
            server = server.credentials(Credentials::new(user.clone(), password.clone()));
        }
        Ok(server.build())
    }
}

/// The name by which this host greets a mail server: one that is whole, because servers refuse others, or its address.
fn hello() -> ClientId {
    let system = rustix::system::uname();
    let name = system.nodename().to_str().unwrap_or_default();
    let is_of_a_name = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.');
    let is_whole = name.contains('.') && name.chars().all(is_of_a_name);
    if is_whole { ClientId::Domain(name.to_owned()) } else { ClientId::default() }
}

/// Whether a server refused the mail for what RFC 5321 gives these codes to: an address, or what is in the mail.
fn is_of_an_address(error: &Said) -> bool {
    error.status().is_some_and(|code| matches!(u16::from(code), 550..=554))
}

/// A wrong password stays wrong, and so does a certificate.
fn refused(error: Said) -> Refused {
    let words = told(&error);
    let is_certificate = words.contains("invalid peer certificate");
    let hint = if is_certificate { UNTRUSTED } else { "" };
    let again = !error.is_permanent() && !error.is_client() && !is_certificate;
    Refused { reason: format!("{words}{hint}"), again, after: None }
}
