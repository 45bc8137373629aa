//! Asks a server for what a rebuilt one needs beside databases and accounts: its settings, plugins, time zones.

use std::collections::BTreeSet;

use super::client::{ServerClient, Sql};
use super::{Flavor, ServerVersion};
use crate::error::Result;
use crate::manifest::Surroundings;
use crate::progress::Cancel;

/// Variables that decide what data mean or who may log in, and what each does: they are recorded whatever their values are.
pub(crate) const DECISIVE: [(&str, &str); 28] = [
    ("activate_all_roles_on_login", "which roles are active when somebody logs in"),
    ("authentication_policy", "how accounts log in that are made without a method"),
    ("character_set_collations", "collations of what names a character set alone"),
    ("character_set_server", "what databases are made with"),
    ("collation_server", "what databases are made with"),
    ("default_authentication_plugin", "how accounts log in that are made without a method"),
    ("default_collation_for_utf8mb4", "collations of what names a character set alone"),
    ("default_password_lifetime", "when passwords expire"),
    ("default_storage_engine", "what tables are made with"),
    ("disconnect_on_expired_password", "what becomes of who logs in with an expired password"),
    ("event_scheduler", "whether events run"),
    ("explicit_defaults_for_timestamp", "what columns of TIMESTAMP are given"),
    ("innodb_strict_mode", "which tables are taken"),
    ("log_bin_trust_function_creators", "who may make functions and triggers"),
    ("lower_case_table_names", "which names mean the same; it is set when the data directory is made"),
    ("mandatory_roles", "which roles everybody has"),
    ("max_allowed_packet", "how long a statement or a value may be"),
    ("max_password_errors", "when a host is locked out"),
    ("old_mode", "what statements mean"),
    ("partial_revokes", "whether rights on all databases can lack on one"),
    ("password_history", "which passwords are taken again"),
    ("password_require_current", "what a new password needs"),
    ("password_reuse_interval", "which passwords are taken again"),
    ("require_secure_transport", "whether connections must be encrypted"),
    ("skip_name_resolve", "whether accounts of hosts by name can log in"),
    ("sql_mode", "what statements mean, and which values are taken"),
    ("strict_password_validation", "whether hashes are taken where passwords have rules"),
    ("time_zone", "in which time zone sessions begin"),
];

/// How variables begin that are rules for passwords.
const PASSWORD_RULES: [&str; 4] =
    ["validate_password", "simple_password_check_", "cracklib_password_check_", "password_reuse_check_"];

/// What stands in the name of a variable whose value may be a secret, or lead to one, or is SQL that may hold one.
const SECRETIVE: [&str; 12] = [
    "auth",
    "credential",
    "init_",
    "key",
    "passphrase",
    "passwd",
    "password",
    "provider",
    "pwd",
    "secret",
    "token",
    "cluster_address",
];

/// Names that only look so.
const HARMLESS: [&str; 10] = [
    "authentication_policy",
    "default_authentication_plugin",
    "default_password_lifetime",
    "disconnect_on_expired_password",
    "foreign_key_checks",
    "key_buffer_size",
    "max_password_errors",
    "password_history",
    "restrict_fk_on_non_standard_key",
    "sql_require_primary_key",
];

/// What is of one process, one host or one moment, and is no setting that another server should have.
const OF_THIS_PROCESS: [&str; 6] =
    ["pid_file", "socket", "hostname", "report_host", "server_uuid", "pseudo_"];

/// Whether a variable is one of [`DECISIVE`], or a rule for passwords.
pub(crate) fn what_it_decides(name: &str) -> Option<&'static str> {
    if PASSWORD_RULES.iter().any(|rule| name.starts_with(rule)) {
        return Some("which passwords are taken");
    }
    DECISIVE.iter().find(|(decisive, _)| *decisive == name).map(|(_, what)| *what)
}

/// Whether a value may be a secret. It errs on the side of silence.
fn is_secretive(name: &str) -> bool {
    let is_plain = HARMLESS.contains(&name) || what_it_decides(name).is_some();
    !is_plain && SECRETIVE.iter().any(|part| name.contains(part))
}

impl ServerClient {
    /// What a rebuilt server needs beside, as far as our account sees it.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(crate) fn surroundings(&self, version: &ServerVersion, cancel: &Cancel) -> Result<Surroundings> {
        const DOING: &str = "looking at the settings";
        let set = match version.flavor {
            Flavor::MariaDb => {
                "SELECT LOWER(VARIABLE_NAME) FROM information_schema.SYSTEM_VARIABLES \
                 WHERE GLOBAL_VALUE_ORIGIN IN ('CONFIG', 'COMMAND-LINE', 'SQL')"
            }
            Flavor::MySql => {
                "SELECT LOWER(VARIABLE_NAME) FROM performance_schema.variables_info WHERE VARIABLE_SOURCE <> 'COMPILED'"
            }
        };
        let ask = |sql: &str| -> Result<Vec<Vec<String>>> {
            match self.query(None, Sql::Read(sql), DOING, cancel) {
                Err(error) if error.refusal().is_some() => {
                    log::debug!("the server does not tell: {error}");
                    Ok(Vec::new())
                }
                answer => answer,
            }
        };
        let set: BTreeSet<String> = ask(set)?.into_iter().flatten().collect();
        let mut found = Surroundings::default();
        for row in ask("SHOW GLOBAL VARIABLES")? {
            let [name, value] = &row[..] else { continue };
            let name = name.to_lowercase();
            let is_wanted = what_it_decides(&name).is_some() || set.contains(&name);
            if !is_wanted || OF_THIS_PROCESS.iter().any(|own| name.contains(own)) {
                continue;
            }
            if is_secretive(&name) {
                if !value.is_empty() {
                    found.withheld.push(name);
                }
            } else {
                found.variables.insert(name, value.clone());
            }
        }
        let plugins = "SELECT PLUGIN_NAME, PLUGIN_TYPE FROM information_schema.PLUGINS \
                       WHERE PLUGIN_STATUS = 'ACTIVE' AND PLUGIN_LIBRARY IS NOT NULL";
        for row in ask(plugins)? {
            if let [name, kind] = &row[..] {
                found.plugins.insert(name.clone(), kind.clone());
            }
        }
        if version.flavor == Flavor::MySql {
            found.components =
                ask("SELECT component_urn FROM mysql.component ORDER BY 1")?.into_iter().flatten().collect();
        }
        let zones = "SELECT CONVERT_TZ('2024-01-15 12:00:00', '+00:00', 'Europe/Berlin') IS NOT NULL";
        found.time_zones = ask(zones)?.into_iter().flatten().any(|known| known == "1");
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::{Answer, Fake};

    #[test]
    fn what_may_be_secret_is_named_alone() {
        for name in [
            "wsrep_sst_auth",
            "rpl_semi_sync_master_key",
            "file_key_management_filekey",
            "ssl_key",
            "authentication_ldap_simple_bind_root_pwd",
            "init_connect",
            "hashicorp_key_management_token",
            "wsrep_provider_options",
            "wsrep_cluster_address",
            "caching_sha2_password_private_key_path",
            "master_info_secret",
        ] {
            assert!(is_secretive(name), "{name}");
        }
        for name in [
            "sql_mode",
            "key_buffer_size",
            "validate_password.policy",
            "authentication_policy",
            "default_password_lifetime",
        ] {
            assert!(!is_secretive(name), "{name}");
        }
    }

    #[test]
    fn what_somebody_has_set_and_what_is_decisive_is_recorded() {
        let fake = Fake::new([
            (
                "SYSTEM_VARIABLES",
                &[Answer::rows(&[&["sync_binlog"], &["wsrep_sst_auth"], &["socket"], &["init_connect"]])],
            ),
            (
                "SHOW GLOBAL VARIABLES",
                &[Answer::rows(&[
                    &["sync_binlog", "0"],
                    &["sql_mode", "ANSI"],
                    &["wsrep_sst_auth", "user:word"],
                    &["socket", "/tmp/s"],
                    &["init_connect", ""],
                    &["tmp_table_size", "1"],
                ])],
            ),
            ("PLUGINS", &[Answer::rows(&[&["ed25519", "AUTHENTICATION"]])]),
            ("CONVERT_TZ", &[Answer::rows(&[&["1"]])]),
        ]);
        let version = ServerVersion::parse("10.11.6-MariaDB");
        let found = fake.client(0).surroundings(&version, &Cancel::default()).unwrap();
        let variables: Vec<(&str, &str)> =
            found.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(variables, [("sql_mode", "ANSI"), ("sync_binlog", "0")]);
        assert_eq!(found.withheld, ["wsrep_sst_auth"]);
        assert_eq!(found.plugins["ed25519"], "AUTHENTICATION");
        assert!(found.time_zones && found.components.is_empty());
        let refused = Fake::new([("SELECT", &[Answer::Refused(1142)])]);
        let found = refused.client(0).surroundings(&version, &Cancel::default()).unwrap();
        assert_eq!(found, Surroundings::default(), "what is not told is no reason to have no backup");
    }
}
