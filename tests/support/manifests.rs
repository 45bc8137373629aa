//! The Kubernetes manifests as the cluster gets them: built by kubectl, read by Python.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use serde_json::Value;

use super::Tool;

/// One object of the API.
#[derive(Debug, Clone)]
pub(crate) struct Object(pub(crate) Value);

impl Object {
    /// Its kind.
    pub(crate) fn kind(&self) -> &str {
        self.0["kind"].as_str().expect("a kind")
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        self.0["metadata"]["name"].as_str().expect("a name")
    }

    /// What its pods are made from, where it makes some.
    pub(crate) fn pod(&self) -> Option<&Value> {
        match self.kind() {
            "CronJob" => self.0.pointer("/spec/jobTemplate/spec/template"),
            "Job" | "Deployment" => self.0.pointer("/spec/template"),
            _ => None,
        }
    }

    /// The containers of its pods, those that come first among them.
    pub(crate) fn containers(&self) -> Vec<&Value> {
        let spec = self.pod().map(|pod| &pod["spec"]);
        let of = |list: &str| spec.and_then(|spec| spec[list].as_array()).into_iter().flatten();
        of("initContainers").chain(of("containers")).collect()
    }
}

/// A file of the repository.
pub(crate) fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A directory of `k8s`, built and read once for all tests: either takes most of a second.
#[derive(Default)]
struct Built {
    yaml: OnceLock<String>,
    objects: OnceLock<Vec<Object>>,
}

impl Built {
    fn of(name: &str) -> Arc<Self> {
        static ALL: LazyLock<Mutex<HashMap<String, Arc<Built>>>> = LazyLock::new(Mutex::default);
        // What a test that failed left in the map is whole: an entry is made at once, and filled outside.
        let mut all = ALL.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(all.entry(name.to_owned()).or_default())
    }

    fn yaml(&self, name: &str) -> &str {
        self.yaml.get_or_init(|| build_at(&file("k8s").join(name)))
    }
}

/// What `kubectl apply -k k8s/NAME` would send, as YAML.
pub(crate) fn build(name: &str) -> String {
    Built::of(name).yaml(name).to_owned()
}

/// The kubectl that `scripts/bootstrap.sh` has brought, or the system's.
pub(crate) fn kubectl() -> PathBuf {
    let ours = file("target/tools/kubectl");
    if ours.exists() { ours } else { "kubectl".into() }
}

/// The same of another directory. kubectl says nothing on stderr: that is where kustomize warns of what its next
/// version does not know any more.
fn build_at(dir: &Path) -> String {
    let output = Tool::program(kubectl()).arg("kustomize").arg(dir).run().ok();
    assert_eq!(output.stderr, "", "{}", dir.display());
    output.stdout_text()
}

/// An overlay of one's own, in a copy of `k8s`.
pub(crate) struct OwnOverlay {
    _copy: tempfile::TempDir,
    /// Its directory, three levels below the copy.
    pub(crate) dir: PathBuf,
}

impl OwnOverlay {
    pub(crate) fn new() -> Self {
        let copy = tempfile::tempdir().expect("a directory");
        Tool::program("cp").arg("-R").arg(file("k8s")).arg(copy.path()).run().ok();
        let dir = copy.path().join("k8s/overlays/own");
        std::fs::create_dir(&dir).expect("a directory");
        Self { _copy: copy, dir }
    }

    /// What it would send with this kustomization, in which `fwb-tools/k8s` may stand for where the others are.
    pub(crate) fn build(&self, kustomization: &str) -> String {
        let text = kustomization.replace("fwb-tools/k8s/", "../../");
        std::fs::write(self.dir.join("kustomization.yaml"), text).expect("a file");
        build_at(&self.dir)
    }

    /// What it would send that has another overlay, and a component on top.
    pub(crate) fn with_component(&self, overlay: &str, component: &str) -> String {
        self.build(&format!(
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../../{overlay}]\n\
             components: [../../components/{component}]\n"
        ))
    }
}

/// The objects in a text of YAML.
pub(crate) fn read(yaml: &str) -> Vec<Object> {
    let objects = python("json", &[]).stdin(yaml).run().ok().records();
    assert!(!objects.is_empty(), "no object");
    objects.into_iter().map(Object).collect()
}

/// Those of `k8s/NAME`.
pub(crate) fn objects(name: &str) -> Vec<Object> {
    let built = Built::of(name);
    built.objects.get_or_init(|| read(built.yaml(name))).clone()
}

/// `tests/kubernetes/objects.py`, with the Python that `scripts/bootstrap.sh` has prepared.
pub(crate) fn python(action: &str, arguments: &[&str]) -> Tool {
    let python = file("target/tools/python/bin/python");
    assert!(python.exists(), "run scripts/bootstrap.sh test");
    Tool::program(python).arg(file("tests/kubernetes/objects.py")).arg(action).args(arguments)
}
