//! `scripts/systemd`: who has no cluster has a timer. Nobody looks at a unit until a night without a backup; here systemd's own
//! checks do, and the services' commands run with what their units give them and forbid.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::support::manifests::file;
use crate::support::{Database, Server, Tool};

const SERVICES: [&str; 4] =
    ["fwb-backup.service", "fwb-drill.service", "fwb-report.service", "fwb-follow.service"];
const TIMERS: [&str; 2] = ["fwb-backup.timer", "fwb-drill.timer"];

/// Settings of a unit, in their order.
struct Unit(Vec<(String, String)>);

impl Unit {
    fn read(name: &str) -> Self {
        let text = fs::read_to_string(file("scripts/systemd").join(name)).unwrap();
        let setting =
            |line: &str| line.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
        Self(text.lines().filter(|line| !line.starts_with('#')).filter_map(setting).collect())
    }

    fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(found, _)| found == key).map(|(_, value)| value.as_str())
    }

    #[track_caller]
    fn one<'a>(&'a self, key: &'a str) -> &'a str {
        let mut all = self.all(key);
        let one = all.next().unwrap_or_else(|| panic!("no {key}"));
        assert!(all.next().is_none(), "two of {key}");
        one
    }

    fn has(&self, key: &str) -> bool {
        self.all(key).next().is_some()
    }
}

/// A length of time as systemd writes it, in minutes.
fn minutes(span: &str) -> u64 {
    let (number, unit) = span.split_at(span.find(|c: char| !c.is_ascii_digit()).unwrap());
    number.parse::<u64>().unwrap() * if unit == "h" { 60 } else { 1 }
}

fn tools() -> PathBuf {
    Tool::path("fwb-run").parent().unwrap().to_owned()
}

/// The units, as `make install` would put them in place for the tools of this build.
fn installed() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in SERVICES.into_iter().chain(TIMERS) {
        let text = fs::read_to_string(file("scripts/systemd").join(name)).unwrap();
        fs::write(dir.path().join(name), text.replace("@bindir@", tools().to_str().unwrap())).unwrap();
    }
    dir
}

#[test]
fn systemd_understands_every_unit() {
    let units = installed();
    let all = SERVICES.into_iter().chain(TIMERS).map(|name| units.path().join(name));
    let verified = Tool::program("systemd-analyze").args(["verify", "--man=no"]).args(all).run().ok();
    assert_eq!((verified.stdout_text(), &*verified.stderr), (String::new(), ""));
    // What it does not understand, it says so.
    let wrong = units.path().join("wrong.service");
    fs::write(&wrong, "[Service]\nExecStart=/bin/true\nProtectSystems=strict\n").unwrap();
    let verified = Tool::program("systemd-analyze").args(["verify", "--man=no"]).arg(&wrong).run();
    assert!(verified.stderr.contains("ProtectSystems"), "{verified:?}");
}

/// By systemd's own measure, of 0 to 10, where a service without any setting has 9.6.
#[test]
fn a_service_is_exposed_as_little_as_it_can_be() {
    let units = installed();
    for name in SERVICES {
        let security =
            Tool::program("systemd-analyze").args(["security", "--offline=true", "--threshold=20"]);
        let said = security.arg(units.path().join(name)).run();
        assert_eq!(said.code, Some(0), "{name}:\n{}", said.stdout_text());
        let unit = Unit::read(name);
        for (setting, value) in [
            ("DynamicUser", "yes"),
            ("User", "fwb"),
            ("ProtectSystem", "strict"),
            ("ProtectHome", "yes"),
            ("PrivateTmp", "yes"),
            ("NoNewPrivileges", "yes"),
            ("CapabilityBoundingSet", ""),
            ("SystemCallFilter", "@system-service"),
            ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK"),
        ] {
            assert_eq!(unit.one(setting), value, "{name}");
        }
        // The setgid bit, which a shared store has, is forbidden to a dynamic user.
        assert_eq!(unit.one("StateDirectoryMode"), "0700", "{name}");
    }
}

#[test]
fn a_run_ends_before_the_next_one_and_a_missed_one_is_made_up_for() {
    for name in ["fwb-backup", "fwb-drill"] {
        let service = Unit::read(&format!("{name}.service"));
        let timer = Unit::read(&format!("{name}.timer"));
        assert_eq!(service.one("Type"), "oneshot");
        let deadline =
            service.all("Environment").find_map(|all| all.split("FWB_RUN_DEADLINE=").nth(1)).unwrap();
        let limit = minutes(service.one("TimeoutStartSec"));
        assert!(minutes(deadline) < limit, "{name}: a try that has begun may go on");
        assert!(limit < 24 * 60, "{name}: a run that hangs must not stop the next night's");
        assert_eq!(timer.one("Persistent"), "yes", "{name}");
        Tool::program("systemd-analyze").args(["calendar", timer.one("OnCalendar")]).run().ok();
        // An exit code of ours is a failure to systemd, and is shown as one.
        assert!(!service.has("SuccessExitStatus"), "{name}");
        assert_eq!(service.one("Restart"), "on-abnormal", "{name}");
    }
}

/// What stands for a unit: its directories, credentials and settings.
struct Scene {
    dir: tempfile::TempDir,
    database: Database,
}

impl Scene {
    fn new(name: &str) -> Self {
        let (dir, database) = (tempfile::tempdir().unwrap(), Database::new(name));
        database.sql("CREATE TABLE t (id INT PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b');");
        for made in ["state/fwb/backups", "cache/fwb", "credentials"] {
            fs::create_dir_all(dir.path().join(made)).unwrap();
        }
        Self { dir, database }
    }

    fn path(&self, below: &str) -> String {
        self.dir.path().join(below).display().to_string()
    }

    /// A unit's command with its environment: that of the example file, for the server of the tests, and credentials as far as
    /// they are there. What is run has no capability, and can get none.
    fn command(&self, service: &str) -> Tool {
        let unit = Unit::read(service);
        let expand = |text: &str| {
            let places = [("%S", "state"), ("%C", "cache"), ("%d", "credentials")];
            places
                .iter()
                .fold(text.to_owned(), |text, (specifier, place)| text.replace(specifier, &self.path(place)))
        };
        for credential in unit
            .all("SetCredential")
            .chain(unit.all("LoadCredential").filter(|one| one.starts_with("password")))
        {
            let (name, value) = credential.split_once(':').unwrap();
            let path = self.dir.path().join("credentials").join(name);
            // As systemd leaves them.
            let _ = fs::remove_file(&path);
            fs::write(&path, if name == "password" { "" } else { value }).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        }
        let mut words = unit.one("ExecStart").split(' ');
        let program = words.next().unwrap().strip_prefix("@bindir@/").unwrap();
        let mut tool =
            Tool::alone(program).args(words).env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin");
        for (name, value) in self.environment(&unit) {
            tool = tool.env(&name, expand(&value));
        }
        tool
    }

    fn environment(&self, unit: &Unit) -> BTreeMap<String, String> {
        let pair = |word: &str| word.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut all: BTreeMap<_, _> =
            unit.all("Environment").flat_map(|line| line.split(' ')).filter_map(pair).collect();
        assert_eq!(unit.all("EnvironmentFile").next(), Some("/etc/fwb/backup.env"));
        let example = fs::read_to_string(file("scripts/systemd/backup.env")).unwrap();
        all.extend(example.lines().filter(|line| !line.starts_with('#')).filter_map(pair));
        // As somebody would fill it in.
        for name in ["FWB_DATABASE", "FWB_SOCKET", "FWB_USER"] {
            assert!(all.remove(name).is_some(), "the example has {name}");
        }
        all.insert("FWB_DATABASE".into(), self.database.name.clone());
        all.insert("FWB_DEFAULTS_FILE".into(), Server::shared().defaults_file().display().to_string());
        // The server of the tests has its password in that file.
        all.remove("FWB_PASSWORD_FILE");
        all
    }

    fn confined(tool: Tool) -> Tool {
        tool.under("setpriv", ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"])
    }
}

/// From the example's settings to a proved backup, a drill of it and a report, without any right.
#[test]
fn the_services_do_what_they_are_for() {
    let scene = Scene::new("timer");
    let made = Scene::confined(scene.command("fwb-backup.service")).run().ok().json();
    assert_eq!((&made["outcome"], &made["verification"]["level"]), (&"ok".into(), &"full".into()));
    assert_eq!(made["server"], "db1", "as backup.env calls it");
    assert_eq!(
        made["warnings"],
        serde_json::json!([]),
        "without a file of those to tell, nobody is told, and that is right"
    );
    let drilled = Scene::confined(scene.command("fwb-drill.service")).run().ok().json();
    assert_eq!((&drilled["outcome"], &drilled["verification"]["level"]), (&"ok".into(), &"drill".into()));
    let report =
        Tool::alone("fwb-report").env("FWB_STORE", scene.path("state/fwb/backups")).run().ok().json();
    assert_eq!(report["ok"], true, "{report}");
    // What the filter lets through.
    let listening = scene.command("fwb-report.service");
    assert!(format!("{:?}", listening.command()).contains("127.0.0.1:9394"), "this host alone");
}

/// All that `@system-service` lets through.
fn let_through() -> BTreeSet<String> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let listed =
        Tool::program("systemd-analyze").args(["syscall-filter", "--no-pager"]).run().ok().stdout_text();
    let mut group = String::new();
    for line in listed.lines() {
        if line.starts_with('@') {
            line.clone_into(&mut group);
        } else if let Some(call) = line.strip_prefix("    ").filter(|call| !call.starts_with('#')) {
            groups.entry(group.clone()).or_default().push(call.to_owned());
        }
    }
    let (mut all, mut open) = (BTreeSet::new(), vec!["@system-service".to_owned()]);
    while let Some(name) = open.pop() {
        match groups.get(&name) {
            Some(calls) => open.extend(calls.iter().cloned()),
            None => drop(all.insert(name)),
        }
    }
    assert!(all.contains("openat") && !all.contains("mount"), "{all:?}");
    all
}

/// What a trace shows that a unit forbids.
fn forbidden(trace: &Path, unit: &Unit) -> BTreeSet<String> {
    let let_through = let_through();
    let families: Vec<&str> = unit.one("RestrictAddressFamilies").split(' ').collect();
    let may_make_code = !unit.has("MemoryDenyWriteExecute");
    let mut found = BTreeSet::new();
    for line in fs::read_to_string(trace).unwrap().lines() {
        let Some((_, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        let Some((name, arguments)) = call.split_once('(') else { continue };
        if name.is_empty() || !name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_')
        {
            continue;
        }
        if !let_through.contains(name) {
            found.insert(name.to_owned());
        }
        let makes_code = match name {
            "mmap" => arguments.contains("PROT_WRITE|PROT_EXEC"),
            "mprotect" | "pkey_mprotect" => arguments.contains("PROT_EXEC"),
            _ => false,
        };
        let is_other =
            name == "socket" && !families.contains(&arguments.split(',').next().unwrap_or_default());
        if makes_code && !may_make_code || is_other {
            found.insert(call.to_owned());
        }
    }
    found
}

/// systemd ends whoever calls what its filter forbids, or refuses it: in the night, and nowhere before.
#[test]
fn the_services_call_nothing_that_their_units_forbid() {
    let scene = Scene::new("filtered");
    for service in ["fwb-backup.service", "fwb-drill.service"] {
        let trace = scene.dir.path().join("trace");
        let traced = scene.command(service).under("strace", ["-f", "-qq", "-o", trace.to_str().unwrap()]);
        traced.run().ok();
        assert_eq!(forbidden(&trace, &Unit::read(service)), BTreeSet::new(), "{service}");
    }
}

/// The follower does what it is for by what its unit gives it, calls nothing that this forbids, and is never given up.
#[test]
fn the_follower_follows_by_its_unit() {
    let unit = Unit::read("fwb-follow.service");
    let settings = [
        ("Type", "exec"),
        ("Restart", "on-failure"),
        ("StartLimitIntervalSec", "0"),
        ("SuccessExitStatus", "143"),
        ("WantedBy", "multi-user.target"),
    ];
    for (setting, value) in settings {
        assert_eq!(unit.one(setting), value);
    }
    // An account of its own: the backup's may read tables.
    let settings: Vec<&str> = unit.all("EnvironmentFile").collect();
    assert_eq!(settings, ["/etc/fwb/backup.env", "-/etc/fwb/follow.env"]);
    assert!(unit.all("LoadCredential").any(|one| one == "password:/etc/fwb/follow-password"));
    let (scene, server) =
        (Scene::new("followed"), Server::private("unit", &["--log-bin=b", "--server-id=7"]));
    let trace = scene.dir.path().join("trace");
    let follower = || {
        let tool = scene.command("fwb-follow.service").env("FWB_DEFAULTS_FILE", server.defaults_file());
        tool.args(["--once", "--from", "oldest"])
    };
    let made = Scene::confined(follower()).run().ok().json();
    assert!(made["segments"].as_u64() > Some(0) && made["safe_until"].is_string(), "{made}");
    server.sql("CREATE DATABASE a");
    follower().under("strace", ["-f", "-qq", "-o", trace.to_str().unwrap()]).run().ok();
    assert_eq!(forbidden(&trace, &unit), BTreeSet::new());
    let report =
        Tool::alone("fwb-report").env("FWB_STORE", scene.path("state/fwb/backups")).run().ok().json();
    assert_eq!(report["logs"][0]["server"], "db1", "as backup.env calls it");
    assert_eq!(report["logs"][0]["follower"]["once"], true);
}

/// cron's line is one that cron and sh take.
#[test]
fn the_line_for_cron_runs() {
    let scene = Scene::new("cron");
    let text = fs::read_to_string(file("scripts/cron/fwb")).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("0 ")).collect();
    let [backup, drill] = lines[..] else { panic!("two lines: {lines:?}") };
    assert!(backup.starts_with("0 2 * * * fwb ") && drill.starts_with("0 4 * * 0 fwb "));
    let settings = scene.dir.path().join("backup.env");
    let (store, cnf) = (scene.path("state/fwb/backups"), Server::shared().defaults_file());
    let text = format!(
        "FWB_DATABASE={}\nFWB_STORE={store}\nFWB_DEFAULTS_FILE={}\n",
        scene.database.name,
        cnf.display()
    );
    fs::write(&settings, text).unwrap();
    for line in lines {
        let command =
            line.splitn(7, ' ').nth(6).unwrap().replace("/etc/fwb/backup.env", settings.to_str().unwrap());
        assert!(!command.contains('%'), "cron ends a line there");
        let path = format!("{}:/usr/sbin:/usr/bin:/bin", tools().display());
        let said = Tool::program("sh").args(["-c", &command]).env("PATH", path).run().ok();
        assert_eq!((said.stdout_text(), &*said.stderr), (String::new(), ""), "cron mails what is printed");
    }
    let report = Tool::alone("fwb-report").env("FWB_STORE", store).run().ok().json();
    assert_eq!(report["databases"][0]["runs"].as_array().unwrap().len(), 2, "{report}");
}
