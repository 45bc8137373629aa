//! Which pod, and which container of it: one that is ready and not about to end.

use fwb::{Error, PodChoice, PodOptions, Result};

use super::Found;
use super::kubectl::Listed;

/// How a pod names the container that `kubectl exec` takes.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// Refuses names that no pod, namespace or container can have, and labels that kubectl would take for an option.
///
/// # Errors
/// A usage error.
pub(super) fn check(options: &PodOptions) -> Result<()> {
    let refused = |what: &str, text: &str| {
        Err(Error::Usage {
            message: format!("{text:?} is no name of a {what}"),
            hint: Some("names in Kubernetes are small letters, digits, hyphens and dots".into()),
        })
    };
    match &options.choice {
        PodChoice::Name(name) if !is_name(name) => return refused("pod", name),
        PodChoice::Selector(labels)
            if labels.is_empty() || labels.starts_with('-') || labels.contains(char::is_control) =>
        {
            return Err(Error::Usage {
                message: format!("{labels:?} is no selector of labels"),
                hint: Some("such as --pod-selector app=mariadb".into()),
            });
        }
        _ => {}
    }
    let names = [("namespace", &options.namespace), ("container", &options.container)];
    match names.iter().find_map(|(what, name)| Some((what, name.as_ref().filter(|name| !is_name(name))?))) {
        Some((what, name)) => refused(what, name),
        None => Ok(()),
    }
}

/// A DNS subdomain name (RFC 1123), as Kubernetes' "Object Names and IDs" has it.
fn is_name(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    !text.is_empty()
        && text.len() <= 253
        && text.bytes().all(|byte| is_inner(byte) || byte == b'-' || byte == b'.')
        && text.bytes().next().is_some_and(is_inner)
        && text.bytes().next_back().is_some_and(is_inner)
}

/// The one pod that is meant.
///
/// # Errors
/// [`Error::NoPod`] where none is ready; a usage error where several are, or the container is not there.
pub(super) fn choose(options: &PodOptions, listed: &[Listed]) -> Result<Found> {
    let wanted = |pod: &&Listed| match &options.choice {
        PodChoice::Selector(_) => true,
        PodChoice::Name(name) => pod.metadata.name == *name,
    };
    let found: Vec<&Listed> = listed.iter().filter(wanted).collect();
    let ready: Vec<&Listed> = found.iter().copied().filter(|pod| obstacle(pod).is_none()).collect();
    match ready[..] {
        [pod] => container(options, pod),
        [] => Err(none_ready(options, &found)),
        _ => {
            let names: Vec<&str> = ready.iter().map(|pod| pod.metadata.name.as_str()).collect();
            Err(Error::Usage {
                message: format!("{} pods are ready {}: {}", names.len(), place(options), names.join(", ")),
                hint: Some("choose one with --pod or FWB_POD".into()),
            })
        }
    }
}

/// Why a pod cannot be used.
fn obstacle(pod: &Listed) -> Option<&'static str> {
    let conditions = pod.status.conditions.as_deref().unwrap_or_default();
    let is_ready = conditions.iter().any(|condition| condition.kind == "Ready" && condition.status == "True");
    match pod.status.phase.as_deref() {
        _ if pod.metadata.deletion_timestamp.is_some() => Some("is terminating"),
        Some("Running") if is_ready => None,
        Some("Running") => Some("is not ready"),
        Some("Pending") => Some("is pending"),
        Some("Succeeded" | "Failed") => Some("has ended"),
        _ => Some("is in an unknown state"),
    }
}

fn none_ready(options: &PodOptions, found: &[&Listed]) -> Error {
    let place = place(options);
    let described: Vec<String> =
        found.iter().filter_map(|pod| Some(format!("{} {}", pod.metadata.name, obstacle(pod)?))).collect();
    if described.is_empty() {
        return Error::NoPod {
            problem: format!("there is no pod {place}"),
            remedy: "check --pod-selector, --pod and --namespace against kubectl get pods --show-labels"
                .into(),
        };
    }
    Error::NoPod {
        problem: format!("no pod is ready {place}: {}", described.join(", ")),
        remedy: "kubectl describe pod tells why; run again when it is ready".into(),
    }
}

/// Where was looked, in words.
fn place(options: &PodOptions) -> String {
    let which = match &options.choice {
        PodChoice::Selector(labels) => format!("with the labels {labels}"),
        PodChoice::Name(name) => format!("of the name {name}"),
    };
    match &options.namespace {
        Some(namespace) => format!("{which} in namespace {namespace}"),
        None => which,
    }
}

/// The container that was asked for, or the one that kubectl itself would take.
fn container(options: &PodOptions, pod: &Listed) -> Result<Found> {
    let name = &pod.metadata.name;
    if !is_name(name) {
        return Err(Error::usage(format!("kubectl answered with a pod of the name {name:?}, which is none")));
    }
    let containers: Vec<&str> = pod.spec.containers.iter().map(|container| container.name.as_str()).collect();
    let annotated = || pod.metadata.annotations.as_ref()?.get(DEFAULT_CONTAINER);
    let wanted = options.container.as_ref().or_else(annotated).map(String::as_str);
    let chosen = match wanted {
        Some(wanted) => containers.iter().find(|container| **container == wanted),
        None => containers.first(),
    };
    match chosen.filter(|container| is_name(container)) {
        Some(container) => Ok(Found { name: name.clone(), container: (*container).to_owned() }),
        None => Err(Error::Usage {
            message: format!(
                "pod {name} has no container {:?}; it has: {}",
                wanted.unwrap_or_default(),
                containers.join(", ")
            ),
            hint: Some("choose one with --container or FWB_CONTAINER".into()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fwb::{ErrorClass, Via};
    use serde_json::{Value, json};

    use super::*;

    fn options(choice: PodChoice, container: Option<&str>) -> PodOptions {
        PodOptions {
            choice,
            namespace: Some("filewallball".into()),
            container: container.map(Into::into),
            kubectl: None,
            retries: 0,
            via: Via::Auto,
            silence: Duration::from_secs(1),
        }
    }

    fn by_label() -> PodOptions {
        options(PodChoice::Selector("app=mariadb".into()), None)
    }

    fn pod(name: &str, phase: &str, ready: &str) -> Value {
        json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "mariadb"}, {"name": "exporter"}]},
               "status": {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]}})
    }

    fn choose_of(options: &PodOptions, pods: &[Value]) -> Result<Found> {
        let listed: Vec<Listed> =
            pods.iter().map(|pod| serde_json::from_value(pod.clone()).unwrap()).collect();
        choose(options, &listed)
    }

    #[test]
    fn the_only_ready_one_is_taken() {
        let mut ending = pod("mariadb-0", "Running", "True");
        ending["metadata"]["deletionTimestamp"] = json!("2025-07-25T17:02:06Z");
        let pods = [
            ending,
            pod("mariadb-1", "Running", "False"),
            pod("mariadb-2", "Running", "True"),
            pod("mariadb-3", "Pending", "False"),
        ];
        let found = choose_of(&by_label(), &pods).unwrap();
        assert_eq!(found, Found { name: "mariadb-2".into(), container: "mariadb".into() });

        let none = choose_of(&by_label(), &[pods[0].clone(), pods[1].clone(), pods[3].clone()]).unwrap_err();
        let said = none.to_string();
        for part in
            ["mariadb-0 is terminating", "mariadb-1 is not ready", "mariadb-3 is pending", "filewallball"]
        {
            assert!(said.contains(part), "{said}");
        }
        assert_eq!(none.class(), ErrorClass::Failure);
        assert!(choose_of(&by_label(), &[]).unwrap_err().to_string().contains("there is no pod"));
    }

    #[test]
    fn several_are_for_the_operator_to_choose_from() {
        let pods = [pod("a", "Running", "True"), pod("b", "Running", "True")];
        let error = choose_of(&by_label(), &pods).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Usage);
        assert!(error.to_string().contains("a, b"), "{error}");
        let named = options(PodChoice::Name("b".into()), None);
        assert_eq!(choose_of(&named, &pods).unwrap().name, "b");
        let named = options(PodChoice::Name("c".into()), None);
        assert!(choose_of(&named, &pods).unwrap_err().to_string().contains("of the name c"));
    }

    #[test]
    fn the_container_is_the_one_that_kubectl_would_take() {
        let mut annotated = pod("a", "Running", "True");
        annotated["metadata"]["annotations"] = json!({ DEFAULT_CONTAINER: "exporter" });
        assert_eq!(choose_of(&by_label(), &[annotated.clone()]).unwrap().container, "exporter");
        let asked = options(PodChoice::Selector("app=mariadb".into()), Some("mariadb"));
        assert_eq!(choose_of(&asked, &[annotated.clone()]).unwrap().container, "mariadb");
        let asked = options(PodChoice::Selector("app=mariadb".into()), Some("other"));
        let error = choose_of(&asked, &[annotated]).unwrap_err().to_string();
        assert!(error.contains("mariadb, exporter"), "{error}");
    }

    #[test]
    fn what_can_be_no_name_is_refused() {
        for name in ["", "-x", "a b", "$(x)", "a\nb", "파드", "a'b", "A", "x-", "--all", &"a".repeat(254)] {
            let named = options(PodChoice::Name((*name).into()), None);
            assert_eq!(check(&named).unwrap_err().class(), ErrorClass::Usage, "{name:?}");
            let contained = options(PodChoice::Name("a".into()), Some(name));
            assert!(check(&contained).is_err(), "{name:?}");
        }
        for labels in ["", "-x", "a=b\n", "--all"] {
            assert!(check(&options(PodChoice::Selector(labels.into()), None)).is_err(), "{labels:?}");
        }
        check(&by_label()).unwrap();
        check(&options(PodChoice::Selector("app in (mariadb,mysql),tier!=x".into()), None)).unwrap();
        check(&options(PodChoice::Name("mariadb-5d4c.x-0".into()), Some("db"))).unwrap();
        let hostile = [pod("$(x)", "Running", "True")];
        assert!(choose_of(&by_label(), &hostile).is_err());
    }
}
