//! The calls of kubectl: `get pods -o json`, `exec -i … -- …` and `port-forward …`.

use fwb::{Cancel, Error, PodChoice, PodOptions, Result};
use fwb_process::Program;
use serde::Deserialize;

use super::Found;

/// A kubectl, with its first arguments.
#[derive(Debug, Clone)]
pub(super) struct Kubectl(Program);

/// Where snaps put their commands, which the `PATH` of a cron job often lacks.
const SNAP: &str = "/snap/bin/microk8s";

impl Kubectl {
    /// The one that was asked for; else `kubectl`, else `microk8s kubectl`.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn new(command: Option<&[String]>) -> Result<Self> {
        if let Some(command) = command {
            let (program, args) =
                command.split_first().ok_or_else(|| Error::usage("--kubectl names no command"))?;
            return Ok(Self(Program::new(program).args(args)));
        }
        let kubectl = Program::new("kubectl");
        if kubectl.exists() {
            return Ok(Self(kubectl));
        }
        let microk8s = ["microk8s", SNAP].into_iter().map(Program::new).find(Program::exists);
        let microk8s = microk8s.ok_or_else(|| Error::Usage {
            message: "neither kubectl nor microk8s is on PATH".into(),
            hint: Some("install kubectl, or name the command: --kubectl or FWB_KUBECTL".into()),
        })?;
        Ok(Self(microk8s.arg("kubectl")))
    }

    fn call(&self, words: &[&str], options: &PodOptions) -> Program {
        let program = self.0.clone().args(words);
        match &options.namespace {
            Some(namespace) => program.args(["-n", namespace]),
            None => program,
        }
    }

    /// The pods that may be meant.
    ///
    /// # Errors
    /// [`Error::NoPod`], where kubectl fails.
    pub(super) fn pods(&self, options: &PodOptions, cancel: &Cancel) -> Result<Vec<Listed>> {
        let program = self.call(&["get", "pods"], options);
        let program = match &options.choice {
            PodChoice::Selector(labels) => program.args(["-l", labels]),
            PodChoice::Name(name) => program.arg(name),
        };
        let program = program.args(["-o", "json"]);
        let out = program.run(b"", "looking for the pod", cancel).map_err(|error| match error.into() {
            Error::Child { reason, .. } => Error::NoPod {
                problem: format!("kubectl get pods failed: {reason}"),
                remedy: "check --kubectl, --namespace and the rights of the account (get and list pods)"
                    .into(),
            },
            other => other,
        })?;
        let answer: Answer = serde_json::from_slice(&out).map_err(|error| Error::NoPod {
            problem: format!("kubectl get pods answered what is no list of pods: {error}"),
            remedy: "check --kubectl or FWB_KUBECTL".into(),
        })?;
        Ok(match answer {
            Answer::List { items } => items,
            Answer::One(pod) => vec![pod],
        })
    }

    /// The command that runs another one in the pod.
    pub(super) fn exec(&self, options: &PodOptions, pod: &Found, command: &[&str]) -> Program {
        self.call(&["exec", "-i"], options)
            .args([pod.name.as_str(), "-c", &pod.container, "--"])
            .args(command)
    }

    /// The command that listens at a port of its choice on loopback, and leads to `port` in the pod.
    pub(super) fn port_forward(&self, options: &PodOptions, pod: &Found, port: u16) -> Program {
        let ports = format!(":{port}");
        self.call(&["port-forward", "--address", "127.0.0.1"], options).args([pod.name.as_str(), &ports])
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    List { items: Vec<Listed> },
    One(Listed),
}

/// What is of interest of a pod (Kubernetes API reference, Pod v1).
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Listed {
    pub(super) metadata: Metadata,
    #[serde(default)]
    pub(super) spec: Spec,
    #[serde(default)]
    pub(super) status: Status,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) name: String,
    #[serde(default)]
    pub(super) annotations: Option<std::collections::BTreeMap<String, String>>,
    #[serde(default)]
    pub(super) deletion_timestamp: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Spec {
    #[serde(default)]
    pub(super) containers: Vec<Container>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Container {
    pub(super) name: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Status {
    #[serde(default)]
    pub(super) phase: Option<String>,
    #[serde(default)]
    pub(super) conditions: Option<Vec<Condition>>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Condition {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) status: String,
}
