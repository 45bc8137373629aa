//! Whatever a server's settings are, a dump is exact and a restore makes the same database; or one of them says that it
//! cannot. `make torture` goes through every setting that can be changed while the server runs, with each of its odd values. With `FWB_SETTINGS`,
//! what came of each value is told, as it is there.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::faults::restart;
use crate::support::content::{content, differences};
use crate::support::{Server, Store, Tool, mariadb};
use crate::torture::{count, say, whole};

const SHOP: &str = include_str!("shop.sql");

const SHOP_OF_MYSQL: &str = include_str!("shop_mysql.sql");

/// An account that may do everything but what exempts it from a server's settings.
const ACCOUNT_OF_MYSQL: &str = "CREATE USER tool@localhost IDENTIFIED BY 'tool'; GRANT ALL ON *.* TO tool@localhost; \
    REVOKE SUPER, CONNECTION_ADMIN ON *.* FROM tool@localhost;";
const ACCOUNT: &str = "CREATE USER tool@localhost IDENTIFIED BY 'tool'; GRANT ALL ON *.* TO tool@localhost; \
    REVOKE SUPER, CONNECTION ADMIN, READ_ONLY ADMIN ON *.* FROM tool@localhost;";

/// Settings whose odd values do not reach a session, and cost the machine or end the server.
const LEFT_OUT: [&str; 14] = [
    "debug_no_thread_alarm",
    "innodb_buffer_pool_size",
    "innodb_disallow_writes",
    "innodb_log_file_size",
    "innodb_evict_tables_on_commit_debug",
    "innodb_ft_aux_table",
    "key_buffer_size",
    "aria_pagecache_buffer_size",
    "query_cache_size",
    "table_open_cache",
    "thread_pool_size",
    "table_definition_cache",
    "innodb_open_files",
    "innodb_buffer_pool_load_now",
];

/// Settings that `make test` goes through: those that have reached, or would reach, a dump or a restore.
const USUAL: [(&str, &str); 35] = [
    ("autocommit", "0"),
    ("character_set_server", "'ucs2'"),
    ("collation_connection", "'latin1_bin'"),
    ("completion_type", "'CHAIN'"),
    ("default_storage_engine", "'MyISAM'"),
    ("div_precision_increment", "0"),
    ("enforce_storage_engine", "'Aria'"),
    ("explicit_defaults_for_timestamp", "0"),
    ("foreign_key_checks", "0"),
    ("group_concat_max_len", "4"),
    ("innodb_strict_mode", "0"),
    ("init_connect", "'SET sql_mode=\\'ANSI\\', time_zone=\\'+05:00\\', autocommit=0'"),
    ("init_connect", "'USE other'"),
    ("lc_time_names", "'ko_KR'"),
    ("log_bin_trust_function_creators", "0"),
    ("lock_wait_timeout", "1"),
    ("max_allowed_packet", "1024"),
    ("max_prepared_stmt_count", "0"),
    ("max_statement_time", "0.001"),
    ("mysql56_temporal_format", "0"),
    ("default_tmp_storage_engine", "'MEMORY'"),
    ("innodb_compression_default", "1"),
    ("net_buffer_length", "1024"),
    ("note_verbosity", "'basic,explain'"),
    ("old_mode", "''"),
    ("read_only", "1"),
    ("sql_big_selects", "0"),
    ("sql_mode", "'ANSI,PAD_CHAR_TO_FULL_LENGTH,NO_BACKSLASH_ESCAPES'"),
    ("sql_mode", "'ORACLE,EMPTY_STRING_IS_NULL'"),
    ("sql_mode", "'TRADITIONAL'"),
    ("sql_select_limit", "1"),
    ("system_versioning_asof", "'2023-11-14 22:14:00'"),
    ("time_zone", "'+05:00'"),
    ("tx_read_only", "1"),
    ("updatable_views_with_limit", "0"),
];

/// The same of MySQL.
const USUAL_OF_MYSQL: [(&str, &str); 31] = [
    ("autocommit", "0"),
    ("character_set_server", "'ucs2'"),
    ("completion_type", "'CHAIN'"),
    ("default_collation_for_utf8mb4", "'utf8mb4_general_ci'"),
    ("default_storage_engine", "'MyISAM'"),
    ("explicit_defaults_for_timestamp", "0"),
    ("group_concat_max_len", "4"),
    ("information_schema_stats_expiry", "0"),
    ("init_connect", "'USE other'"),
    ("init_connect", "'SET sql_mode=\\'ANSI\\', time_zone=\\'+05:00\\', autocommit=0'"),
    ("innodb_default_row_format", "'COMPACT'"),
    ("innodb_strict_mode", "0"),
    ("lc_time_names", "'ko_KR'"),
    ("lock_wait_timeout", "1"),
    ("log_bin_trust_function_creators", "0"),
    ("max_execution_time", "1"),
    ("max_prepared_stmt_count", "0"),
    ("net_buffer_length", "1024"),
    ("optimizer_switch", "'materialization=off,derived_merge=off'"),
    ("read_only", "1"),
    ("restrict_fk_on_non_standard_key", "0"),
    ("show_create_table_verbosity", "1"),
    ("show_gipk_in_create_table_and_information_schema", "0"),
    ("sql_big_selects", "0"),
    ("sql_generate_invisible_primary_key", "1"),
    ("sql_mode", "'ANSI,PAD_CHAR_TO_FULL_LENGTH,NO_BACKSLASH_ESCAPES'"),
    ("sql_require_primary_key", "1"),
    ("sql_safe_updates", "1"),
    ("sql_select_limit", "1"),
    ("time_zone", "'+05:00'"),
    ("transaction_read_only", "1"),
];

/// A value that a server can be told, as SQL has it.
struct Odd {
    setting: String,
    value: String,
}

/// Every odd value of every setting that can be changed while the server runs.
fn all(server: &Server) -> Vec<Odd> {
    let rows = server.query(
        "SELECT LOWER(variable_name), variable_type, numeric_min_value, numeric_max_value, enum_value_list, default_value \
         FROM information_schema.system_variables WHERE read_only = 'NO' AND variable_scope <> 'SESSION ONLY' ORDER BY 1",
    );
    let mut odd = Vec::new();
    for row in rows.lines() {
        let [setting, kind, least, most, list, usual] = row.split('\t').collect::<Vec<_>>()[..] else {
            continue;
        };
        if LEFT_OUT.contains(&setting)
            || setting.starts_with("performance_schema")
            || setting.contains("_debug")
        {
            continue;
        }
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "\\'"));
        let values: Vec<String> = match kind {
            "BOOLEAN" => vec!["0".into(), "1".into()],
            "ENUM" => list.split(',').map(quoted).collect(),
            "SET" | "FLAGSET" if setting == "optimizer_switch" => {
                let all = |to| {
                    list.split(',')
                        .filter(|flag| *flag != "default")
                        .map(|flag| format!("{flag}={to}"))
                        .collect::<Vec<_>>()
                        .join(",")
                };
                vec![quoted(&all("off")), quoted(&all("on"))]
            }
            "SET" | "FLAGSET" => ["", list].into_iter().chain(list.split(',')).map(quoted).collect(),
            // A setting of 18 exabytes is another matter.
            _ if kind.contains("INT") || kind == "DOUBLE" => [least, most]
                .into_iter()
                .filter(|number| number.parse::<f64>().is_ok_and(|number| number <= 1e9))
                .map(ToOwned::to_owned)
                .collect(),
            _ => match setting {
                name if name.starts_with("character_set") => {
                    ["latin1", "ucs2", "cp932", "binary", "utf8mb3"].map(quoted).into()
                }
                name if name.starts_with("collation") => {
                    ["latin1_bin", "ucs2_bin", "utf8mb3_unicode_ci", "binary"].map(quoted).into()
                }
                "time_zone" => ["+05:00", "-12:59", "Europe/Berlin"].map(quoted).into(),
                "lc_time_names" | "lc_messages" => ["ko_KR", "de_DE"].map(quoted).into(),
                "default_storage_engine" | "default_tmp_storage_engine" | "enforce_storage_engine" => {
                    ["MyISAM", "Aria", "MEMORY"].map(quoted).into()
                }
                "init_connect" => USUAL
                    .iter()
                    .filter(|(name, _)| *name == setting)
                    .map(|(_, value)| (*value).to_owned())
                    .collect(),
                "system_versioning_asof" => vec![quoted("2023-11-14 22:14:00")],
                _ => vec![quoted("")],
            },
        };
        let values = values.into_iter().filter(|value| value.trim_matches('\'') != usual);
        odd.extend(values.map(|value| Odd { setting: setting.to_owned(), value }));
    }
    odd
}

/// How a dump and a restore went.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    /// With what the restore said.
    Equal(String),
    /// What differs comes of the setting, and the restore has named it.
    Named,
    /// With what was said.
    Refused(String),
    /// With what is wrong.
    Wrong(String),
}

struct Scene {
    server: Server,
    store: Store,
    /// What makes the account that the tools use.
    account: &'static str,
    shop: &'static str,
    /// Whether the server cannot rename tables with all that a swap needs: MySQL.
    swaps_never: bool,
}

impl Scene {
    fn new() -> Self {
        let server =
            Server::private("settings", &["--log-bin", "--log-bin-trust-function-creators=1", "--sql-mode="]);
        Self::of(server, ACCOUNT, SHOP)
    }

    fn of(server: Server, account: &'static str, shop: &'static str) -> Self {
        server.sql("CREATE DATABASE other; CREATE TABLE other.kinds (id INT PRIMARY KEY); INSERT INTO other.kinds VALUES (1)");
        let scene = Self { server, store: Store::new(), account, shop, swaps_never: shop == SHOP_OF_MYSQL };
        scene.prepare();
        scene
    }

    fn prepare(&self) {
        self.server.sql(self.account);
        self.server.sql("CREATE DATABASE shop CHARACTER SET utf8mb4");
        let sample =
            mariadb(&self.server.defaults_file(), &["--default-character-set=utf8mb4", "--database=shop"]);
        let shop = format!("SET sql_mode='NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES';\n{}", self.shop);
        sample.stdin(shop).run().ok();
    }

    fn tool(&self, name: &str) -> Tool {
        self.store
            .tool(name)
            .env("FWB_DEFAULTS_FILE", self.server.defaults_file())
            .args(["--user", "tool"])
            .env("MYSQL_PWD", "tool")
    }

    /// Dumps, drops and restores under a setting.
    fn go(&self, odd: &Odd, in_place: bool) -> Ended {
        let usual = self.server.query(format!("SELECT QUOTE(@@GLOBAL.{})", odd.setting));
        let before = content(&self.server.defaults_file(), "shop");
        if !self.set(&odd.setting, &odd.value) {
            return Ended::Refused("the server does not take it".into());
        }
        let ended = self.there_and_back(in_place);
        let told = matches!(&ended, Ended::Equal(said) if said.contains(&odd.setting));
        let is_back = self.set(&odd.setting, &usual) || self.set(&odd.setting, usual.trim_matches('\''));
        assert!(is_back, "{} is not {usual} again", odd.setting);
        if !matches!(ended, Ended::Equal(_)) {
            return ended;
        }
        let differs = differences(&before, &content(&self.server.defaults_file(), "shop"));
        match &differs[..] {
            [] => ended,
            _ if told => Ended::Named,
            [(what, text), ..] => Ended::Wrong(format!("{what}: {text}")),
        }
    }

    fn there_and_back(&self, in_place: bool) -> Ended {
        let judged = |what: &str, tool: Tool| {
            let begun = Instant::now();
            let done = tool.run();
            if begun.elapsed() > Duration::from_secs(120) {
                return Err(Ended::Wrong(format!("{what} took {:?}", begun.elapsed())));
            }
            match done.code {
                Some(0) => Ok((done.stdout_text(), done.stderr)),
                Some(1..=4) => Err(Ended::Refused(format!("{what}: {}", done.stderr.trim_end()))),
                _ => Err(Ended::Wrong(format!("{what}: {:?} {}", done.code, done.stderr))),
            }
        };
        let run = || {
            let (dumped, _) = judged("fwb-dump", self.tool("fwb-dump").args(["-B", "shop"]))?;
            judged("fwb-verify", self.store.tool("fwb-verify").stdin(&dumped))?;
            let strategy = if in_place { "in-place" } else { "swap" };
            let restore = self.tool("fwb-restore").args([
                "--yes",
                "--no-safety-backup",
                "--drop-before",
                "--strategy",
                strategy,
            ]);
            judged("fwb-restore", restore.stdin(&dumped)).map(|(_, said)| Ended::Equal(said))
        };
        run().unwrap_or_else(|ended| ended)
    }

    /// Whether the server takes it.
    fn set(&self, setting: &str, value: &str) -> bool {
        let sql = format!("SET GLOBAL {setting}={value}");
        mariadb(&self.server.defaults_file(), &["--database=mysql"]).stdin(sql).run().code == Some(0)
    }
}

#[test]
fn no_setting_of_the_server_reaches_a_dump_or_a_restore() {
    if !Server::shared().is_mariadb((10, 7)) {
        return;
    }
    let scene = Scene::new();
    let odd = if whole() { all(&scene.server) } else { usual(&USUAL) };
    go_through(&scene, &odd);
}

#[test]
fn no_setting_of_mysql_reaches_a_dump_or_a_restore() {
    let server =
        Server::of("mysql-9.7", "settings-mysql", &["--log-bin-trust-function-creators=1", "--sql-mode="]);
    go_through(&Scene::of(server, ACCOUNT_OF_MYSQL, SHOP_OF_MYSQL), &usual(&USUAL_OF_MYSQL));
}

fn usual(settings: &[(&str, &str)]) -> Vec<Odd> {
    let odd = settings.iter();
    odd.map(|(setting, value)| Odd { setting: (*setting).into(), value: (*value).into() }).collect()
}

fn go_through(scene: &Scene, odd: &[Odd]) {
    let mut counts = BTreeMap::<&str, u32>::new();
    let mut wrong = Vec::new();
    for (number, odd) in odd.iter().enumerate() {
        let Odd { setting, value } = odd;
        let ended = scene.go(odd, scene.swaps_never || number % 2 == 1);
        if whole() || std::env::var_os("FWB_SETTINGS").is_some() {
            say(&format!("{setting}={value}: {ended:?}"));
        }
        *counts
            .entry(match &ended {
                Ended::Equal(_) => "equal",
                Ended::Named => "named",
                Ended::Refused(_) => "refused",
                Ended::Wrong(_) => "wrong",
            })
            .or_default() += 1;
        let is_changed = matches!(ended, Ended::Named | Ended::Wrong(_));
        if let Ended::Wrong(what) = ended {
            wrong.push(format!("{setting}={value}: {what}"));
        }
        if is_changed {
            scene.server.sql("DROP DATABASE IF EXISTS shop; DROP USER tool@localhost");
            scene.prepare();
        }
        if mariadb(&scene.server.defaults_file(), &[]).stdin("SELECT 1").run().code != Some(0) {
            say(&format!("{setting}={value}: the server has ended"));
            restart(&scene.server);
        }
    }
    let counts: Vec<(&str, u32)> = counts.into_iter().collect();
    count("settings", "values of settings", &counts);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
