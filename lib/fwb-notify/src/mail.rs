//! A message as mail: the text, and the record attached.

use std::time::Duration;

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls as SmtpTls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

use crate::failure::told;
use crate::http::Refused;
use crate::message::Message;
use crate::settings::Authorities;
use crate::target::{Mail, Tls};

/// What stands before each subject, for whoever sorts mail.
const SUBJECT: &str = "[fwb]";

impl Mail {
    /// Sends it, once. A single command of the protocol may take `within`.
    pub(crate) async fn send(
        &self,
        message: &Message,
        authorities: &Authorities,
        within: Duration,
    ) -> Result<(), Refused> {
        let mail = self.letter(message).map_err(|error| Refused::finally(told(&error)))?;
        let server = self.server(authorities, within).map_err(|error| Refused::finally(told(&error)))?;
        match server.send(mail).await {
            Ok(_) => Ok(()),
            Err(error) => {
                // A wrong password stays wrong, and so does a certificate.
                let is_final = error.is_permanent() || error.is_client() || is_of_a_certificate(&error);
                Err(Refused { reason: told(&error), again: !is_final, after: None })
            }
        }
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

    fn server(
        &self,
        authorities: &Authorities,
        within: Duration,
    ) -> Result<AsyncSmtpTransport<Tokio1Executor>, lettre::transport::smtp::Error> {
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
        let mut server = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(self.server.clone())
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

/// The name by which this host greets a mail server.
fn hello() -> ClientId {
    let system = rustix::system::uname();
    let name = system.nodename().to_str().unwrap_or_default();
    let is_a_name = !name.is_empty()
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.'));
    if is_a_name { ClientId::Domain(name.to_owned()) } else { ClientId::default() }
}

fn is_of_a_certificate(error: &lettre::transport::smtp::Error) -> bool {
    told(error).contains("invalid peer certificate")
}
