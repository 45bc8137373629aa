//! How to reach the server. What is not given, option files and the usual defaults say.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use clap::builder::BoolishValueParser;
use clap::{Args as _, Command, FromArgMatches as _, ValueHint};
use fwb::{Cancel, Connector, Error, Password, Result, ServerIdentity, ServerName, ServerOptions};

use super::{PodArgs, TlsArgs, empty_is_unset};
use crate::duration::parse_age;

/// More than any password, in bytes; a file that is larger is another file.
const LONGEST: u64 = 4096;

/// The server group.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ServerArgs {
    /// Option file whose client section is read instead of the usual files
    #[arg(long, value_name = "FILE", env = "FWB_DEFAULTS_FILE")]
    #[arg(help_heading = "Server", value_hint = ValueHint::FilePath)]
    pub defaults_file: Option<PathBuf>,

    /// Host name or address
    #[arg(long, value_name = "HOST", env = "FWB_HOST")]
    #[arg(help_heading = "Server", value_hint = ValueHint::Hostname)]
    pub host: Option<String>,

    /// TCP port
    #[arg(long, value_name = "PORT", env = "FWB_PORT", value_parser = clap::value_parser!(u16).range(1..))]
    #[arg(help_heading = "Server")]
    pub port: Option<u16>,

    /// Unix socket
    #[arg(long, value_name = "FILE", env = "FWB_SOCKET")]
    #[arg(help_heading = "Server", value_hint = ValueHint::FilePath)]
    pub socket: Option<PathBuf>,

    /// Account name
    #[arg(short, long, value_name = "NAME", env = "FWB_USER")]
    #[arg(help_heading = "Server", value_hint = ValueHint::Username)]
    pub user: Option<String>,

    /// File whose first line is the account's password
    #[arg(long, value_name = "FILE", env = "FWB_PASSWORD_FILE")]
    #[arg(help_heading = "Server", value_hint = ValueHint::FilePath)]
    pub password_file: Option<PathBuf>,

    /// The server's name in manifests, by which its backups are kept apart from those of other servers [default: how it is
    /// addressed]
    #[arg(long, value_name = "NAME", env = "FWB_SERVER_ID", help_heading = "Server")]
    #[arg(value_parser = |text: &str| text.parse::<ServerName>())]
    pub server_id: Option<ServerName>,

    /// How long to wait for a server that restarts, such as 90s or 10m; 0s: not at all [default: 10m for a server in a pod,
    /// else 0s]
    #[arg(long, value_name = "DURATION", env = "FWB_WAIT_SERVER", value_parser = parse_age)]
    #[arg(help_heading = "Server")]
    pub wait_server: Option<TimeDelta>,

    /// Compress what goes over the connection, where the server offers it: for slow networks
    #[arg(long, value_name = "BOOL", env = "FWB_COMPRESS", help_heading = "Server")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(value_parser = BoolishValueParser::new())]
    pub compress: Option<bool>,

    /// TLS.
    #[command(flatten)]
    pub tls: TlsArgs,

    /// The pod that the server is in.
    #[command(flatten)]
    pub pod: PodArgs,
}

impl ServerArgs {
    /// What the environment alone says: for a tool that has no options for a server of its own.
    ///
    /// # Errors
    /// A usage error when a variable's value is none that its option takes.
    pub fn of_environment() -> Result<Self> {
        let command = empty_is_unset(Self::augment_args(Command::new("environment").no_binary_name(true)));
        let matches = command.try_get_matches_from([""; 0]).and_then(|found| Self::from_arg_matches(&found));
        matches.map_err(|error| {
            Error::usage(error.to_string().lines().next().unwrap_or_default().replace("error: ", ""))
        })
    }

    /// Which server it is: by its name, and by how it is addressed.
    ///
    /// # Errors
    /// A signal arrived.
    pub fn identity(
        &self,
        options: &ServerOptions,
        connector: &dyn Connector,
        cancel: &Cancel,
    ) -> Result<ServerIdentity> {
        ServerIdentity::of(self.server_id.clone(), options, connector, cancel)
    }

    /// The same for the library; reads the password file.
    ///
    /// # Errors
    /// A usage error when the password file is missing, unreadable, empty or no text, or the pod's options make no
    /// sense.
    pub fn to_domain(&self) -> Result<ServerOptions> {
        Ok(ServerOptions {
            defaults_file: self.defaults_file.clone(),
            host: self.host.clone(),
            port: self.port,
            socket: self.socket.clone(),
            user: self.user.clone(),
            password: self.password_file.as_deref().map(read_password).transpose()?,
            tls: self.tls.to_domain(),
            server_public_key: self.tls.server_public_key.clone(),
            compress: self.compress,
            pod: self.pod.to_domain()?,
            wait: self.wait_server.and_then(|wait| wait.to_std().ok()),
        })
    }
}

/// The first line of a file, without its end.
fn read_password(path: &Path) -> Result<Password> {
    let refused = |problem: String| Error::Usage {
        message: format!("cannot use the password file {}: {problem}", path.display()),
        hint: Some(
            "--password-file or FWB_PASSWORD_FILE names a file whose first line is the password".into(),
        ),
    };
    let file = File::open(path).map_err(|error| refused(error.to_string()))?;
    let mut text = Vec::new();
    file.take(LONGEST).read_to_end(&mut text).map_err(|error| refused(error.to_string()))?;
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return Err(refused("its first line is empty".into()));
    }
    if line.len() as u64 == LONGEST || line.contains(&0) {
        return Err(refused("its first line is no password".into()));
    }
    let password =
        String::from_utf8(line.to_vec()).map_err(|_| refused("its first line is not UTF-8".into()))?;
    Ok(Password::new(password))
}

#[cfg(test)]
mod tests {
    use fwb::ErrorClass;

    use super::*;

    fn with_file(name: &str, bytes: &[u8]) -> Result<ServerOptions> {
        let path = std::env::temp_dir().join(format!("fwb-cli-{}-{name}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        let args = ServerArgs { password_file: Some(path.clone()), ..ServerArgs::default() };
        let options = args.to_domain();
        std::fs::remove_file(&path).unwrap();
        options
    }

    #[test]
    fn the_first_line_is_the_password() {
        for (name, bytes) in [("plain", "pa ss"), ("line", "pa ss\n"), ("dos", "pa ss\r\nmore")] {
            assert!(with_file(name, bytes.as_bytes()).unwrap().password.is_some(), "{name}");
        }
    }

    #[test]
    fn what_cannot_be_a_password_is_refused() {
        for (name, bytes) in
            [("empty", &b""[..]), ("blank", b"\nx"), ("binary", b"\xff\n"), ("long", &[b'x'; 9999])]
        {
            assert_eq!(with_file(name, bytes).unwrap_err().class(), ErrorClass::Usage, "{name}");
        }
    }

    #[test]
    fn a_missing_file_is_a_matter_of_configuration() {
        let args = ServerArgs { password_file: Some("/nowhere/password".into()), ..ServerArgs::default() };
        let error = args.to_domain().unwrap_err();
        assert_eq!(error.class(), ErrorClass::Usage);
        assert!(error.hint().is_some());
    }

    #[test]
    fn nothing_given_leaves_the_clients_defaults() {
        let options = ServerArgs::default().to_domain().unwrap();
        assert!(options.host.is_none() && options.port.is_none() && options.password.is_none());
    }
}
