//! How a server is addressed, in a form that stays the same for as long as the server does. A socket, `localhost` and
//! `127.0.0.1` are one machine; a pod that a controller made has a new name with each start.

use std::path::Path;

use super::ServerName;
use crate::process::Program;
use crate::progress::Cancel;
use crate::server::{Connector, PodChoice, PodOptions, ServerAddress, ServerOptions};

/// The port where nobody names one.
const USUAL_PORT: u16 = 3306;

/// Where servers have their socket unless told otherwise (Debian, Fedora, MariaDB's and MySQL's own builds). Such a socket
/// and the usual port lead to one server.
const USUAL_SOCKETS: [&str; 5] = [
    "/run/mysqld/mysqld.sock",
    "/var/run/mysqld/mysqld.sock",
    "/var/lib/mysql/mysql.sock",
    "/tmp/mysql.sock",
    "/var/run/mysql/mysql.sock",
];

/// Where Kubernetes tells a container its namespace.
const OWN_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// What container runtimes put into a container: docker, podman.
const SIGNS_OF_A_CONTAINER: [&str; 2] = ["/.dockerenv", "/run/.containerenv"];

/// What the letters of a name that Kubernetes generates are taken from (`k8s.io/apimachinery/pkg/util/rand`).
const GENERATED: &str = "bcdfghjklmnpqrstvwxz2456789";

/// The address that the options lead to; none where nothing is known that lasts.
pub(super) fn address_of(
    options: &ServerOptions,
    connector: &dyn Connector,
    cancel: &Cancel,
) -> Option<ServerName> {
    match &options.pod {
        Some(pod) => of_pod(pod, &namespace(pod, cancel)?),
        // Whoever connects says what is wrong with an option file.
        None => of_address(&connector.address(options).ok()?, machine().as_deref()),
    }
}

/// The address of the pods that are meant: the context where the kubectl command names one, the namespace, and the labels
/// or the name.
fn of_pod(pod: &PodOptions, namespace: &str) -> Option<ServerName> {
    let which = match &pod.choice {
        PodChoice::Selector(labels) => labels.trim(),
        PodChoice::Name(name) => lasting(name),
    };
    let context = pod.kubectl.as_deref().and_then(context).map(|context| format!("{context}:"));
    ServerName::of_text(&format!("{}{namespace}/{which}", context.unwrap_or_default()))
}

/// The context that a command for kubectl names.
fn context(command: &[String]) -> Option<&str> {
    let mut words = command.iter();
    while let Some(word) = words.next() {
        match word.strip_prefix("--context") {
            Some("") => return words.next().map(String::as_str),
            Some(rest) if rest.starts_with('=') => return rest.get(1..),
            _ => {}
        }
    }
    None
}

/// The part of a pod's name that outlives the pod: without the two parts that a Deployment generates.
fn lasting(name: &str) -> &str {
    let generated = |part: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&part.len()) && part.chars().all(|letter| GENERATED.contains(letter))
    };
    let Some((rest, pod)) = name.rsplit_once('-') else { return name };
    let Some((workload, template)) = rest.rsplit_once('-') else { return name };
    if generated(pod, 5..=5) && generated(template, 6..=10) && !workload.is_empty() { workload } else { name }
}

/// The namespace that the pod is looked for in, as kubectl finds it.
fn namespace(pod: &PodOptions, cancel: &Cancel) -> Option<String> {
    if let Some(namespace) = &pod.namespace {
        return Some(namespace.clone());
    }
    if let Ok(own) = std::fs::read_to_string(OWN_NAMESPACE) {
        return Some(own.trim().to_owned()).filter(|own| !own.is_empty());
    }
    let kubectl = match pod.kubectl.as_deref() {
        Some(command) => {
            let (program, args) = command.split_first()?;
            Program::new(program).args(args)
        }
        None => Program::find(&["kubectl"])?,
    };
    let view = kubectl.args(["config", "view", "--minify", "--output=jsonpath={..namespace}"]);
    let answer = view.run(b"", "asking kubectl for its namespace", cancel).ok()?;
    let namespace = String::from_utf8(answer).ok()?.trim().to_owned();
    Some(if namespace.is_empty() { "default".into() } else { namespace })
}

/// The address of a server that is reached from here. `machine` is the name of this machine, where that lasts.
fn of_address(address: &ServerAddress, machine: Option<&str>) -> Option<ServerName> {
    let port = address.port.unwrap_or(USUAL_PORT);
    let host = address.host.as_deref().map(|host| host.trim_end_matches('.').to_ascii_lowercase());
    let (host, port) = match host.as_deref() {
        Some(host) if !is_loopback(host) => (host, port),
        // A client takes the socket for localhost, whatever port it is told.
        None | Some("" | "localhost") => match &address.socket {
            Some(socket) if !is_usual(socket) => {
                return ServerName::of_text(&format!("{}:{}", machine?, socket.display()));
            }
            Some(_) => (machine?, USUAL_PORT),
            None => (machine?, port),
        },
        Some(_) => (machine?, port),
    };
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    ServerName::of_text(&format!("{host}:{port}"))
}

fn is_loopback(host: &str) -> bool {
    host.is_empty()
        || host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn is_usual(socket: &Path) -> bool {
    USUAL_SOCKETS.iter().any(|usual| socket == Path::new(usual))
}

/// This machine's name. A container has another one with each start, so it has none.
fn machine() -> Option<String> {
    let in_container = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
        || Path::new(OWN_NAMESPACE).exists()
        || SIGNS_OF_A_CONTAINER.iter().any(|sign| Path::new(sign).exists());
    if in_container {
        return None;
    }
    let name = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn of(host: Option<&str>, port: Option<u16>, socket: Option<&str>) -> Option<String> {
        let address = ServerAddress { host: host.map(Into::into), port, socket: socket.map(Into::into) };
        of_address(&address, Some("web1")).map(Into::into)
    }

    /// An operator who says localhost one day and the socket the next must not have two servers.
    #[test]
    fn one_server_in_many_words() {
        for (host, port, socket) in [
            (None, None, None),
            (Some("localhost"), None, None),
            (Some("127.0.0.1"), None, None),
            (Some("127.0.0.1"), Some(3306), None),
            (Some("::1"), Some(3306), None),
            (Some("LOCALHOST."), None, None),
            (None, None, Some("/run/mysqld/mysqld.sock")),
            (Some("localhost"), Some(3306), Some("/var/run/mysqld/mysqld.sock")),
            (Some("web1"), None, None),
            (Some("WEB1."), Some(3306), None),
        ] {
            assert_eq!(of(host, port, socket).as_deref(), Some("web1:3306"), "{host:?} {port:?} {socket:?}");
        }
    }

    #[test]
    fn two_servers_are_two() {
        let mut all: Vec<Option<String>> = vec![
            of(None, None, None),
            of(Some("127.0.0.1"), Some(3307), None),
            of(None, None, Some("/tmp/second/mariadb.sock")),
            of(None, None, Some("/tmp/third/mariadb.sock")),
            of(Some("db1"), None, None),
            of(Some("db1"), Some(3307), None),
            of(Some("db1.example"), None, None),
            of(Some("10.0.0.5"), None, None),
            of(Some("fd00::5"), Some(3306), None),
        ];
        let count = all.len();
        assert!(all.iter().all(Option::is_some));
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count, "{all:?}");
        assert_eq!(of(Some("fd00::5"), None, None).as_deref(), Some("[fd00::5]:3306"));
    }

    /// A container's machine name would make a server of each start, and none of their backups would ever go.
    #[test]
    fn a_name_that_does_not_last_is_none() {
        let local = ServerAddress::default();
        assert_eq!(of_address(&local, None), None);
        let far = ServerAddress { host: Some("mariadb-service".into()), ..ServerAddress::default() };
        assert_eq!(of_address(&far, None).unwrap().as_str(), "mariadb-service:3306");
    }

    #[test]
    fn a_pod_goes_by_what_outlives_it() {
        let pod = |choice: PodChoice, kubectl: Option<&str>| PodOptions {
            choice,
            namespace: None,
            container: None,
            kubectl: kubectl.map(|command| command.split(' ').map(str::to_owned).collect()),
            retries: 0,
            via: crate::server::Via::Auto,
            silence: Duration::from_secs(1),
        };
        let of = |choice, kubectl| String::from(of_pod(&pod(choice, kubectl), "shop").unwrap());
        let labels = || PodChoice::Selector("app=mariadb".into());
        let name = |name: &str| PodChoice::Name(name.into());
        assert_eq!(of(labels(), None), "shop/app=mariadb");
        assert_eq!(of(labels(), Some("microk8s kubectl")), "shop/app=mariadb");
        assert_eq!(of(labels(), Some("kubectl --context eu -v 1")), "eu:shop/app=mariadb");
        assert_eq!(of(labels(), Some("kubectl --context=eu")), "eu:shop/app=mariadb");
        assert_eq!(of(name("mariadb-0"), None), "shop/mariadb-0");
        assert_eq!(of(name("mariadb-7c9d8f6b5d-x2x9k"), None), "shop/mariadb");
        assert_eq!(of(name("mariadb-main-galera"), None), "shop/mariadb-main-galera");
        assert_eq!(of(PodChoice::Selector("app in (a, b)".into()), None), "shop/app%20in%20(a,%20b)");
    }
}
