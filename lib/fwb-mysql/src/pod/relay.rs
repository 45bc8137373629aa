//! Programs that carry bytes between their stdin and stdout and the server. Each of them ends when either side does:
//! nothing of ours stays in the pod.

use std::path::Path;

use crate::target::Address;

/// Written for perl, Python and bash. Comments would be a part of the URL of every call.
const PERL: &str = include_str!("relay.pl");
const PYTHON: &str = include_str!("relay.py");
const BASH: &str = include_str!("relay.bash");

/// What a container may have that can relay. Not nc: where its output is taken no more it does not look at its input,
/// and so outlives the side that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relay {
    Perl,
    Socat,
    Python,
    /// bash's /dev/tcp, which reaches no socket.
    Bash,
}

impl Relay {
    /// Reads what the survey calls it.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "perl" => Self::Perl,
            "socat" => Self::Socat,
            "python3" => Self::Python,
            "bash" => Self::Bash,
            _ => return None,
        })
    }

    /// Whether it can reach the server there.
    pub(super) fn reaches(self, address: &Address) -> bool {
        match (self, address) {
            (Self::Bash, Address::Socket(_)) => false,
            // These mean something in an address of socat's.
            (Self::Socat, Address::Socket(path)) => {
                !path.to_string_lossy().contains([',', ':', '!', '\'', '"', '\\', '(', '[', '{'])
            }
            (Self::Socat, Address::Tcp { host, .. }) => {
                !host.contains([',', ':', '!', '\'', '"', '\\', '(', '[', '{'])
            }
            _ => true,
        }
    }

    /// The command that relays to the server there.
    pub(super) fn command(self, address: &Address) -> Vec<String> {
        let (kind, at): (&str, Vec<String>) = match address {
            Address::Socket(path) => ("unix", vec![text(path)]),
            Address::Tcp { host, port } => ("tcp", vec![host.clone(), port.to_string()]),
        };
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        match self {
            Self::Perl => [words(&["perl", "-e", PERL, "--", kind]), at].concat(),
            Self::Python => [words(&["python3", "-c", PYTHON, kind]), at].concat(),
            Self::Bash => [words(&["bash", "-c", BASH, "bash"]), at].concat(),
            Self::Socat => {
                let address = if kind == "unix" {
                    format!("UNIX-CONNECT:{}", at[0])
                } else {
                    format!("TCP:{},nodelay", at.join(":"))
                };
                words(&["socat", "-b", "65536", "-t", "1", "-", &address])
            }
        }
    }

    /// Its name for a message.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Perl => "perl",
            Self::Socat => "socat",
            Self::Python => "python3",
            Self::Bash => "bash",
        }
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_is_taken_for_anything_else() {
        let socket = Address::Socket("/run/mysqld/mysqld.sock".into());
        let odd = Address::Socket("/run/a,exec:rm".into());
        let tcp = Address::Tcp { host: "127.0.0.1".into(), port: 3306 };
        assert!(Relay::Socat.reaches(&socket) && !Relay::Socat.reaches(&odd) && Relay::Perl.reaches(&odd));
        assert!(!Relay::Bash.reaches(&socket) && Relay::Bash.reaches(&tcp));
        assert_eq!(Relay::Socat.command(&tcp).last().map(String::as_str), Some("TCP:127.0.0.1:3306,nodelay"));
    }
}
