//! From an address to a connection that is logged in.

use std::io;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use fwb::{Cancel, Role, SessionError, Stopper, TlsMode};
use sha2::{Digest as _, Sha256};

use crate::auth::{self, Method, Secrecy};
use crate::handshake::{self, Answer, Greeting, capabilities, capability, server_error};
use crate::packet::Packets;
use crate::session::Connection;
use crate::target::{Address, Target};
use crate::tls;
use crate::transport::{Carrier, Channel, Patience};
use crate::wire::{Fields, malformed};

/// How long a server may take for each step until we are logged in. Client programs wait ten seconds for the first.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// How often the server may ask for another proof.
const MOST_ROUNDS: u32 = 10;

/// Connects and logs in.
pub(crate) fn connect(
    target: &Target,
    role: Role,
    database: Option<&str>,
    cancel: &Cancel,
) -> Result<Connection, SessionError> {
    cancel.check().map_err(|error| SessionError::Taker(Box::new(error)))?;
    let channel = open(&target.address)
        .map_err(|source| SessionError::Unreachable { place: name(&target.address), source })?;
    over(channel, PATIENCE, target, role, database, cancel)
}

/// Logs in over a channel.
pub(crate) fn over(
    channel: Channel,
    patience: Duration,
    target: &Target,
    role: Role,
    database: Option<&str>,
    cancel: &Cancel,
) -> Result<Connection, SessionError> {
    let _stops = cancel.stops(Arc::clone(&channel.stopper));
    let carrier = channel.carrier.clone();
    // Nothing is lost yet.
    let unreachable = |source: io::Error| match &carrier {
        Some(carrier) => carrier.cut(source),
        None => SessionError::Unreachable { place: name(&target.address), source },
    };
    (channel.patience)(Some(patience)).map_err(unreachable)?;
    let opened = Opened {
        packets: Packets::new(channel.stream),
        is_private: channel.is_private,
        stopper: channel.stopper,
        carrier: channel.carrier,
        patience: channel.patience,
    };
    let connection = opened.log_in(target, role, database).map_err(|error| match error {
        SessionError::Lost(source) if is_timeout(&source) => {
            unreachable(io::Error::new(io::ErrorKind::TimedOut, "the server does not answer"))
        }
        SessionError::Lost(source) => unreachable(source),
        other => other,
    })?;
    connection.wait_for_ever().map_err(unreachable)?;
    Ok(connection)
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

pub(crate) fn name(address: &Address) -> String {
    match address {
        Address::Socket(path) => format!("the server's socket {}", path.display()),
        Address::Tcp { host, port } => format!("the server at {host}:{port}"),
    }
}

fn open(address: &Address) -> io::Result<Channel> {
    match address {
        Address::Socket(path) => Channel::unix(UnixStream::connect(path)?),
        Address::Tcp { host, port } => {
            let mut refused = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
            for address in (host.as_str(), *port).to_socket_addrs()? {
                match TcpStream::connect_timeout(&address, PATIENCE) {
                    Ok(socket) => return Channel::tcp(socket),
                    Err(error) => refused = error,
                }
            }
            Err(refused)
        }
    }
}

/// A connection over which nobody is logged in yet.
struct Opened {
    packets: Packets,
    is_private: bool,
    stopper: Stopper,
    carrier: Option<Arc<dyn Carrier>>,
    patience: Patience,
}

impl Opened {
    fn log_in(
        mut self,
        target: &Target,
        role: Role,
        database: Option<&str>,
    ) -> Result<Connection, SessionError> {
        let packet = self.packets.short().map_err(SessionError::Lost)?;
        if packet.first() == Some(&0xFF) {
            return Err(SessionError::Server(server_error(packet)));
        }
        let greeting = Greeting::parse(packet).map_err(SessionError::Lost)?;
        let agreed = capabilities(greeting.capabilities, database.is_some(), role, target.compress);
        if agreed & capability::PROTOCOL_41 == 0 || agreed & capability::PLUGIN_AUTH == 0 {
            return Err(SessionError::Refused {
                problem: format!("the server is too old: {}", greeting.version),
                remedy: "MariaDB 10.3 and MySQL 5.7 are the oldest servers that are spoken to".into(),
            });
        }
        if let Some(Err(why)) = self.carrier.as_ref().map(|carrier| carrier.check_peer()) {
            // A certificate of whoever is there may prove it too.
            if target.tls_mode() < TlsMode::VerifyCa {
                return Err(SessionError::Refused {
                    problem: format!("it is not certain who answers at the forwarded port: {why}"),
                    remedy: "let TLS prove who the server is: --tls verify-ca and --tls-ca".into(),
                });
            }
        }
        let doubt = self.secure(target, &greeting, agreed)?;
        let password = target.password.as_ref().map_or("", |password| password.reveal()).as_bytes();
        let secrecy = Secrecy {
            tls: matches!(doubt, Tls::Proved),
            private: self.is_private,
            public_key: target.public_key.as_deref(),
        };
        let agreed = if matches!(doubt, Tls::None) { agreed } else { agreed | capability::TLS };
        // A method that we do not know, or that would betray the password, is proposed another one.
        let (method, proof) = match auth::first_proof(&greeting.method, password, &greeting.nonce, &secrecy) {
            Ok(proof) if Method::of(&greeting.method) != Method::Clear => (greeting.method.clone(), proof),
            _ => ("mysql_native_password".into(), Vec::new()),
        };
        let answer =
            Answer { capabilities: agreed, user: &target.user, proof: &proof, database, method: &method };
        self.packets
            .write(&answer.packet())
            .and_then(|()| self.packets.flush())
            .map_err(SessionError::Lost)?;
        let login = Login { password, secrecy };
        let last = login.prove(&mut self.packets, method, greeting.nonce.clone())?;
        if let Tls::Doubted { fingerprint, why } = doubt
            && !last.proves(&fingerprint, password)
        {
            return Err(doubted(&why));
        }
        let compresses = agreed & capability::COMPRESS != 0;
        if target.compress && !compresses {
            log::debug!(
                "the server offers no compression of the zlib kind: the connection is not compressed"
            );
        }
        let packets =
            if compresses { self.packets.compress().map_err(SessionError::Lost)? } else { self.packets };
        Ok(Connection::new(
            packets,
            greeting.connection,
            greeting.version,
            self.stopper,
            self.carrier,
            agreed,
            self.patience,
        ))
    }

    /// Lets TLS run, where it is asked for and there.
    fn secure(&mut self, target: &Target, greeting: &Greeting, agreed: u64) -> Result<Tls, SessionError> {
        let mode = target.tls_mode();
        let offers = greeting.capabilities & capability::TLS != 0;
        // Nobody listens on a socket: TLS is used there where somebody asks for it.
        let wanted = match mode {
            TlsMode::Disabled => false,
            TlsMode::Preferred => offers && !self.is_private,
            _ => true,
        };
        if !wanted {
            return Ok(Tls::None);
        }
        if !offers {
            return Err(SessionError::Refused {
                problem: "the server offers no TLS".into(),
                remedy: "set up TLS on the server; or, where nobody can listen, use --tls preferred".into(),
            });
        }
        self.packets
            .write(&handshake::tls_request(agreed))
            .and_then(|()| self.packets.flush())
            .map_err(SessionError::Lost)?;
        let number = self.packets.number();
        let packets = std::mem::replace(&mut self.packets, Packets::new(Box::new(io::empty())));
        let stream = packets.into_stream().ok_or_else(|| SessionError::Lost(tls::read_ahead()))?;
        let host = match &target.address {
            Address::Socket(_) => "localhost",
            Address::Tcp { host, .. } => host,
        };
        // Without an authority of the operator's, the password can prove whose certificate it is.
        let has_password = target.password.as_ref().is_some_and(|password| !password.reveal().is_empty());
        let may_doubt = target.tls.ca.is_none() && has_password;
        let secured = tls::secure(stream, host, mode, &target.tls, may_doubt)?;
        self.packets = Packets::new(secured.stream);
        self.packets.set_number(number);
        Ok(match secured.doubt {
            None => Tls::Proved,
            Some(why) => Tls::Doubted { fingerprint: secured.fingerprint, why },
        })
    }
}

/// How far TLS goes.
enum Tls {
    None,
    /// It runs, and the certificate is what was asked for.
    Proved,
    /// It runs, and only the password can prove whose certificate that is.
    Doubted {
        fingerprint: tls::Fingerprint,
        why: String,
    },
}

fn doubted(why: &str) -> SessionError {
    SessionError::Refused {
        problem: format!("TLS to the server failed: {why}"),
        remedy: "give the authority that signed the server's certificate: --tls-ca FILE; without proof: --tls required".into(),
    }
}

/// Proves that we know the password.
struct Login<'a> {
    password: &'a [u8],
    secrecy: Secrecy<'a>,
}

/// The packet by which the server lets us in.
struct LetIn {
    packet: Vec<u8>,
    /// The method by which we have proved that we know the password.
    method: Method,
    /// What that proof was made for.
    nonce: Vec<u8>,
    /// The salt that the server keeps the password with.
    salt: Vec<u8>,
}

impl LetIn {
    /// Whether it proves that the server knows our password and has sent this certificate: MariaDB 11.4 signs its
    /// certificate so (MariaDB's manual, "Zero-Configuration TLS"; its clients' `auth/my_auth.c` has the form).
    fn proves(&self, fingerprint: &tls::Fingerprint, password: &[u8]) -> bool {
        let Some(kept) = auth::kept_by_server(self.method, password, &self.salt) else { return false };
        let mut fields = Fields::new(self.packet.get(1..).unwrap_or_default());
        let said = fields.lenenc().and_then(|_| fields.lenenc()).and_then(|_| fields.bytes(4));
        if said.is_err() {
            return false;
        }
        let rest = fields.rest();
        // The text has its length before it where the connection's capabilities say so.
        let text = Fields::new(rest).lenenc_bytes().unwrap_or(rest);
        let Some(signature) = text.strip_prefix(&[1]) else { return false };
        let signed = Sha256::new()
            .chain_update(kept)
            .chain_update(self.nonce.get(..20).unwrap_or(&self.nonce))
            .chain_update(fingerprint)
            .finalize();
        signed.iter().flat_map(|byte| format!("{byte:02X}").into_bytes()).eq(signature.iter().copied())
    }
}

impl Login<'_> {
    fn prove(
        &self,
        packets: &mut Packets,
        first: String,
        first_nonce: Vec<u8>,
    ) -> Result<LetIn, SessionError> {
        // What the server signs its certificate for stays the first nonce, unless the method takes another of its kind.
        let (mut method, mut nonce, mut scramble) = (first, first_nonce.clone(), first_nonce);
        let mut salt = Vec::new();
        for _ in 0..MOST_ROUNDS {
            let packet = packets.short().map_err(SessionError::Lost)?.to_vec();
            let proof = match packet.first() {
                Some(0) => {
                    let method = Method::of(&method);
                    return Ok(LetIn { packet, method, nonce: scramble, salt });
                }
                Some(0xFF) => return Err(SessionError::Server(server_error(&packet))),
                Some(0xFE) => {
                    let mut fields = Fields::new(&packet[1..]);
                    method = String::from_utf8_lossy(fields.until_nul()).into_owned();
                    let sent = fields.rest();
                    nonce = Method::of(&method).nonce(sent).to_vec();
                    if Method::of(&method) == Method::Native {
                        scramble.clone_from(&nonce);
                    }
                    Some(auth::first_proof(&method, self.password, &nonce, &self.secrecy)?)
                }
                Some(1) => {
                    salt = packet[1..].to_vec();
                    self.more(&method, &nonce, &packet[1..])?
                }
                // Some methods of MariaDB's send what they have to say as it is.
                _ if Method::of(&method) == Method::Parsec => {
                    salt.clone_from(&packet);
                    Some(auth::parsec(self.password, &nonce, &packet)?)
                }
                _ => return Err(SessionError::Lost(malformed("no answer to a proof"))),
            };
            if let Some(proof) = proof {
                packets.write(&proof).and_then(|()| packets.flush()).map_err(SessionError::Lost)?;
            }
        }
        Err(SessionError::Lost(malformed("one question after the other")))
    }

    /// Goes on with a method that has several steps.
    fn more(&self, method: &str, nonce: &[u8], said: &[u8]) -> Result<Option<Vec<u8>>, SessionError> {
        match (Method::of(method), said) {
            (Method::CachingSha2, [3]) => Ok(None),
            (Method::CachingSha2, [4]) => {
                auth::full_caching_sha2(self.password, nonce, &self.secrecy).map(Some)
            }
            (Method::Parsec, salt) => auth::parsec(self.password, nonce, salt).map(Some),
            _ => Err(SessionError::Lost(malformed("a question that its method does not have"))),
        }
    }
}
