//! What the command line says: helps, versions and errors, held against `tests/snapshots`. Where a text changes on
//! purpose, `TRYCMD=overwrite cargo test --test integration cli` writes the new one; read it before committing.

use crate::support::{TOOLS, Tool, bash, executable};

#[test]
fn helps_and_errors_are_as_they_were() {
    // Each tool behind a wrapper that gives it an empty environment, as a help text shows what is set, and no
    // server to talk to by accident.
    let bin = tempfile::tempdir().unwrap();
    let cases = trycmd::TestCases::new();
    for tool in TOOLS {
        let wrapper = bin.path().join(tool);
        let path = Tool::path(tool);
        let text = format!(
            "#!/bin/sh\nexec env -i PATH=\"$PATH\" HOME=/nonexistent TZ=UTC {} \"$@\"\n",
            path.display()
        );
        executable(&wrapper, text);
        cases.register_bin(tool, &wrapper);
    }
    cases.case("tests/snapshots/*.trycmd");
}

#[test]
fn variables_are_settings_and_never_choose_what_is_overwritten() {
    // Design §3: an action or a target in a forgotten `export` would be carried out.
    let forbidden = [
        "FWB_YES",
        "FWB_UNDO",
        "FWB_DRY_RUN",
        "FWB_NO_SAFETY_BACKUP",
        "FWB_STDOUT",
        "FWB_OUTPUT",
        "FWB_FILE",
        "FWB_STRICT",
        "FWB_ADOPT",
        "FWB_TABLES",
        "FWB_KIND",
    ];
    for tool in TOOLS {
        let help = Tool::alone(tool).arg("--help").run().ok().stdout_text();
        for variable in forbidden {
            assert!(!help.contains(variable), "{tool} takes {variable}");
        }
        let takes_it = matches!(tool, "fwb-dump" | "fwb-run");
        assert_eq!(help.contains("FWB_DATABASE"), takes_it, "{tool} and FWB_DATABASE");
    }
}

#[test]
fn a_wrong_setting_is_traced_to_its_variable() {
    for (tool, variable) in
        [("fwb-ls", "FWB_JOBS"), ("fwb-prune", "FWB_KEEP_DAYS"), ("fwb-verify", "FWB_VERIFY_LEVEL")]
    {
        let found = Tool::alone(tool).env(variable, "many").run().fails(2, &["'many'", "hint: "]);
        assert!(found.stderr.contains(&format!("{variable} holds that value")), "{}", found.stderr);
    }
}

/// A schedule that nobody watches would have a help text for a backup.
#[test]
fn a_host_is_not_named_by_the_option_for_help() {
    for (tool, arguments, named) in [
        ("fwb-dump", &["-B", "shop", "-h", "db"][..], "--host db"),
        ("fwb-run", &["backup", "-hdb"], "FWB_HOST=db"),
    ] {
        let answer = Tool::alone(tool).args(arguments).run().fails(2, &[named, "-h asks for help"]);
        assert_eq!(answer.stdout_text(), "");
    }
}

#[test]
fn a_log_can_be_read_by_a_program() {
    let out = Tool::alone("fwb-ls").args(["--log-format", "json", "-s", "/no/store"]).run().exits(1);
    let lines: Vec<serde_json::Value> =
        out.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 1, "{}", out.stderr);
    assert_eq!((&lines[0]["level"], &lines[0]["tool"]), (&"error".into(), &"fwb-ls".into()));
    assert!(lines[0]["message"].as_str().unwrap().contains("/no/store"));
    assert!(lines[0]["hint"].is_string());
}

#[test]
fn a_help_that_nobody_reads_to_its_end_is_no_failure() {
    let out = bash(
        "for tool in fwb-dump fwb-verify fwb-ls fwb-prune fwb-restore; do $tool --help | head -n 1; done",
    )
    .run()
    .ok();
    assert_eq!(out.stdout_text().lines().count(), 5);
    assert!(out.stderr.is_empty(), "{}", out.stderr);
}
