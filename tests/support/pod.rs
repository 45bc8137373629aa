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
# Not one that a shell has to look for.
python=/usr/bin/python3
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
        # What for: to tell of the pod, or to relay; and the how manieth relay.
        case " $* " in
            ' sh -s '*) what=survey ;;
            *) what=relay ;;
        esac
        number=0
        if [ $what = relay ]; then
            number=$(flock "$dir" sh -c 'echo x >>"$0/relays"; wc -l <"$0/relays"' "$dir")
        fi
        if [ -e "$dir/exec.fault" ]; then . "$dir/exec.fault"; fi
        pod "$@"
        ;;
    port-forward)
        what=forward
        if [ -e "$dir/forward.fault" ]; then . "$dir/forward.fault"; fi
        exec $python "$dir/forward.py" "$(cat "$dir/socket")"
        ;;
    *)
        echo "error: unknown command \"$1\"" >&2
        exit 1
        ;;
esac
"#;

/// Forwards a port of this machine's to the server's socket, as kubectl does: it says where it listens, and that somebody
/// has connected.
const FORWARD: &str = r#"
import socket, sys, threading
listener = socket.create_server(("127.0.0.1", 0))
print(f"Forwarding from 127.0.0.1:{listener.getsockname()[1]} -> 3306", flush=True)
def carry(one, other):
    try:
        while data := one.recv(1 << 16):
            other.sendall(data)
    except OSError:
        pass
    for end in (one, other):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
while True:
    client, _ = listener.accept()
    print("Handling connection for 3306", flush=True)
    server = socket.socket(socket.AF_UNIX)
    server.connect(sys.argv[1])
    for pair in ((client, server), (server, client)):
        threading.Thread(target=carry, args=pair, daemon=True).start()
"#;

/// `FAULT AT …` carries stdin to stdout in pieces of 4 KiB, as they come. What it does beside:
/// - `swallow`, `repeat` the piece of number AT;
/// - `delay` all of them;
/// - `cut`, `drain`: after AT bytes it ends, or reads on and writes no more;
/// - `hang AT FILE TEXT`: after AT bytes it writes the text into the file, and does nothing more; once, for whoever tries
///   again comes through.
const CARRIER: &str = r#"
import os, select, sys, time
fault, at, rest = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
number = total = 0
while True:
    if fault == "hang" and total >= at and not os.path.exists(rest[0]):
        with open(rest[0] + ".new", "w") as file:
            file.write("".join(rest[1:]))
        os.rename(rest[0] + ".new", rest[0])
        # kubectl ends when nobody reads any more what it carries.
        waits = select.poll()
        waits.register(1, 0)
        waits.poll(1000 * 1000)
        break
    piece = os.read(0, 4096)
    if not piece:
        break
    number += 1
    total += len(piece)
    if number == at and fault == "swallow":
        continue
    if number == at and fault == "repeat":
        piece += piece
    if fault == "delay":
        time.sleep(0.02)
    is_over = fault in ("cut", "drain") and total > at
    if is_over:
        piece = piece[:max(0, len(piece) - (total - at))]
    while piece:
        # In odd parts.
        piece = piece[os.write(1, piece[:1009]):]
    if is_over and fault == "cut":
        break
"#;

impl Pod {
    /// A ready pod, `mariadb-0` in namespace `filewallball`, with the shared server in it.
    pub(crate) fn new() -> Self {
        let pod = Self { dir: tempfile::Builder::new().prefix("fwb-pod-").tempdir().expect("a directory") };
        executable(&pod.kubectl(), KUBECTL);
        fs::write(pod.file("forward.py"), FORWARD).unwrap();
        fs::write(pod.file("carrier.py"), CARRIER).unwrap();
        pod.pods(&[Self::ready("mariadb-0")]);
        pod.server(Server::shared());
        pod
    }

    /// Another server in the pod: its clients find it by the option file of their home.
    pub(crate) fn server(&self, server: &Server) {
        fs::copy(server.defaults_file(), self.file(".my.cnf")).unwrap();
        fs::write(self.file("socket"), server.socket()).unwrap();
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
    /// for (`survey`, `relay`), `$number` which relay it is, counted from 1, and `$dir` is the stand-in's own directory.
    pub(crate) fn on_exec(&self, script: &str) {
        fs::write(self.file("exec.fault"), script).unwrap();
    }

    /// The same for `port-forward`, in whose place the stand-in's own goes on.
    pub(crate) fn on_forward(&self, script: &str) {
        fs::write(self.file("forward.fault"), script).unwrap();
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
            .env("FWB_WAIT_SERVER", "0s")
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
        let place = format!("{}/", self.dir.path().display());
        let _ = std::process::Command::new("pkill").args(["-KILL", "-f", &place]).status();
    }
}
