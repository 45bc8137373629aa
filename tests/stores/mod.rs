//! Stores of every kind by the same tests: directories, S3 and Azure, on real servers; in clear and encrypted.

mod completions;
mod copies;
mod faults;
mod fences;
mod nights;
mod requests;
mod suite;

use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::object_server::{Bucket, Kind, ObjectServer};
use crate::support::{Database, Tool, name, usual_unpacked};

/// A store of some kind, with all that a tool needs to find it.
pub(crate) struct Place {
    url: String,
    environment: Vec<(&'static str, String)>,
    bucket: Option<Bucket<'static>>,
    /// The directory of a store that is one, the cache, and keys.
    dir: TempDir,
}

/// The prefix of stores in buckets.
const PREFIX: &str = "nightly/shop";

impl Place {
    /// An empty directory.
    pub(crate) fn directory() -> Self {
        let dir = tempfile::Builder::new().prefix("fwb-place-").tempdir().unwrap();
        let url = dir.path().join("store").display().to_string();
        Self { url, environment: Vec::new(), bucket: None, dir }
    }

    /// An empty place in a new bucket of the server that all tests share.
    pub(crate) fn on(kind: Kind) -> Self {
        let server = ObjectServer::shared(kind);
        Self::in_bucket(server.bucket(), kind, server.address())
    }

    /// An empty place in a new bucket with Object Lock.
    fn locked() -> Self {
        let server = ObjectServer::shared(Kind::Ministack);
        Self::in_bucket(
            server.bucket_with(&[("x-amz-bucket-object-lock-enabled", "true")]),
            Kind::Ministack,
            server.address(),
        )
    }

    fn in_bucket(bucket: Bucket<'static>, kind: Kind, address: SocketAddr) -> Self {
        let scheme = if kind.is_azure() { "az" } else { "s3" };
        let url = format!("{scheme}://{}/{PREFIX}", bucket.name());
        let environment = bucket.environment(address);
        let dir = tempfile::Builder::new().prefix("fwb-place-").tempdir().unwrap();
        Self { url, environment, bucket: Some(bucket), dir }
    }

    /// The same place, at another address.
    fn through(mut self, address: SocketAddr) -> Self {
        self.environment = self.bucket().environment(address);
        self
    }

    fn bucket(&self) -> &Bucket<'static> {
        self.bucket.as_ref().expect("a bucket")
    }

    /// A tool that works on it.
    pub(crate) fn tool(&self, name: &str) -> Tool {
        self.known_to(Tool::new(name)).arg("--store").arg(&self.url)
    }

    /// How it is named.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A tool that can reach it.
    pub(crate) fn known_to(&self, tool: Tool) -> Tool {
        let tool = tool.env("FWB_CACHE_DIR", self.dir.path().join("cache"));
        self.environment.iter().fold(tool, |tool, (name, value)| tool.env(name, value))
    }

    fn dump(&self, database: &Database) -> Value {
        self.tool("fwb-dump").args(["-B", &database.name]).run().ok().json()
    }

    fn listed(&self) -> Vec<Value> {
        self.tool("fwb-ls").run().ok().records()
    }

    /// The names of all objects of the store, but for those that keep order and the records of runs.
    fn files(&self) -> Vec<String> {
        let is_backups = |name: &str| !name.starts_with('.') && name.split('/').next() != Some("runs");
        match &self.bucket {
            None => {
                let files = std::fs::read_dir(&self.url).into_iter().flatten().flatten();
                let names = files.map(|file| file.file_name().into_string().unwrap());
                let mut names: Vec<String> = names.filter(|name| is_backups(name)).collect();
                names.sort();
                names
            }
            Some(bucket) => {
                let prefix = format!("{PREFIX}/");
                let keys = bucket.keys().into_iter();
                keys.filter_map(|key| key.strip_prefix(&prefix).map(str::to_owned))
                    .filter(|name| is_backups(name))
                    .collect()
            }
        }
    }

    /// What a file holds; none where there is no such file.
    fn read(&self, name: &str) -> Option<Vec<u8>> {
        match &self.bucket {
            None => std::fs::read(format!("{}/{name}", self.url)).ok(),
            Some(bucket) => bucket.get(&format!("{PREFIX}/{name}")),
        }
    }

    /// Writes a file, past the tools.
    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        match &self.bucket {
            None => std::fs::write(format!("{}/{name}", self.url), bytes).unwrap(),
            Some(bucket) => bucket.put(&format!("{PREFIX}/{name}"), bytes),
        }
    }

    /// Removes a file, past the tools.
    fn remove(&self, name: &str) {
        match &self.bucket {
            None => std::fs::remove_file(format!("{}/{name}", self.url)).unwrap(),
            Some(bucket) => bucket.delete(&format!("{PREFIX}/{name}")),
        }
    }

    /// Makes the directory of a store that is one; in a bucket there is nothing to make.
    fn begin(&self) {
        if self.bucket.is_none() {
            std::fs::create_dir_all(&self.url).unwrap();
        }
    }

    /// What the sidecar of a backup says.
    fn sidecar(&self, name: &str) -> Value {
        serde_json::from_slice(&self.read(&format!("{name}.json")).expect("a sidecar")).expect("JSON")
    }

    /// The names of backups that were deleted, and whose objects are still there.
    fn deleted(&self) -> Vec<String> {
        let prefix = format!("{PREFIX}/.fwb/deleted/");
        let keys = self.bucket().keys().into_iter();
        keys.filter_map(|key| key.strip_prefix(&prefix).map(str::to_owned)).collect()
    }

    /// A file for this test's own use.
    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// A database whose artifact has more than one part: random bytes, which nothing makes smaller.
fn large(name: &str) -> Database {
    let database = Database::sample(name);
    database.sql(
        "CREATE TABLE noise (id INT PRIMARY KEY, bytes MEDIUMBLOB);
         INSERT INTO noise SELECT seq, RANDOM_BYTES(1000) FROM seq_1_to_20000;
         CREATE TABLE pair (id INT PRIMARY KEY, what VARCHAR(20));
         INSERT INTO pair VALUES (1, 'one'), (2, 'two');",
    );
    database
}

/// What is deleted goes after seconds: after twice the lease, and a shorter one is lost where a busy machine keeps its renewals
/// waiting.
fn gone_soon(tool: Tool) -> Tool {
    tool.env("FWB_STORE_DELETE_AFTER", "1").env("FWB_STORE_LEASE", "3")
}

/// A key to encrypted backups, and the public key to it.
fn key(place: &Place) -> (PathBuf, String) {
    let file = place.file("identity");
    Tool::program("age-keygen").arg("-o").arg(&file).run().ok();
    let shown = Tool::program("age-keygen").arg("-y").arg(&file).run().ok();
    (file, shown.stdout_text().trim().to_owned())
}

/// The day of a backup, from the dump to the end of what retention leaves.
fn all_day(place: &Place, is_encrypted: bool) {
    let database = large("all_day");
    let before = database.content();
    let (identity, recipient) = key(place);
    let tool = |name: &str| {
        let tool = place.tool(name);
        match (is_encrypted, name) {
            (true, "fwb-dump") => tool.env("FWB_RECIPIENTS", &recipient),
            (true, "fwb-verify" | "fwb-restore" | "fwb-ls") => tool.env("FWB_IDENTITY", &identity),
            _ => tool,
        }
    };
    let dump = || tool("fwb-dump").args(["-B", &database.name]).run().ok().json();
    assert!(tool("fwb-ls").run().code.is_some());
    let first = dump();
    assert_eq!(first["store"], place.url);
    assert_eq!(place.files(), [name(&first).to_owned(), format!("{}.json", name(&first))]);
    let verified = tool("fwb-verify").arg(name(&first)).run().ok().json();
    assert_eq!(verified["verification"]["ok"], true);
    let listed = tool("fwb-ls").args(["--latest", "--verified"]).run().ok().json();
    assert_eq!((name(&listed), &listed["store"]), (name(&first), &first["store"]));
    let tables = tool("fwb-ls").args(["--latest", "--tables"]).run().ok().records();
    assert!(tables.iter().any(|table| table["name"] == "noise" && table["rows"] == 20_000), "{tables:?}");
    let table = tool("fwb-ls").args(["--format", "table"]).run().ok().stdout_text();
    assert!(table.contains("proved (full") && table.contains("1 backup, "), "{table}");

    let drill = tool("fwb-verify").args(["--level", "drill", "--drill-dir"]).arg(place.dir.path());
    let drill = match usual_unpacked() {
        Some(dir) => drill.env("FWB_DRILL_SERVER_DIR", dir),
        None => drill,
    };
    let drilled = drill.arg(name(&first)).run().ok().json();
    assert_eq!(
        (&drilled["verification"]["level"], &drilled["verification"]["ok"]),
        (&"drill".into(), &true.into())
    );

    // What is lost comes back: one table, then all.
    database.sql("DELETE FROM pair; DELETE FROM noise WHERE id > 5");
    let restore = |arguments: &[&str]| {
        let restored = tool("fwb-restore").arg("--yes").args(arguments).args(["--file", name(&first)]);
        restored.run().ok().json()
    };
    let report = restore(&["--tables", "pair"]);
    assert_eq!(database.query("SELECT COUNT(*) FROM pair; SELECT COUNT(*) FROM noise"), "2\n5");
    let safety = report["safety_backup"].as_str().unwrap();
    assert!(place.files().contains(&safety.to_owned()), "{:?}", place.files());
    restore(&["--prove", "digest"]);
    assert!(database.content() == before);

    // Nothing but proved backups goes, and no other than those that no rule keeps.
    let second = dump();
    assert_ne!(name(&second), name(&first));
    tool("fwb-verify").arg(name(&second)).run().ok();
    let manifests = tool("fwb-ls").run().ok().stdout;
    let pruned =
        place.tool("fwb-prune").args(["--keep-days", "0", "--keep-last", "1"]).stdin(manifests).run().ok();
    let deleted: Vec<Value> =
        pruned.records().into_iter().filter(|record| record["decision"]["action"] == "delete").collect();
    assert_eq!(deleted.iter().map(name).collect::<Vec<_>>(), [name(&first)]);
    let left = tool("fwb-ls").args(["--kind", "full"]).run().ok().records();
    assert_eq!(left.iter().map(name).collect::<Vec<_>>(), [name(&second)]);
    tool("fwb-restore").args(["--yes", "--file", name(&first)]).run().fails(3, &["no backup"]);
}

#[test]
fn a_directory_serves_all_day() {
    all_day(&Place::directory(), false);
    all_day(&Place::directory(), true);
}

#[test]
fn s3_serves_all_day() {
    all_day(&Place::on(Kind::Ministack), false);
    all_day(&Place::on(Kind::Ministack), true);
}

#[test]
fn another_s3_serves_all_day() {
    all_day(&Place::on(Kind::Moto), false);
    all_day(&Place::on(Kind::Moto), true);
}

#[test]
fn azure_serves_all_day() {
    all_day(&Place::on(Kind::Azurite), false);
    all_day(&Place::on(Kind::Azurite), true);
}

/// A store on which two writers could not tell each other apart is used by none.
#[test]
fn a_store_that_ignores_conditions_is_refused() {
    let database = Database::sample("ignored");
    for kind in [Kind::S3rver, Kind::Localbucket] {
        let place = Place::on(kind);
        let refused = place.tool("fwb-dump").args(["-B", &database.name]).run();
        refused.fails(2, &["ignores the conditions", "If-None-Match"]);
        assert_eq!(place.files(), [""; 0], "{kind:?}");
    }
}

/// What is wrong is told as what it is, and no secret is in it.
#[test]
fn a_store_that_cannot_be_used_says_why() {
    let database = Database::sample("unusable");
    let place = Place::on(Kind::Ministack);
    let dump = || place.tool("fwb-dump").args(["-B", &database.name, "-vv"]);
    let wrong = "WRONGSECRETWRONGSECRETWRONGSECRETWRONG";
    let denied = dump().env("AWS_SECRET_ACCESS_KEY", wrong).run().exits(2);
    assert!(denied.stderr.contains("hint: look at the credentials"), "{}", denied.stderr);
    assert!(!denied.stderr.contains(wrong), "{}", denied.stderr);
    let clock = crate::environment::Clock::at(chrono::Utc::now().timestamp() - 3600);
    clock.tool(dump()).run().fails(2, &["RequestTimeTooSkewed", "hint: set the clock"]);
    let nowhere = place.url.replace("test-", "nowhere-");
    let denied = place.known_to(Tool::new("fwb-ls")).args(["-s", &nowhere]).run();
    assert_eq!(denied.code, Some(2), "{}", denied.stderr);
    for no_url in ["127.0.0.1:9000", "https://", "http://127.0.0.1:9 "] {
        dump().env("AWS_ENDPOINT_URL", no_url).run().fails(2, &["is no URL"]);
    }
    for mistyped in ["s3:my-backups/x", "s3//my-backups/x"] {
        place.known_to(Tool::new("fwb-ls")).args(["-s", mistyped]).run().fails(2, &["a mistyped s3://"]);
    }
    dump().env("FWB_STORAGE_CLASS", "NONSENSE").run().exits(2);
    let unencrypted = dump().env("AWS_ENDPOINT_URL", "http://192.0.2.1:9").env("AWS_ALLOW_HTTP", "").run();
    unencrypted.fails(2, &["is not encrypted", "FWB_ALLOW_HTTP"]);
    place.known_to(Tool::new("fwb-ls")).args(["-s", "ftp://x/y"]).run().fails(2, &["no kind of store"]);
    let in_url = place.known_to(Tool::new("fwb-ls")).args(["-s", "s3://key:secret@bucket/x"]).run();
    let in_endpoint = dump().env("AWS_ENDPOINT_URL", "http://key:secret@127.0.0.1:9").run();
    for told in [in_url.fails(2, &["bucket"]), in_endpoint.fails(2, &["credentials"])] {
        assert!(!told.stderr.contains("secret"), "{}", told.stderr);
    }
    let read_only = place.bucket().with_rights(&["s3:ListBucket", "s3:GetObject"]);
    place.dump(&database);
    let address = ObjectServer::shared(Kind::Ministack).address();
    let reader = |tool: &str| {
        let tool = place.tool(tool);
        read_only.environment(address).iter().fold(tool, |tool, (name, value)| tool.env(name, value))
    };
    assert_eq!(reader("fwb-ls").run().ok().records().len(), 1);
    reader("fwb-dump").args(["-B", &database.name]).run().fails(2, &["hint: look at the credentials"]);
    assert_eq!(place.listed().len(), 1);
}

/// `docs/STORES.md`, word for word.
#[test]
fn the_documents_commands_work() {
    let database = Database::sample("stores_document");
    let (here, there) = (Place::directory(), Place::on(Kind::Ministack));
    let document = include_str!("../../docs/STORES.md");
    let blocks: String = document
        .split("```sh test\n")
        .skip(1)
        .map(|rest| rest.split("```").next().expect("the end of a block"))
        .collect();
    let rehearsal = format!("{}_rehearsal", database.name);
    let commands = blocks
        .replace("s3://my-backups/shop", &there.url)
        .replace("--database rehearsal", &format!("--database {rehearsal}"));
    assert_eq!(blocks.trim().lines().count(), 10);
    let dir = tempfile::tempdir().unwrap();
    let run = there.known_to(crate::support::bash(&commands)).dir(dir.path());
    let run = run.env("FWB_DATABASE", &database.name).env("FWB_STORE", &here.url);
    let said = run.run().ok().stdout_text();
    crate::support::Server::shared().sql(format!("DROP DATABASE {}", crate::support::quoted(&rehearsal)));
    for words in ["\"by\": \"writer\"", "age1", "true\n", "\"store\": \"s3://"] {
        assert!(said.contains(words), "{words} in {said}");
    }
    assert_eq!((here.files().len(), there.files().len()), (2, 2));
}

/// A backup that the store keeps is deleted by no retention, and one that cannot be kept is not published.
#[test]
fn what_a_store_keeps_is_left_alone() {
    let database = Database::sample("retained");
    let (place, unlocked) = (Place::locked(), Place::on(Kind::Ministack));
    let dump = |place: &Place, arguments: &[&str]| {
        place.tool("fwb-dump").args(["-B", &database.name]).args(arguments).run()
    };
    let kept = dump(&place, &["--retain-days", "30", "--retain-mode", "compliance"]).ok().json();
    let until = kept["retained_until"].as_str().unwrap();
    let key = format!("{PREFIX}/{}", name(&kept));
    let told = place.bucket().ask("GET", Some(&key), &[("retention", "")], &[], b"").text();
    assert!(told.contains("COMPLIANCE") && told.contains(&until[..4]), "{told}");
    let free = dump(&place, &[]).ok().json();
    place.tool("fwb-verify").args([name(&kept), name(&free)]).run().ok();
    let prune =
        place.tool("fwb-prune").args(["--keep-days", "0", "--keep-last", "1", name(&kept)]).run().ok().json();
    assert_eq!(prune["decision"]["action"], "keep");
    assert!(prune["decision"]["reasons"][0].as_str().unwrap().contains("keeps it from being deleted until"));
    dump(&unlocked, &["--retain-days", "1"]).fails(2, &["Object Lock"]);
    assert_eq!(unlocked.files(), [""; 0]);
    for place in [Place::directory(), Place::on(Kind::Azurite)] {
        dump(&place, &["--retain-days", "1"]).fails(2, &["cannot keep a backup from being deleted"]);
        assert_eq!(place.files(), [""; 0]);
    }
    dump(&place, &["--retain-until", "2020-01-01"]).fails(2, &["is past"]);
    dump(&place, &["--retain-days", "1", "-o", "-"]).fails(2, &["--retain-days is for a store"]);
}

/// Where each backup is, and whether it is proved there.
#[test]
fn several_stores_are_listed_together() {
    let database = Database::sample("also");
    let (here, there) = (Place::directory(), Place::on(Kind::Ministack));
    let first = here.dump(&database);
    let copy =
        there.known_to(here.tool("fwb-copy")).args(["--to", &there.url, name(&first)]).run().ok().json();
    there.tool("fwb-verify").arg(name(&copy)).run().ok();
    let second = here.dump(&database);
    let ls = |arguments: &[&str]| {
        there.known_to(here.tool("fwb-ls")).args(["--also", &there.url]).args(arguments).run().ok()
    };
    let listed = ls(&[]).records();
    let places: Vec<(&str, &str)> =
        listed.iter().map(|backup| (name(backup), backup["store"].as_str().unwrap())).collect();
    assert_eq!(
        places,
        [(name(&first), &*here.url), (name(&first), &*there.url), (name(&second), &*here.url)]
    );
    let newest = |arguments: &[&str]| ls(arguments).json();
    assert_eq!(newest(&["--latest"])["store"], here.url);
    let proved = newest(&["--latest", "--verified"]);
    assert_eq!((name(&proved), &proved["store"]), (name(&first), &there.url.clone().into()));
    let table = ls(&["--format", "table"]).stdout_text();
    assert!(table.contains(" STORE ") && table.contains(&format!("{}: 1 backup", there.url)), "{table}");
    here.tool("fwb-ls").args(["--also", "/x", "--max-age", "1d"]).run().fails(2, &["--max-age"]);
    // The store that is here may be gone: the other one answers.
    std::fs::remove_dir_all(&here.url).unwrap();
    let left = ls(&["--latest"]);
    assert_eq!(left.json()["store"], there.url);
    assert!(left.stderr.contains("warning: cannot open the store"), "{}", left.stderr);
    let all = there.known_to(here.tool("fwb-ls")).args(["--also", &there.url]).run();
    all.fails(1, &["cannot open the store"]);
    // One backup of several databases is none.
    let other = Database::sample("also_other");
    let dump = Place::directory();
    dump.dump(&other);
    let of_both = there.known_to(dump.tool("fwb-ls")).args(["--also", &there.url, "--latest"]).run();
    of_both.fails(2, &["could be of any of 2 databases"]);
}

/// A host that may not delete makes backups all the same: what it cannot put in order is left to who can.
#[test]
fn who_may_not_delete_can_dump() {
    let database = Database::sample("no_delete");
    let place = Place::on(Kind::Ministack);
    let writer = place.bucket().with_rights(&["s3:ListBucket", "s3:GetObject", "s3:PutObject"]);
    let address = ObjectServer::shared(Kind::Ministack).address();
    let tool = |name: &str| {
        let tool = gone_soon(place.tool(name));
        writer.environment(address).iter().fold(tool, |tool, (name, value)| tool.env(name, value))
    };
    let dumps: Vec<Value> =
        (0..2).map(|_| tool("fwb-dump").args(["-B", &database.name]).run().ok().json()).collect();
    tool("fwb-verify").arg(name(&dumps[1])).run().ok();
    let prune = |tool: Tool| tool.args(["--keep-days", "0", "--keep-last", "1", name(&dumps[0])]).run();
    prune(tool("fwb-prune")).ok();
    std::thread::sleep(std::time::Duration::from_secs(8));
    let later = tool("fwb-dump").args(["-B", &database.name]).run().ok();
    assert!(later.stderr.contains("left behind stays there"), "{}", later.stderr);
    assert!(!later.stderr.contains("did not end well"), "{}", later.stderr);
    // Who may, does.
    assert!(place.files().contains(&name(&dumps[0]).to_owned()));
    let other = gone_soon(place.tool("fwb-prune"));
    other.args(["--keep-days", "30", name(&later.json())]).run().ok();
    assert!(!place.files().contains(&name(&dumps[0]).to_owned()));
}

/// A key that no file of ours could have is told once, and hides no backup.
#[test]
fn a_stray_key_hides_no_backup() {
    let database = Database::sample("stray");
    for kind in [Kind::Ministack, Kind::Moto, Kind::Azurite] {
        let place = Place::on(kind);
        let dump = place.dump(&database);
        place.bucket().put(&format!("{PREFIX}//x"), "stray");
        place.bucket().put(&format!("{PREFIX}/.fwb/names//x"), "stray");
        let listed = place.tool("fwb-ls").run().ok();
        assert_eq!(name(&listed.json()), name(&dump), "{kind:?}");
        let told = listed.stderr.matches("is no name that a file of ours could have").count();
        assert_eq!(told, 1, "{kind:?}: {}", listed.stderr);
        assert!(listed.stderr.contains(&format!("{PREFIX}//")), "{kind:?}: {}", listed.stderr);
        // Nothing else stumbles over it either, and it stays.
        let second = place.dump(&database);
        place.tool("fwb-verify").args([name(&dump), name(&second)]).run().ok();
        let prune = place.tool("fwb-prune").args(["--keep-days", "0", "--keep-last", "1", name(&dump)]);
        assert_eq!(prune.run().ok().json()["decision"]["action"], "delete", "{kind:?}");
        assert_eq!(place.listed().len(), 1, "{kind:?}");
        assert_eq!(place.bucket().get(&format!("{PREFIX}//x")).as_deref(), Some(&b"stray"[..]), "{kind:?}");
    }
}
