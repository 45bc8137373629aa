//! What comes to a machine without cargo: the Debian package, and what is said to be in the tools (docs/PACKAGES.md).

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::manifests::file;
use crate::support::{Output, TOOLS, Tool};

/// dpkg with a system of its own, in which scripts of packages run without one.
fn dpkg(root: &Path, action: &[&str]) -> Output {
    let place =
        [format!("--instdir={}", root.display()), format!("--admindir={}/var/lib/dpkg", root.display())];
    let force = "--force-script-chrootless,not-root,depends,bad-path";
    Tool::program("dpkg").args(place).arg(force).args(action).run()
}

fn files(root: &Path) -> BTreeSet<String> {
    let (mut left, mut found) = (vec![root.to_owned()], BTreeSet::new());
    while let Some(path) = left.pop() {
        if path.is_dir() && !path.is_symlink() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            found.insert(path.strip_prefix(root).unwrap().display().to_string());
        }
    }
    found.into_iter().filter(|path| !path.starts_with("var/lib/dpkg")).collect()
}

#[test]
fn the_package_is_installed_and_removed_without_a_trace() {
    let dir = tempfile::tempdir().unwrap();
    let binaries = Tool::path("fwb-ls").parent().unwrap().to_owned();
    let made = Tool::program("bash")
        .arg(file("scripts/deb.sh"))
        .arg("--binaries")
        .arg(&binaries)
        .arg("--output")
        .arg(dir.path())
        .env("COMPRESSION", "none")
        .run()
        .ok();
    let package = made.stdout_text().trim_end().to_owned();
    let field = |name: &str| {
        Tool::program("dpkg-deb").args(["-f", &package, name]).run().ok().stdout_text().trim_end().to_owned()
    };
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(field("Version"), format!("{}-1", version.replacen('-', "~", 1)));
    let newer =
        ["--compare-versions", &field("Version"), "lt", &format!("{}-1", version.split('-').next().unwrap())];
    assert_eq!(Tool::program("dpkg").args(newer).run().code, Some(i32::from(!version.contains('-'))));
    let depends = field("Depends");
    assert!(depends.starts_with("libc6 (>= 2.") && depends.matches(',').count() <= 1, "{depends}");

    let root = dir.path().join("root");
    fs::create_dir_all(root.join("var/lib/dpkg/updates")).unwrap();
    fs::create_dir_all(root.join("var/lib/dpkg/info")).unwrap();
    fs::write(root.join("var/lib/dpkg/status"), "").unwrap();
    fs::create_dir_all(root.join("etc/fwb")).unwrap();
    fs::write(root.join("etc/fwb/backup.env"), "FWB_DATABASE=shop\n").unwrap();
    let before = files(&root);
    dpkg(&root, &["-i", &package]).ok();
    let there = files(&root);
    for tool in TOOLS {
        for path in [
            format!("usr/bin/{tool}"),
            format!("usr/share/man/man1/{tool}.1.gz"),
            format!("usr/share/bash-completion/completions/{tool}"),
            format!("usr/share/zsh/site-functions/_{tool}"),
            format!("usr/share/fish/vendor_completions.d/{tool}.fish"),
        ] {
            assert!(there.contains(&path), "{path}");
        }
        let said = Tool::program(root.join(format!("usr/bin/{tool}"))).arg("--version").run().ok();
        assert_eq!(said.stdout_text(), format!("{tool} {version}\n"));
    }
    let doc = "usr/share/doc/fwb-tools";
    for name in [
        "copyright",
        "changelog.gz",
        "changelog.Debian.gz",
        "README.md",
        "docs/RUNBOOK.md",
        "sbom.cdx.json",
        "examples/cron",
    ] {
        assert!(there.contains(&format!("{doc}/{name}")), "{name}");
    }
    for unit in ["fwb-backup.service", "fwb-backup.timer", "fwb-follow.service"] {
        let text = fs::read_to_string(root.join("usr/lib/systemd/system").join(unit)).unwrap();
        assert!(!text.contains("@bindir@"), "{unit}");
        let starts = text.lines().filter_map(|line| line.strip_prefix("ExecStart="));
        assert!(starts.into_iter().all(|command| command.starts_with("/usr/bin/fwb-")), "{unit}");
    }
    let checked = Tool::program("md5sum").args(["-c", "--quiet"]).dir(&root);
    checked.arg(root.join("var/lib/dpkg/info/fwb-tools.md5sums")).run().ok();

    dpkg(&root, &["-P", "fwb-tools"]).ok();
    assert_eq!(files(&root), before, "the settings stay, and nothing else");
}

#[test]
fn the_bill_of_materials_is_of_the_lock_file() {
    let write = || Tool::program("bash").arg(file("scripts/sbom.sh")).run().ok().stdout_text();
    let text = write();
    assert_eq!(text, write(), "the same sources, the same bytes");
    let bill: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
    assert_eq!(bill["metadata"]["component"]["version"], env!("CARGO_PKG_VERSION"));
    let components = bill["components"].as_array().unwrap();
    let lock = fs::read_to_string(file("Cargo.lock")).unwrap();
    let mut known = BTreeSet::from([bill["metadata"]["component"]["bom-ref"].as_str().unwrap()]);
    for part in components {
        let (part_name, version) = (part["name"].as_str().unwrap(), part["version"].as_str().unwrap());
        assert!(lock.contains(&format!("name = \"{part_name}\"\nversion = \"{version}\"\n")), "{part_name}");
        let is_ours = part_name == "fwb" || part_name.starts_with("fwb-");
        assert_eq!(part["hashes"][0]["content"].is_string(), !is_ours, "{part_name}");
        assert!(part["licenses"][0]["expression"].is_string(), "{part_name}");
        assert!(known.insert(part["bom-ref"].as_str().unwrap()), "{part_name} stands there twice");
    }
    let scope =
        |name: &str| components.iter().find(|part| part["name"] == name).map(|part| part["scope"].clone());
    assert_eq!(scope("rustls"), Some("required".into()));
    assert_eq!(scope("clap_derive"), Some("excluded".into()), "it runs in the compiler");
    assert_eq!(scope("trycmd"), None, "tests alone need it");
    for edges in bill["dependencies"].as_array().unwrap() {
        for to in edges["dependsOn"].as_array().unwrap() {
            assert!(known.contains(to.as_str().unwrap()), "{to}");
        }
    }
    assert_eq!(bill["dependencies"].as_array().unwrap().len(), known.len());
}
