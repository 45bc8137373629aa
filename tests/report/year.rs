//! A year of nights in a store: what runs, manifests and records would have left, written without a server. Artifacts are files of
//! nothing, of the sizes that their manifests say.

use std::fs::{self, File};
use std::path::Path;

use chrono::{DateTime, FixedOffset, TimeDelta};
use serde_json::{Value, json};

use crate::support::Store;
use crate::support::log::Log;

pub(crate) const GIB: f64 = 1_073_741_824.0;
const MIB: f64 = 1_048_576.0;

/// The server.
const SERVER: &str = "db.example:3306";

/// How many nights a year has.
pub(crate) const NIGHTS: i64 = 365;

/// The first run begins at two in the night of 1 January 2025, a Wednesday.
pub(crate) fn night(night: i64) -> DateTime<FixedOffset> {
    DateTime::parse_from_rfc3339("2025-01-01T02:00:00+09:00").unwrap() + TimeDelta::days(night)
}

/// Somebody looks at eight in the morning after.
pub(crate) fn morning(of: i64) -> DateTime<FixedOffset> {
    night(of) + TimeDelta::hours(6)
}

pub(crate) fn is_sunday(night: i64) -> bool {
    night % 7 == 4
}

/// Noise of about one in each direction, the same each time.
fn noise(night: i64, what: f64) -> f64 {
    let x = night as f64 * 12.9898 + what * 78.233;
    f64::midpoint((x.sin() * 43_758.547).fract(), (x.cos() * 24_634.63).fract())
}

/// The year.
pub(crate) struct Year {
    /// The store.
    pub(crate) store: Store,
    /// The second one.
    pub(crate) copies: Store,
    kept: Vec<(i64, String)>,
    /// The log of the server, as it comes to the store.
    log: Log,
    /// The file system's free room, which others take too.
    pub(crate) free: u64,
}

/// What goes wrong, by night.
pub(crate) mod plot {
    use std::ops::RangeInclusive;

    pub(crate) const FAILS: [i64; 4] = [20, 150, 151, 152];
    pub(crate) const LOST: i64 = 100;
    pub(crate) const VANISHES: i64 = 72;
    pub(crate) const DRILL_FAILS: i64 = 186;
    pub(crate) const ROWS_FALL: i64 = 230;
    pub(crate) const UNCOPIED: i64 = 260;
    pub(crate) const JUMPS: i64 = 300;
    /// The follower is killed, and started again after the second morning.
    pub(crate) const SILENT: RangeInclusive<i64> = 44..=45;
    /// The server refuses it.
    pub(crate) const REFUSED: RangeInclusive<i64> = 120..=121;
    /// Somebody removes a segment; the follower begins a new chain before the next backup.
    pub(crate) const LOST_SEGMENT: i64 = 160;
    /// The server's log is reset after the backup.
    pub(crate) const RESET: i64 = 180;
    pub(crate) const UNPROVED: RangeInclusive<i64> = 330..=336;
    /// Others fill the file system from the first of these nights on, and somebody makes room after the last.
    pub(crate) const FILLS: RangeInclusive<i64> = 200..=239;
}

impl Year {
    pub(crate) fn new() -> Self {
        let (store, copies) = (Store::new(), Store::new());
        fs::create_dir(store.file("runs")).unwrap();
        let log = Log::new(store.path(), SERVER, "log-000");
        Self { store, copies, kept: Vec::new(), log, free: 0 }
    }

    /// What this night leaves.
    pub(crate) fn pass(&mut self, night: i64) {
        self.free = free(night);
        if night == plot::LOST_SEGMENT + 1 {
            self.begin_chain(night);
        }
        if plot::FAILS.contains(&night) {
            self.record(night, "backup", failed(night));
        } else if plot::LOST == night {
            let process = json!({"host": "another", "pid": 7, "started": 1, "seen_at": self::night(night).to_rfc3339()});
            self.record(night, "backup", json!({"outcome": "running", "exit": null, "process": process}));
        } else {
            self.backup(night);
        }
        if is_sunday(night) {
            self.drill(night);
        }
        self.follow(night);
    }

    /// What the follower has brought by the morning, and its word.
    fn follow(&mut self, night: i64) {
        if night == plot::RESET {
            self.begin_chain(night);
        }
        let at = morning(night) - TimeDelta::minutes(1);
        if plot::REFUSED.contains(&night) {
            let problem = "Access denied for user 'admin'";
            self.log.says(&at, "waiting", &json!({"problem": problem}));
        } else if !plot::SILENT.contains(&night) {
            self.log.goes_on(&at);
            self.log.says(&at, "following", &json!({}));
            self.log.keep(9);
        }
        if night == plot::LOST_SEGMENT {
            fs::remove_file(self.log.segment(self.log.segments - 2)).unwrap();
        }
    }

    fn begin_chain(&mut self, night: i64) {
        self.log = Log::new(self.store.path(), SERVER, &format!("log-{night:03}"));
        self.log.goes_on(&(self::night(night) + TimeDelta::hours(if night == plot::RESET { 1 } else { -1 })));
    }

    fn backup(&mut self, night: i64) {
        let at = self::night(night);
        let name = format!("shop_backup_{}.sql.gz", at.format("%Y%m%d_%H%M%S"));
        let is_proved = !plot::UNPROVED.contains(&night);
        let size = size(night);
        let proof = json!({"level": "full", "ok": true, "at": (at + TimeDelta::minutes(3)).to_rfc3339(), "seconds": 9.5, "problems": []});
        let mut manifest = json!({
            "schema": "fwb/1", "name": name, "kind": "full", "database": "shop", "started_at": at.to_rfc3339(),
            "finished_at": (at + TimeDelta::minutes(2)).to_rfc3339(), "size": size, "raw_size": size * 5, "whole": true,
            "server": {"version": "10.11.6-MariaDB", "address": SERVER}, "sections": sections(night),
            "binlog": self.log.place(),
        });
        if is_proved {
            manifest["verification"] = proof.clone();
        }
        put(self.store.path(), &name, size, &manifest);
        let is_copied = plot::UNCOPIED != night;
        if is_copied {
            put(self.copies.path(), &name, size, &manifest);
        }
        self.kept.push((night, name.clone()));
        let deleted = self.prune(night);
        let copy = json!({"store": self.copies.path(), "name": name, "proved": is_proved});
        self.record(
            night,
            "backup",
            json!({
                "name": name, "size": size, "raw_size": size * 5, "verification": is_proved.then_some(proof),
                "copy": is_copied.then_some(copy), "deleted": deleted, "kept": self.kept.len(),
                "warnings": ["'a secret' was seen"],
            }),
        );
    }

    /// Keeps what is at most seven days old, in both stores, and the newest proved one.
    fn prune(&mut self, night: i64) -> Vec<String> {
        let proved =
            self.kept.iter().rev().map(|(night, _)| *night).find(|night| !plot::UNPROVED.contains(night));
        let stays = |of: i64| night - of < 7 || Some(of) == proved;
        let gone: Vec<String> =
            self.kept.iter().filter(|(of, _)| !stays(*of)).map(|(_, name)| name.clone()).collect();
        for name in &gone {
            for store in [&self.store, &self.copies] {
                for file in [store.file(name), store.file(&format!("{name}.json"))] {
                    if file.exists() {
                        fs::remove_file(file).unwrap();
                    }
                }
            }
        }
        self.kept.retain(|(of, _)| stays(*of));
        gone
    }

    /// A drill of the newest backup.
    fn drill(&self, night: i64) {
        let (_, name) = self.kept.last().unwrap();
        let at = self::night(night) + TimeDelta::hours(2);
        let is_held = plot::DRILL_FAILS != night;
        let problems =
            if is_held { json!([]) } else { json!(["table orders has 5 rows, the manifest says 6"]) };
        let outcome = json!({"level": "drill", "ok": is_held, "at": (at + TimeDelta::minutes(5)).to_rfc3339(), "seconds": 300.5,
            "problems": problems, "restore_seconds": is_held.then_some(200.0 + 20.0 * noise(night, 9.0)),
            "server": {"version": "10.11.6-MariaDB"}});
        self.store.edit(name, "verification", outcome.clone());
        let mut record = json!({"name": name, "verification": outcome, "seconds": 301.5});
        if !is_held {
            record["outcome"] = "failed".into();
            record["exit"] = 3.into();
            record["stage"] = "verify".into();
            record["reason"] = "the backup is intact and did not restore as it should".into();
        }
        self.record(night, "drill", record);
    }

    /// A run's record, with what most runs say.
    fn record(&self, night: i64, what: &str, of_this: Value) {
        let at = self::night(night) + TimeDelta::hours(if what == "drill" { 2 } else { 0 });
        let seconds = of_this["seconds"].as_f64().unwrap_or(240.0 + 30.0 * noise(night, 3.0));
        let id = format!("{}-{what}-{night:08x}", at.to_utc().format("%Y%m%dT%H%M%SZ"));
        let mut record = json!({
            "schema": "fwb-run/1", "id": id, "what": what, "at": at.to_rfc3339(),
            "finished_at": (at + TimeDelta::seconds(seconds as i64)).to_rfc3339(), "seconds": seconds, "outcome": "ok", "exit": 0,
            "database": "shop", "server": "db.example:3306", "free_bytes": self.free,
        });
        for (field, value) in of_this.as_object().unwrap() {
            record[field] = value.clone();
        }
        if record["outcome"] == "running" {
            record["finished_at"] = Value::Null;
            record["seconds"] = Value::Null;
        }
        self.store.write(&format!("runs/{id}.json"), record.to_string());
    }
}

/// An artifact of nothing, and its sidecar.
pub(crate) fn put(store: &Path, name: &str, size: u64, manifest: &Value) {
    File::create(store.join(name)).unwrap().set_len(size).unwrap();
    fs::write(store.join(format!("{name}.json")), manifest.to_string()).unwrap();
}

fn failed(night: i64) -> Value {
    json!({"outcome": "failed", "exit": 1, "stage": "dump", "code": "FWB-1102", "name": null,
        "reason": format!("Access denied for user 'admin-{night}' <script>"), "hint": "start it"})
}

/// A backup grows by a tenth in the year, with noise, and is larger on Sundays; once it jumps.
fn size(night: i64) -> u64 {
    let usual = 40.0 * MIB * (1.0 + 0.1 * night as f64 / 365.0);
    let jump = if night >= plot::JUMPS { 2.5 } else { 1.0 };
    let sunday = if is_sunday(night) { 1.08 } else { 1.0 };
    (usual * jump * sunday * (1.0 + 0.03 * noise(night, 1.0))) as u64
}

fn free(night: i64) -> u64 {
    let by_others = match night {
        night if night < *plot::FILLS.start() => 0.0,
        night if plot::FILLS.contains(&night) => 5.0 * (night - plot::FILLS.start()) as f64,
        _ => 20.0,
    };
    let ours = 8.0 * 40.0 * MIB / GIB * (night.min(7) as f64 / 7.0);
    ((230.0 - by_others - ours + 0.2 * noise(night, 2.0)) * GIB) as u64
}

/// The tables of a night: one that grows, one that Sundays fill, one that comes and goes, small ones, and one that vanishes.
fn sections(night: i64) -> Value {
    let grown = 100_000.0 * 1.003_f64.powi(i32::try_from(night).unwrap()) * (1.0 + 0.01 * noise(night, 4.0));
    let orders = if night >= plot::ROWS_FALL { grown / 10.0 } else { grown };
    let sessions = if is_sunday(night) { 12_000.0 } else { 5_000.0 } * (1.0 + 0.1 * noise(night, 5.0));
    let mut tables =
        vec![("customers", 20_000.0 + 5.0 * night as f64), ("orders", orders), ("sessions", sessions)];
    tables.push(("settings", 40.0 + 15.0 * noise(night, 6.0)));
    if night % 2 == 1 {
        tables.push(("staging", 3_000.0));
    }
    if night < plot::VANISHES {
        tables.push(("vouchers", 800.0));
    }
    let mut offset = 100_u64;
    let mut sections = vec![json!({"kind": "header", "raw_offset": 0, "raw_size": 100})];
    for (name, rows) in tables {
        let (rows, size) = (rows as u64, rows as u64 * 120 + 500);
        sections.push(
            json!({"kind": "table", "name": name, "raw_offset": offset, "raw_size": size, "rows": rows}),
        );
        offset += size;
    }
    sections.into()
}
