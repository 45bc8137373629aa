//! Where a server is and who we are there: what the operator says, completed by option files and the usual defaults.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fwb::{
    Cancel, Connector, DatabaseServer, Error, Feed, LogStart, LogStream, Password, ReplicationSource, Result,
    Role, ServerOptions, ServerVersion, Session, SessionError, TlsMode, TlsOptions,
};

use crate::connect;
use crate::follow::follow;
use crate::option_files::{self, Options, Unreadable};
use crate::outage::Outage;
use crate::pod::PodServer;
use crate::session::Discard;
use crate::source::Source;

/// Speaks the protocol.
#[derive(Debug, Clone, Copy, Default)]
pub struct Protocol;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Socket(PathBuf),
    Tcp { host: String, port: u16 },
}

/// A server, and an account of it.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) address: Address,
    /// The port, for whoever cannot reach a socket.
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) password: Option<Password>,
    pub(crate) tls: TlsOptions,
    pub(crate) public_key: Option<PathBuf>,
    /// Whether packets are compressed where the server offers it.
    pub(crate) compress: bool,
}

/// Where servers listen that are installed from packages: Debian, Red Hat, and built from source.
const SOCKETS: [&str; 4] = [
    "/run/mysqld/mysqld.sock",
    "/var/run/mysqld/mysqld.sock",
    "/var/lib/mysql/mysql.sock",
    "/tmp/mysql.sock",
];
/// The registered port.
const PORT: u16 = 3306;

impl Connector for Protocol {
    fn server(&self, options: &ServerOptions) -> Result<Arc<dyn DatabaseServer>> {
        let named = options.defaults_file.as_deref().map(option_files::read_file);
        let named = named.transpose().map_err(unreadable)?;
        if let Some(pod) = &options.pod {
            return Ok(Arc::new(PodServer::new(options, pod, named)?));
        }
        let outage = Outage::new(options.wait.unwrap_or_default());
        Ok(Arc::new(Direct { target: found_here(options, named)?, outage }))
    }

    fn source(&self, feed: Arc<dyn Feed>, replica: &ServerVersion) -> Result<Box<dyn ReplicationSource>> {
        Ok(Box::new(Source::start(feed, replica)?))
    }

    fn address(&self, options: &ServerOptions) -> Result<fwb::ServerAddress> {
        let named = options.defaults_file.as_deref().map(option_files::read_file);
        let target = found_here(options, named.transpose().map_err(unreadable)?)?;
        Ok(match target.address {
            Address::Socket(socket) => {
                fwb::ServerAddress { socket: Some(socket), ..fwb::ServerAddress::default() }
            }
            Address::Tcp { host, port } => {
                fwb::ServerAddress { host: Some(host), port: Some(port), socket: None }
            }
        })
    }
}

fn unreadable(unreadable: Unreadable) -> Error {
    let Unreadable { path, source } = unreadable;
    Error::Usage {
        message: format!("the option file {} cannot be read: {source}", path.display()),
        hint: Some("check --defaults-file or FWB_DEFAULTS_FILE".into()),
    }
}

/// A server that is reached from here, by the options and the option files.
fn found_here(options: &ServerOptions, named: Option<Options>) -> Result<Target> {
    let files = match named {
        Some(named) => named,
        None => option_files::read_usual().map_err(unreadable)?,
    };
    let here = Surroundings {
        environment: &|name| std::env::var(name).ok(),
        is_root: rustix::process::geteuid().is_root(),
        sockets: &Path::exists,
    };
    Target::new(options, &files, &here)
}

/// How long the server waits for us, in seconds: a year for the next statement, a day in the middle of a packet. One
/// connection may wait hours for what others do, and for a slow disk here. The kernel says when a side has gone.
const TIME_LIMITS: &str =
    "SET SESSION wait_timeout=31536000, SESSION net_read_timeout=86400, SESSION net_write_timeout=86400";

/// A server that is reached without any help.
#[derive(Debug)]
struct Direct {
    target: Target,
    outage: Outage,
}

impl DatabaseServer for Direct {
    fn connect(
        &self,
        role: Role,
        database: Option<&str>,
        cancel: &Cancel,
    ) -> std::result::Result<Box<dyn Session>, SessionError> {
        let attempt = || {
            let mut session = connect::connect(&self.target, role, database, cancel)?;
            session.begin_with(TIME_LIMITS.into(), &mut Discard)?;
            Ok(session)
        };
        self.outage.over(cancel, attempt).map(|session| Box::new(session) as Box<dyn Session>)
    }

    fn follow(
        &self,
        start: &LogStart,
        cancel: &Cancel,
    ) -> std::result::Result<Box<dyn LogStream>, SessionError> {
        let connection =
            self.outage.over(cancel, || Ok(connect::connect(&self.target, Role::Control, None, cancel)?))?;
        Ok(Box::new(follow(connection, start, cancel)?))
    }
}

/// What client programs look at beside options and files: here, or in a pod.
pub(crate) struct Surroundings<'a> {
    pub(crate) environment: &'a dyn Fn(&str) -> Option<String>,
    pub(crate) is_root: bool,
    /// Whether there is a socket.
    pub(crate) sockets: &'a dyn Fn(&Path) -> bool,
}

impl Target {
    pub(crate) fn new(
        given: &ServerOptions,
        files: &Options,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self> {
        let environment = surroundings.environment;
        let of_files = |name: &str| files.get(name).and_then(Clone::clone);
        let port = match given.port.map(|port| port.to_string()).or_else(|| of_files("port")) {
            Some(text) => Some(text.parse().map_err(|_| wrong("port", &text))?),
            None => environment("MYSQL_TCP_PORT").and_then(|text| text.parse().ok()),
        };
        let host = given.host.clone().or_else(|| of_files("host")).or_else(|| environment("MYSQL_HOST"));
        let socket = given.socket.clone().or_else(|| of_files("socket").map(PathBuf::from));
        let protocol = of_files("protocol").map(|name| name.to_ascii_lowercase());
        let is_local = host.as_deref().is_none_or(|host| host == "localhost" || host.is_empty());
        // A port that is given means TCP, unless a socket is given too.
        let by_tcp = match protocol.as_deref() {
            Some("tcp") => given.socket.is_none(),
            _ => !is_local && given.socket.is_none() || given.port.is_some() && socket.is_none(),
        };
        let address = if by_tcp {
            let host = host.filter(|host| !host.is_empty()).unwrap_or_else(|| "localhost".into());
            Address::Tcp { host, port: port.unwrap_or(PORT) }
        } else {
            Address::Socket(
                socket
                    .or_else(|| environment("MYSQL_UNIX_PORT").map(PathBuf::from))
                    .unwrap_or_else(|| usual_socket(surroundings.sockets)),
            )
        };
        let user = given
            .user
            .clone()
            .or_else(|| of_files("user"))
            .filter(|user| !user.is_empty())
            .unwrap_or_else(|| login_name(surroundings));
        let password = given
            .password
            .clone()
            .or_else(|| of_files("password").map(Password::new))
            .or_else(|| environment("MYSQL_PWD").map(Password::new));
        let public_key =
            given.server_public_key.clone().or_else(|| of_files("server-public-key-path").map(PathBuf::from));
        let port = port.unwrap_or(PORT);
        let compress = given.compress.unwrap_or_else(|| compresses(files));
        Ok(Self { address, port, user, password, tls: tls(&given.tls, files)?, public_key, compress })
    }

    /// What is asked of TLS: on this machine and through tunnels it is welcome, elsewhere the server has to prove who
    /// it is.
    pub(crate) fn tls_mode(&self) -> TlsMode {
        let is_here = match &self.address {
            Address::Socket(_) => true,
            Address::Tcp { host, .. } => {
                host == "localhost"
                    || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        };
        self.tls.mode.unwrap_or(if is_here { TlsMode::Preferred } else { TlsMode::VerifyIdentity })
    }
}

/// Whether an option that is on or off is on; none where the option files do not have it.
fn is_set(files: &Options, name: &str) -> Option<bool> {
    let value = files.get(name)?.as_deref().unwrap_or_default();
    Some(!["0", "off", "false"].iter().any(|no| value.eq_ignore_ascii_case(no)))
}

/// Whether option files ask for compression: `compress`, and MySQL's `compression-algorithms`, of which we know `zlib`.
fn compresses(files: &Options) -> bool {
    let algorithms = files.get("compression-algorithms").and_then(Clone::clone).unwrap_or_default();
    let has_zlib = || algorithms.split(',').any(|name| name.trim().eq_ignore_ascii_case("zlib"));
    let skips = ["skip-compress", "disable-compress"].iter().any(|name| is_set(files, name) == Some(true));
    !skips && is_set(files, "compress").unwrap_or_else(has_zlib)
}

/// The TLS options of the option files, in the words of both flavors, below ours.
fn tls(given: &TlsOptions, files: &Options) -> Result<TlsOptions> {
    let path = |name: &str| files.get(name).and_then(Clone::clone).map(PathBuf::from);
    let is_set = |name: &str| is_set(files, name);
    let skips = ["skip-ssl", "disable-ssl"].iter().any(|name| is_set(name) == Some(true));
    let mode = match files.get("ssl-mode").and_then(Clone::clone) {
        Some(text) => Some(TlsMode::parse(&text).ok_or_else(|| wrong("ssl-mode", &text))?),
        None if skips || is_set("ssl") == Some(false) => Some(TlsMode::Disabled),
        None if is_set("ssl-verify-server-cert") == Some(true) => Some(TlsMode::VerifyIdentity),
        None if is_set("ssl-verify-server-cert") == Some(false)
            || is_set("disable-ssl-verify-server-cert") == Some(true)
            || is_set("skip-ssl-verify-server-cert") == Some(true) =>
        {
            Some(if is_set("ssl") == Some(true) { TlsMode::Required } else { TlsMode::Preferred })
        }
        None => None,
    };
    Ok(TlsOptions {
        mode: given.mode.or(mode),
        ca: given.ca.clone().or_else(|| path("ssl-ca")),
        cert: given.cert.clone().or_else(|| path("ssl-cert")),
        key: given.key.clone().or_else(|| path("ssl-key")),
        server_name: given.server_name.clone(),
    })
}

fn wrong(name: &str, text: &str) -> Error {
    Error::Usage {
        message: format!("{text:?} is no value for {name} in an option file"),
        hint: Some("check the client section of the option files".into()),
    }
}

fn usual_socket(is_there: &dyn Fn(&Path) -> bool) -> PathBuf {
    let found = SOCKETS.iter().find(|path| is_there(Path::new(path)));
    PathBuf::from(found.unwrap_or(&SOCKETS[0]))
}

/// Who is logged in, as client programs find it.
fn login_name(surroundings: &Surroundings<'_>) -> String {
    if surroundings.is_root {
        return "root".into();
    }
    let name = ["USER", "LOGNAME"].iter().find_map(|name| (surroundings.environment)(name));
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "UNKNOWN_MYSQL_USER".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(lines: &[(&str, &str)]) -> Options {
        lines.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))).collect()
    }

    fn target(
        given: &ServerOptions,
        files: &Options,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Target {
        let surroundings = Surroundings { environment, is_root: false, sockets: &|_| false };
        Target::new(given, files, &surroundings).unwrap()
    }

    fn address(given: ServerOptions, files: &[(&str, &str)]) -> Address {
        target(&given, &options(files), &|_| None).address
    }

    #[test]
    fn a_server_is_found_as_client_programs_find_it() {
        let given = ServerOptions::default;
        let tcp = |host: &str, port| Address::Tcp { host: host.into(), port };
        let socket = |path: &str| Address::Socket(path.into());
        assert_eq!(address(given(), &[("socket", "/s")]), socket("/s"));
        assert_eq!(address(given(), &[("host", "db"), ("socket", "/s")]), tcp("db", 3306));
        assert_eq!(address(given(), &[("host", "localhost"), ("port", "7"), ("socket", "/s")]), socket("/s"));
        assert_eq!(address(given(), &[("protocol", "tcp"), ("port", "7")]), tcp("localhost", 7));
        let host = ServerOptions { host: Some("db".into()), port: Some(3307), ..given() };
        assert_eq!(address(host, &[("port", "7")]), tcp("db", 3307));
        let port = ServerOptions { port: Some(3307), ..given() };
        assert_eq!(address(port.clone(), &[]), tcp("localhost", 3307));
        let both = ServerOptions { socket: Some("/mine".into()), ..port };
        assert_eq!(address(both, &[("host", "db")]), socket("/mine"));
    }

    #[test]
    fn what_the_operator_says_comes_before_files_and_those_before_the_environment() {
        let environment = |name: &str| (name == "MYSQL_PWD").then(|| "environment".to_owned());
        let files = options(&[("user", "file"), ("password", "secret")]);
        let password = |target: Target| target.password.map(|password| password.reveal().to_owned());
        let found = target(&ServerOptions::default(), &files, &environment);
        assert_eq!(found.user, "file");
        assert_eq!(password(found), Some("secret".into()));
        let found = target(&ServerOptions::default(), &Options::new(), &environment);
        assert_eq!(password(found), Some("environment".into()));
    }

    #[test]
    fn tls_is_asked_for_in_the_words_of_both_flavors() {
        let mode = |files: &[(&str, &str)]| tls(&TlsOptions::default(), &options(files)).unwrap().mode;
        assert_eq!(mode(&[]), None);
        assert_eq!(mode(&[("ssl-mode", "VERIFY_CA")]), Some(TlsMode::VerifyCa));
        assert_eq!(mode(&[("skip-ssl", "1")]), Some(TlsMode::Disabled));
        assert_eq!(mode(&[("ssl", "0")]), Some(TlsMode::Disabled));
        assert_eq!(mode(&[("ssl-verify-server-cert", "1")]), Some(TlsMode::VerifyIdentity));
        assert_eq!(mode(&[("ssl-verify-server-cert", "off"), ("ssl", "1")]), Some(TlsMode::Required));
        assert!(tls(&TlsOptions::default(), &options(&[("ssl-mode", "x")])).is_err());
    }

    #[test]
    fn compression_is_asked_for_in_the_words_of_both_flavors() {
        for (files, on) in [
            (&[][..], false),
            (&[("compress", "1")], true),
            (&[("compress", "OFF")], false),
            (&[("compress", "1"), ("skip-compress", "1")], false),
            (&[("compression-algorithms", "zstd, zlib,uncompressed")], true),
            (&[("compression-algorithms", "zstd,uncompressed")], false),
            (&[("compression-algorithms", "zlib"), ("compress", "0")], false),
        ] {
            let said = |compress| {
                let given = ServerOptions { compress, ..ServerOptions::default() };
                target(&given, &options(files), &|_| None).compress
            };
            assert_eq!(said(None), on, "{files:?}");
            assert!(said(Some(true)) && !said(Some(false)), "what the operator says comes first");
        }
    }

    #[test]
    fn a_server_elsewhere_has_to_prove_who_it_is() {
        let mode = |host: &str| {
            let given = ServerOptions { host: Some(host.into()), port: Some(1), ..ServerOptions::default() };
            target(&given, &Options::new(), &|_| None).tls_mode()
        };
        for here in ["localhost", "127.0.0.1", "::1", "127.9.9.9"] {
            assert_eq!(mode(here), TlsMode::Preferred, "{here}");
        }
        for elsewhere in ["db", "10.0.0.1", "localhost.example.org"] {
            assert_eq!(mode(elsewhere), TlsMode::VerifyIdentity, "{elsewhere}");
        }
    }
}
