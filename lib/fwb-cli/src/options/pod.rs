//! Which pod the server is in, and how it is reached.

use std::time::Duration;

use clap::ValueEnum;
use fwb::{Error, PodChoice, PodOptions, Result, Via};

/// The pod group.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct PodArgs {
    /// The server is in the only ready pod with these labels, such as app=mariadb
    #[arg(long, value_name = "LABELS", env = "FWB_POD_SELECTOR")]
    #[arg(help_heading = "Pod")]
    pub pod_selector: Option<String>,

    /// The server is in this pod
    #[arg(long, value_name = "NAME", env = "FWB_POD")]
    #[arg(help_heading = "Pod")]
    pub pod: Option<String>,

    /// The pod's namespace [default: that of kubectl's context, or of the pod that this runs in]
    #[arg(short, long, value_name = "NAME", env = "FWB_NAMESPACE")]
    #[arg(help_heading = "Pod")]
    pub namespace: Option<String>,

    /// The container in it [default: the pod's default one, else its first]
    #[arg(long, value_name = "NAME", env = "FWB_CONTAINER")]
    #[arg(help_heading = "Pod")]
    pub container: Option<String>,

    /// Command for kubectl, with its first arguments [default: kubectl, else microk8s kubectl]
    #[arg(long, value_name = "COMMAND", env = "FWB_KUBECTL")]
    #[arg(help_heading = "Pod")]
    pub kubectl: Option<String>,

    /// What carries the connection to the server
    #[arg(long, value_name = "WAY", default_value = "auto", env = "FWB_VIA", value_enum)]
    #[arg(help_heading = "Pod")]
    pub via: ViaArg,

    /// How often to try again when the connection to the pod breaks
    #[arg(long, value_name = "N", default_value_t = 2, env = "FWB_RETRIES")]
    #[arg(help_heading = "Pod")]
    pub retries: u32,

    /// Give a connection up that shows no sign of life for so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120, env = "FWB_POD_TIMEOUT")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    #[arg(help_heading = "Pod")]
    pub pod_timeout: u32,
}

/// What carries the connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ViaArg {
    /// exec where the container has a program that can relay, else port-forward
    #[default]
    Auto,
    /// A relay in the pod, by kubectl exec
    Exec,
    /// A port on this machine, by kubectl port-forward
    PortForward,
}

impl ViaArg {
    fn to_domain(self) -> Via {
        match self {
            Self::Auto => Via::Auto,
            Self::Exec => Via::Exec,
            Self::PortForward => Via::PortForward,
        }
    }
}

impl PodArgs {
    /// The same for the library; none where no pod was asked for.
    ///
    /// # Errors
    /// A usage error when only a namespace or a container is named, or the command for kubectl is none.
    pub fn to_domain(&self) -> Result<Option<PodOptions>> {
        let choice = match (&self.pod, &self.pod_selector) {
            (Some(name), _) => PodChoice::Name(name.clone()),
            (None, Some(labels)) => PodChoice::Selector(labels.clone()),
            // Else what was meant for a pod would happen to whatever server is found here.
            (None, None) if self.namespace.is_some() || self.container.is_some() => {
                return Err(Error::Usage {
                    message: "a namespace or a container is named, and no pod".into(),
                    hint: Some("add --pod-selector app=mariadb, or --pod NAME".into()),
                });
            }
            (None, None) => return Ok(None),
        };
        let kubectl = self.kubectl.as_deref().map(|command| {
            shlex::split(command).filter(|words| !words.is_empty()).ok_or_else(|| Error::Usage {
                message: format!("{command:?} is no command"),
                hint: Some("such as --kubectl 'microk8s kubectl'".into()),
            })
        });
        Ok(Some(PodOptions {
            choice,
            namespace: self.namespace.clone(),
            container: self.container.clone(),
            kubectl: kubectl.transpose()?,
            via: self.via.to_domain(),
            retries: self.retries,
            silence: Duration::from_secs(self.pod_timeout.into()),
        }))
    }
}

#[cfg(test)]
mod tests {
    use fwb::ErrorClass;

    use super::*;

    fn args() -> PodArgs {
        PodArgs { pod_selector: Some("app=mariadb".into()), pod_timeout: 1, ..PodArgs::default() }
    }

    #[test]
    fn a_name_goes_before_labels() {
        assert!(PodArgs::default().to_domain().unwrap().is_none());
        let chosen = args().to_domain().unwrap().unwrap();
        assert_eq!(chosen.choice, PodChoice::Selector("app=mariadb".into()));
        let named = PodArgs { pod: Some("mariadb-0".into()), ..args() };
        assert_eq!(named.to_domain().unwrap().unwrap().choice, PodChoice::Name("mariadb-0".into()));
    }

    #[test]
    fn a_namespace_alone_is_half_a_command() {
        let alone = PodArgs { namespace: Some("filewallball".into()), ..PodArgs::default() };
        assert_eq!(alone.to_domain().unwrap_err().class(), ErrorClass::Usage);
    }

    #[test]
    fn the_command_may_have_arguments() {
        let with = |command: &str| PodArgs { kubectl: Some(command.into()), ..args() }.to_domain();
        let words = with("microk8s kubectl --context 'a b'").unwrap().unwrap().kubectl.unwrap();
        assert_eq!(words, ["microk8s", "kubectl", "--context", "a b"]);
        for none in ["", "  ", "kubectl 'x"] {
            assert_eq!(with(none).unwrap_err().class(), ErrorClass::Usage, "{none:?}");
        }
    }
}
