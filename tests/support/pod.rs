//! A stand-in for kubectl and a pod: the command runs on the shared server's machine, in a session of its own, with an
//! environment of its own; its stdin ends when kubectl does, as in a pod. The stand-in keeps a record of its calls and
//! fails as it is told.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Server, Store, Tool, executable};

/// A cluster of one pod, and its kubectl.
pub(crate) struct Pod {
    dir: TempDir,
}

/// `pod COMMAND…` runs it as kubectl exec would; `$FAULT` may stand in its way.
const KUBECTL: &str = r#"#!/bin/bash
dir=$(cd "$(dirname "$0")" && pwd)
jq -cn '$ARGS.positional' --args -- "$@" >>"$dir/calls"
# The pod may have another, or none.
session=$(command -v setsid)
# What carries stdin to the pod. If it ends by itself, the connection is cut.
carrier=(cat)
pod() {
    local in pipe relay output status
    pipe=$(mktemp -u "$dir/stdin.XXXXXX")
    mkfifo "$pipe" "$pipe.out"
    exec {in}<&0
    { "${carrier[@]}" <&"$in" && touch "$dir/stdin.ended"; } >"$pipe" 2>/dev/null &
    relay=$!
    exec {in}<&-
    # As containerd does it, stdin ends with stdout.
    { cat; kill "$relay"; } <"$pipe.out" 2>/dev/null &
    output=$!
    (
        unset "${!FWB_@}"
        while IFS= read -r -d '' pair; do export "$pair"; done <"$dir/environment"
        exec "$session" -w "$@"
    ) <"$pipe" >"$pipe.out"
    status=$?
    wait "$output"
    rm -f "$pipe" "$pipe.out"
    [ "$status" = 0 ] || echo "command terminated with exit code $status" >&2
    return "$status"
}
case $1 in
    get)
        if [ -e "$dir/get.fault" ]; then . "$dir/get.fault"; fi
        cat "$dir/pods.json"
        ;;
    exec)
        target=$*
        while [ "$1" != -- ]; do shift; done
        shift
        # Which program it is for: its names, and what only the one or the other is given.
        case " $* " in
            *' --help '*) what=help ;;
            *' --single-transaction '*) what=dump ;;
            *' --database='*) what=sql ;;
            *) what=other ;;
        esac
        if [ -e "$dir/exec.fault" ]; then . "$dir/exec.fault"; fi
        pod "$@"
        ;;
    *)
        echo "error: unknown command \"$1\"" >&2
        exit 1
        ;;
esac
"#;

impl Pod {
    /// A ready pod, `mariadb-0` in namespace `filewallball`, with the shared server in it.
    pub(crate) fn new() -> Self {
        let pod = Self { dir: tempfile::Builder::new().prefix("fwb-pod-").tempdir().expect("a directory") };
        executable(&pod.kubectl(), KUBECTL);
        pod.pods(&[Self::ready("mariadb-0")]);
        pod.server(Server::shared());
        pod
    }

    /// Another server in the pod: its clients find it by the option file of their home.
    pub(crate) fn server(&self, server: &Server) {
        fs::copy(server.defaults_file(), self.file(".my.cnf")).unwrap();
        self.environment(&[]);
    }

    /// What the environment holds in the pod, beside its home.
    pub(crate) fn environment(&self, pairs: &[(&str, &str)]) {
        let home = self.dir.path().display().to_string();
        let pairs = [("HOME", home.as_str())]
            .into_iter()
            .chain(pairs.iter().copied())
            .map(|(name, value)| format!("{name}={value}\0"));
        fs::write(self.file("environment"), pairs.collect::<String>()).unwrap();
    }

    /// A pod that is ready, as kubectl shows it.
    pub(crate) fn ready(name: &str) -> Value {
        json!({"kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [{"name": "mariadb"}]},
               "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}})
    }

    /// The pods that there are.
    pub(crate) fn pods(&self, pods: &[Value]) {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": pods});
        fs::write(self.file("pods.json"), list.to_string()).unwrap();
    }

    /// What happens in place of an `exec`, or before it: bash, in which `pod "$@"` runs the command, `$what` says what
    /// for (`help`, `dump`, `sql`, `other`), and `$dir` is the stand-in's own directory.
    pub(crate) fn on_exec(&self, script: &str) {
        fs::write(self.file("exec.fault"), script).unwrap();
    }

    /// The same for `get pods`.
    pub(crate) fn on_get(&self, script: &str) {
        fs::write(self.file("get.fault"), script).unwrap();
    }

    /// The calls so far, each the list of its arguments.
    pub(crate) fn calls(&self) -> Vec<Vec<String>> {
        let calls = fs::read_to_string(self.file("calls")).unwrap_or_default();
        calls.lines().map(|line| serde_json::from_str(line).expect("a call")).collect()
    }

    /// A file beside the stand-in.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn kubectl(&self) -> PathBuf {
        self.file("kubectl")
    }

    /// A tool that reaches its server through the pod alone.
    pub(crate) fn tool(&self, store: &Store, name: &str) -> Tool {
        self.set(Tool::alone(name)).arg("--store").arg(store.path())
    }

    /// Any program, with the settings of a `CronJob`.
    pub(crate) fn set(&self, tool: Tool) -> Tool {
        tool.env("FWB_KUBECTL", self.kubectl())
            .env("FWB_POD_SELECTOR", "app=mariadb")
            .env("FWB_NAMESPACE", "filewallball")
            .env("FWB_RETRIES", "0")
    }

    /// Processes that run in the pod: they have its home.
    pub(crate) fn processes(&self) -> Vec<String> {
        let home = format!("HOME={}", self.dir.path().display());
        let runs_there = |path: &Path| {
            let environment = fs::read(path.join("environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|pair| pair == home.as_bytes())
        };
        let processes = fs::read_dir("/proc").expect("processes").flatten().map(|entry| entry.path());
        let command = |path: PathBuf| fs::read(path.join("cmdline")).unwrap_or_default();
        processes
            .filter(|path| runs_there(path))
            .map(command)
            .filter(|command| !command.is_empty())
            .map(|command| String::from_utf8_lossy(&command).replace('\0', " "))
            .collect()
    }
}

impl Drop for Pod {
    /// A part of the stand-in may wait for a partner that was killed.
    fn drop(&mut self) {
        let kubectl = self.kubectl().display().to_string();
        let _ = std::process::Command::new("pkill").args(["-KILL", "-f", &kubectl]).status();
    }
}
