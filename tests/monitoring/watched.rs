//! A store of the last month, by the real clock, which has something to say in every metric; and its report.

use std::fs;

use chrono::{DateTime, Local, SecondsFormat, TimeDelta};
use serde_json::{Value, json};

use super::programs::{Running, report};
use crate::report::year::put;
use crate::support::log::Log;
use crate::support::{Store, Tool, self_signed};

const MIB: u64 = 1 << 20;

/// Two stores and a certificate.
pub(super) struct Watched {
    pub(super) store: Store,
    pub(super) copies: Store,
    certificate: tempfile::TempDir,
}

fn text(at: DateTime<Local>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

impl Watched {
    /// The newest backup is so many hours old. There is one a day, back to a month ago, and a drill of the newest.
    pub(super) fn new(hours: i64) -> Self {
        let certificate = tempfile::tempdir().unwrap();
        let file = |name: &str| certificate.path().join(name);
        self_signed("store", "20", &file("key.pem"), &file("ca.pem"));
        let watched = Self { store: Store::new(), copies: Store::new(), certificate };
        fs::create_dir(watched.store.file("runs")).unwrap();
        let newest = Local::now() - TimeDelta::hours(hours);
        let free = watched.free();
        for day in (0..30).rev() {
            // By others, 100 GiB a day are taken: the trend is plain, whatever happens on the disk meanwhile.
            watched.backup(newest - TimeDelta::days(day), free + day.cast_unsigned() * (100 << 30), day < 7);
        }
        watched.drill(newest + TimeDelta::minutes(30), free);
        // The follower has come as far as this, and will not for an hour.
        let mut log = Log::new(watched.store.path(), "db.example:3306", "log");
        log.goes_on(&(newest - TimeDelta::minutes(1)));
        log.goes_on(&Local::now());
        log.says(&(Local::now() + TimeDelta::hours(1)), "following", &json!({}));
        watched
    }

    /// The room of the real file system, in bytes.
    fn free(&self) -> u64 {
        let said =
            Tool::program("df").args(["--block-size=1", "--output=avail"]).arg(self.store.path()).run().ok();
        said.stdout_text().lines().nth(1).unwrap().trim().parse().unwrap()
    }

    /// A proved backup; older ones are gone, and their records tell of them. The newest ones have no copy.
    fn backup(&self, at: DateTime<Local>, free: u64, is_kept: bool) -> String {
        let name = format!("shop_backup_{}.sql.gz", at.format("%Y%m%d_%H%M%S"));
        let proof = json!({"level": "full", "ok": true, "at": text(at + TimeDelta::minutes(3)), "seconds": 9.5, "problems": []});
        let size = 40 * MIB;
        let manifest = json!({
            "schema": "fwb/1", "name": name, "kind": "full", "database": "shop", "started_at": text(at),
            "finished_at": text(at + TimeDelta::minutes(2)), "size": size, "raw_size": size * 5, "whole": true,
            "server": {"version": "10.11.6-MariaDB", "address": "db.example:3306"}, "verification": proof,
            // All are of one moment of the log: nothing was written to it.
            "binlog": {"file": "log.000001", "position": 700},
            "sections": [
                {"kind": "header", "raw_offset": 0, "raw_size": 100},
                {"kind": "table", "name": "orders", "raw_offset": 100, "raw_size": 5000, "rows": 100_000},
            ],
        });
        if is_kept {
            put(self.store.path(), &name, size, &manifest);
            if at < Local::now() - TimeDelta::days(5) {
                put(self.copies.path(), &name, size, &manifest);
            }
        }
        self.record(
            "backup",
            at,
            180,
            &json!({"name": name, "size": size, "verification": proof, "free_bytes": free}),
        );
        name
    }

    /// A drill of the newest backup that held.
    fn drill(&self, at: DateTime<Local>, free: u64) {
        let outcome = json!({"level": "drill", "ok": true, "at": text(at), "seconds": 300.5, "problems": [],
            "restore_seconds": 200.0, "server": {"version": "10.11.6-MariaDB"}});
        let newest = self.store.names().into_iter().filter(|name| name.ends_with(".sql.gz")).max().unwrap();
        self.store.edit(&newest, "verification", outcome.clone());
        self.record("drill", at, 301, &json!({"name": newest, "verification": outcome, "free_bytes": free}));
    }

    fn record(&self, what: &str, at: DateTime<Local>, seconds: i64, more: &Value) {
        let id = format!("{}-{what}-{:08x}", at.to_utc().format("%Y%m%dT%H%M%SZ"), 7);
        let mut record = json!({
            "schema": "fwb-run/1", "id": id, "what": what, "at": text(at), "finished_at": text(at + TimeDelta::seconds(seconds)),
            "seconds": seconds, "outcome": "ok", "exit": 0, "database": "shop", "server": "db.example:3306",
        });
        for (field, value) in more.as_object().unwrap() {
            record[field] = value.clone();
        }
        self.store.write(&format!("runs/{id}.json"), record.to_string());
    }

    /// What tonight's run leaves.
    pub(super) fn back_up_now(&self) {
        self.backup(Local::now() - TimeDelta::minutes(5), self.free(), true);
    }

    /// What says the same as the service.
    pub(super) fn tool(&self) -> Tool {
        let tool = Tool::alone("fwb-report")
            .arg("--store")
            .arg(self.store.path())
            .arg("--also")
            .arg(self.copies.path());
        tool.arg("--certificate").arg(self.certificate.path().join("ca.pem"))
    }

    /// The service.
    pub(super) fn served(&self) -> Running {
        report(self.tool().args(["--listen", "127.0.0.1:0"]))
    }
}
