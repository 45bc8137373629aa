//! What a container may have that can relay, and the port that is forwarded where it has nothing.

use std::fs;

use super::{Account, is_quiet, large};
use crate::faults::signal;
use crate::support::{Pod, Server, Store, Tool, free_port, name, over_a_live_one, until};

/// Puts a directory with all programs of the machine but these before the pod's `PATH`.
fn without(pod: &Pod, hidden: &[&str]) {
    let bin = pod.file("bin");
    fs::create_dir(&bin).unwrap();
    for place in ["/usr/bin", "/bin"] {
        for program in fs::read_dir(place).unwrap().flatten() {
            let name = program.file_name();
            let text = name.to_string_lossy().into_owned();
            let is_hidden =
                hidden.contains(&&*text) || text.starts_with("mariadb") || text.starts_with("mysql");
            // A link that leads nowhere is there all the same.
            if !is_hidden && bin.join(&name).symlink_metadata().is_err() {
                std::os::unix::fs::symlink(program.path(), bin.join(&name)).unwrap();
            }
        }
    }
    pod.environment(&[("PATH", &bin.display().to_string())]);
}

/// All that can relay, the best first.
const RELAYS: [&str; 4] = ["perl", "socat", "python3", "bash"];

#[test]
fn every_relay_carries_a_database_there_and_back() {
    let port = free_port();
    let server = Server::private(
        "pod_relays",
        &[
            "--skip-networking=0",
            &format!("--port={port}"),
            "--bind-address=127.0.0.1",
            "--skip-name-resolve=0",
        ],
    );
    server.sql("CREATE USER relay@localhost; GRANT ALL ON *.* TO relay@localhost");
    server.sql(
        "CREATE DATABASE relayed; USE relayed; CREATE TABLE bulk (id INT PRIMARY KEY, v LONGTEXT);
         INSERT INTO bulk SELECT seq, REPEAT(MD5(seq), 40) FROM seq_1_to_4000;
         INSERT INTO bulk VALUES (0, REPEAT('x', 17000000))",
    );
    let rows = || server.query("CHECKSUM TABLE relayed.bulk");
    let before = rows();
    for (at, relay) in RELAYS.iter().enumerate() {
        let (pod, store) = (Pod::new(), Store::new());
        pod.server(&server);
        without(&pod, &RELAYS[..at]);
        let options = format!("[client]\nsocket={}\nport={port}\nuser=relay\n", server.socket());
        fs::write(pod.file(".my.cnf"), options).unwrap();
        let dump = pod.tool(&store, "fwb-dump").args(["-B", "relayed"]).run().ok().json();
        server.sql("DELETE FROM relayed.bulk WHERE id < 100");
        pod.tool(&store, "fwb-restore").args([name(&dump), "--yes"]).args(over_a_live_one()).run().ok();
        assert_eq!(rows(), before, "{relay}");
        let undo = pod.set(Tool::alone("fwb-restore"));
        undo.args(["--drop-before", "--yes", "--database", "relayed"]).run().ok();
        let used = |word: &str| pod.calls().iter().any(|call| call.iter().any(|argument| argument == word));
        assert!(used(relay), "{relay}: {:?}", pod.calls());
        is_quiet(&pod, relay);
        let sessions = "SELECT ID, COMMAND, INFO FROM information_schema.PROCESSLIST WHERE USER = 'relay'";
        until(&format!("{relay}: {}", server.query(sessions)), || {
            server.query(sessions).is_empty().then_some(())
        });

        // Whoever kills the tool, or kubectl, ends the relay and its session.
        for victim in ["tool", "kubectl"] {
            let pod = Pod::new();
            pod.server(&server);
            without(&pod, &RELAYS[..at]);
            let options = format!("[client]\nsocket={}\nport={port}\nuser=relay\n", server.socket());
            fs::write(pod.file(".my.cnf"), options).unwrap();
            // Rows come, and then they are taken no more.
            pod.on_exec(
                "[ $what != relay ] || {
                     echo $$ >$dir/kubectl.$number
                     pod \"$@\" | $python $dir/carrier.py hang 200000 $dir/late $number
                     exit
                 }",
            );
            let store = Store::new();
            let mut child = pod.tool(&store, "fwb-dump").args(["-B", "relayed"]).spawn();
            until("the dump", || {
                assert!(child.try_wait().unwrap().is_none(), "{relay}: the dump has ended");
                pod.file("late").exists().then_some(())
            });
            // So that what cannot be carried any more fills all that is between.
            std::thread::sleep(std::time::Duration::from_millis(300));
            if victim == "tool" {
                signal(child.id(), "KILL");
            } else {
                let number = fs::read_to_string(pod.file("late")).unwrap();
                let kubectl = fs::read_to_string(pod.file(&format!("kubectl.{}", number.trim()))).unwrap();
                let kubectl = kubectl.trim();
                // All of it: it is one program in truth.
                Tool::program("kill").args(["-KILL", "--", &format!("-{kubectl}")]).run();
            }
            let code = child.wait().unwrap().code();
            assert_eq!(code, (victim == "kubectl").then_some(1), "{relay}: {victim}");
            is_quiet(&pod, &format!("{relay}: {victim}"));
            until(&format!("{relay}, {victim}: {}", server.query(sessions)), || {
                server.query(sessions).is_empty().then_some(())
            });
        }
    }
    // bash reaches no socket, and a server knows by another name who comes over TCP.
    let pod = Pod::new();
    without(&pod, &RELAYS[..4]);
    server.sql("CREATE USER socket@localhost IDENTIFIED VIA unix_socket");
    let options = format!("[client]\nsocket={}\nport={port}\nuser=socket\n", server.socket());
    fs::write(pod.file(".my.cnf"), options).unwrap();
    let tool = pod.tool(&Store::new(), "fwb-dump").args(["-B", "relayed"]);
    tool.run().fails(2, &["over TCP inside the pod"]);
}

#[test]
fn a_port_is_forwarded_where_nothing_relays_or_somebody_asks() {
    let (store, database) = (Store::new(), large("pod_forward"));
    let before = database.content();
    let pod = Pod::new();
    let account = Account::new(&pod, "fwb_pod_forward");
    without(&pod, &RELAYS);
    let dump = |pod: &Pod| pod.tool(&store, "fwb-dump").args(["-B", &database.name]);
    dump(&pod)
        .args(["--via", "exec"])
        .run()
        .fails(2, &["perl, socat, python3 or bash", "--via port-forward"]);
    let dumped = dump(&pod).run().ok();
    assert_eq!(dumped.stderr, "");
    database.sql("DELETE FROM bulk WHERE id > 100");
    pod.tool(&store, "fwb-restore").args([name(&dumped.json()), "--yes"]).args(over_a_live_one()).run().ok();
    assert_eq!(database.content(), before);
    account.is_gone("after a forwarded port");
    is_quiet(&pod, "after a forwarded port");
    let calls = pod.calls();
    assert!(
        calls.iter().any(|call| call[..]
            == ["port-forward", "--address", "127.0.0.1", "-n", "filewallball", "mariadb-0", ":3306"]),
        "{calls:?}"
    );
    let forwarders =
        || Tool::program("pgrep").args(["-f", &pod.file("forward.py").display().to_string()]).run().code;
    until("the end of what forwards", || (forwarders() == Some(1)).then_some(()));

    // Who says everything needs no right to run anything in the pod.
    let pod = Pod::new();
    pod.on_exec("echo 'Error from server (Forbidden): pods \"mariadb-0\" is forbidden' >&2; exit 1");
    let options = pod.file("client.cnf");
    fs::write(&options, format!("[client]\nuser={}\n", account.user)).unwrap();
    let tool = dump(&pod).args(["--via", "port-forward"]).arg("--defaults-file").arg(&options);
    tool.run().ok();
    assert!(pod.calls().iter().all(|call| call[0] != "exec"), "{:?}", pod.calls());

    // What breaks is told, and nothing is published.
    for (script, words) in [
        (
            "echo 'error: unable to forward port because pod is not running' >&2; exit 1",
            "unable to forward port",
        ),
        ("echo nonsense; exit 0", "does not say where it listens"),
        ("echo 'Forwarding from 127.0.0.1:1 -> 3306'; exec sleep 100", "onnection refused"),
        ("exec sleep 1000", "does not answer"),
    ] {
        pod.on_forward(script);
        let tool = dump(&pod).args(["--via", "port-forward"]).env("FWB_POD_TIMEOUT", "1");
        tool.arg("--defaults-file").arg(&options).run().fails(1, &[words]);
    }
}

#[test]
fn nobody_else_may_answer_at_a_forwarded_port() {
    if !std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
        return; // nobody else can be had
    }
    let pod = Pod::new();
    // Somebody else's process listens where kubectl says that it does, and greets as a server does.
    fs::write(pod.file("thief"), THIEF).unwrap();
    pod.on_forward("exec setpriv --reuid=65534 --clear-groups /usr/bin/python3 -c \"$(cat \"$dir/thief\")\"");
    let tool = pod.tool(&Store::new(), "fwb-dump").args(["-B", "d", "--via", "port-forward"]);
    tool.run().fails(2, &["it is not certain who answers at the forwarded port", "a process of user 65534"]);
}

/// Listens, greets whoever comes, and prints what it is told.
const THIEF: &str = r#"
import socket, struct, sys
listener = socket.create_server(("127.0.0.1", 0))
print(f"Forwarding from 127.0.0.1:{listener.getsockname()[1]} -> 3306", flush=True)
greeting = (
    b"\x0a10.11.6-MariaDB\0" + struct.pack("<I", 7) + b"12345678\0\xfe\xf7\x2d\x02\x00\xff\x81\x15"
    + bytes(10) + b"abcdefghijkl\0mysql_native_password\0"
)
while True:
    client, _ = listener.accept()
    client.sendall(struct.pack("<I", len(greeting)) + greeting)
    while client.recv(4096):
        pass
"#;
