//! What packages install beside the tools: manual pages that a formatter reads without a complaint, and completions as the
//! shells themselves carry them out.

use std::fs;
use std::path::Path;

use crate::support::{Database, Output, Store, TOOLS, Tool};

fn generated(tool: &str, form: &str) -> String {
    Tool::alone(tool).args(["--generate", form]).run().ok().stdout_text()
}

/// Somebody reads it on a console, without the web, when something is broken.
#[test]
fn every_tool_has_a_page_with_examples() {
    let mut pages: Vec<(&str, String)> = TOOLS.iter().map(|tool| (*tool, generated(tool, "man"))).collect();
    pages.push(("fwb", generated("fwb-ls", "overview")));
    for (name, page) in pages {
        for heading in ["NAME", "DESCRIPTION", "EXAMPLES", "\"EXIT STATUS\"", "\"SEE ALSO\"", "ENVIRONMENT"] {
            let heading = [format!(".SH {heading}\n"), format!(".SH {}\n", heading.trim_matches('"'))];
            assert!(
                heading.iter().any(|heading| page.contains(heading)),
                "{name} lacks {heading:?}:\n{page}"
            );
        }
        assert!(page.is_ascii(), "{name}");
        let read = Tool::program("groff").args(["-man", "-ww", "-z", "-Tutf8"]).stdin(&page).run().ok();
        assert_eq!(read.stderr, "", "{name}");
        let read = Tool::program("groff").args(["-man", "-Tascii", "-P-cbou"]).stdin(&page).run().ok();
        let text = read.stdout_text();
        assert!(
            text.contains("SEE ALSO") && text.contains("fwb-restore(1)") || name == "fwb-restore",
            "{text}"
        );
    }
}

/// A store with the backups of two databases, one of whose tables has a name that a shell must not carry out.
fn store() -> (Store, String) {
    let (shop, store) = (Database::new("tab_shop"), Store::new());
    shop.sql("CREATE TABLE files (id INT PRIMARY KEY); CREATE TABLE `$(touch hurt)` (id INT PRIMARY KEY)");
    store.dump(&shop);
    let cafe = Database::new("cab_cafe");
    cafe.sql("CREATE TABLE users (id INT PRIMARY KEY)");
    store.dump(&cafe);
    (store, shop.name.clone())
}

/// A shell that has the tools before all others, in an empty directory.
fn shell(program: &str, dir: &Path, store: &Store) -> Tool {
    let tools = Tool::path("fwb-ls").parent().unwrap().to_owned();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    Tool::program(program).dir(dir).env("PATH", path).env("FWB_STORE", store.path()).env("HOME", dir)
}

#[test]
fn names_are_offered_from_a_directory_alone() {
    let (store, shop) = store();
    let complete =
        |kind: &str| Tool::alone("fwb-ls").args(["--complete", kind]).env("FWB_STORE", store.path());
    let lines = |out: Output| out.ok().stdout_text().lines().map(ToOwned::to_owned).collect::<Vec<_>>();
    assert_eq!(lines(complete("backups").run()).len(), 2);
    let databases = lines(complete("databases").run());
    assert!(databases.len() == 2 && databases.contains(&shop), "{databases:?}");
    let tables = lines(complete("tables").run());
    assert!(tables.contains(&"users".into()) && tables.contains(&"$(touch hurt)".into()), "{tables:?}");
    assert_eq!(lines(complete("backups").arg("--store=/nowhere").run()), [""; 0]);
    // No connection is tried, and so nothing waits for one.
    assert_eq!(lines(complete("backups").env("FWB_STORE", "s3://bucket/shop").run()), [""; 0]);
    complete("secrets").run().fails(2, &["--complete"]);
    // What cannot be read offers nothing, and says nothing on the command line of whoever presses Tab.
    store.write("a_backup_20250101_000000.sql.gz.json", "no manifest");
    let out = complete("databases").run().ok();
    assert_eq!((out.stdout_text().lines().count(), &*out.stderr), (2, ""));
}

#[test]
fn bash_completes_names() {
    let (store, shop) = store();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("script"), generated("fwb-restore", "bash")).unwrap();
    let at = |words: &[&str]| {
        let script = r#"source ./script; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
            _fwb_restore_names fwb-restore "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
            ((${#COMPREPLY[@]} == 0)) || printf '%s\n' "${COMPREPLY[@]}""#;
        let tool = shell("bash", dir.path(), &store).args(["-c", script, "bash", "fwb-restore"]).args(words);
        tool.run().ok().stdout_text().trim_end().to_owned()
    };
    assert_eq!(at(&["-B", "tab"]), shop);
    assert_eq!(at(&["--database", "=", "tab"]), shop);
    assert_eq!(at(&["--tables", "us"]), "users");
    assert_eq!(at(&["--tables", "users,fi"]), "users,files");
    assert_eq!(at(&["--tables", "$"]), "\\$\\(touch\\ hurt\\)", "quoted, and never carried out");
    assert!(at(&["--yes", "tab"]).starts_with("tab_shop"), "an operand after a switch");
    assert_eq!(at(&["--store", "/nowhere", "-B", "tab"]), "");
    assert_eq!(at(&["--strat"]), "--strategy", "the rest is as before");
    assert_eq!(at(&["--strategy", "sw"]), "swap");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing was carried out");
}

#[test]
fn fish_completes_names() {
    let (store, shop) = store();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("script"), generated("fwb-restore", "fish")).unwrap();
    let at = |line: &str| {
        let tool = shell("fish", dir.path(), &store).args(["--no-config", "-c"]);
        let out = tool.arg("source ./script; complete -C \"$argv[1]\"").arg(line).run().ok();
        let names = out.stdout_text();
        names.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(at("fwb-restore -B tab"), std::slice::from_ref(&shop));
    assert_eq!(at("fwb-restore --database=tab"), [format!("--database={shop}")]);
    assert_eq!(at("fwb-restore --tables users,fi"), ["users,files"]);
    assert!(at("fwb-restore tab").iter().any(|name| name.starts_with("tab_shop")));
    assert!(at("fwb-restore --tables ").contains(&"$(touch hurt)".to_owned()));
    assert_eq!(at("fwb-restore --store /nowhere -B tab"), [""; 0]);
    assert!(!dir.path().join("hurt").exists(), "nothing was carried out");
}

/// zsh completes on a terminal alone, so it is given one.
#[test]
fn zsh_completes_names() {
    let (store, shop) = store();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("_fwb-restore"), generated("fwb-restore", "zsh")).unwrap();
    fs::write(
        dir.path().join(".zshrc"),
        "PS1=; fpath=($HOME $fpath)\nautoload -Uz compinit; compinit -u -D\n",
    )
    .unwrap();
    // After the Tab key, the line becomes one that does nothing.
    let script = r#"
        zmodload zsh/zpty
        TERM=dumb zpty z zsh -i
        for line in "$@"; do zpty -n -w z "$line"$'\t\C-a: \C-e\n'; done
        zpty -n -w z $'exit\n'
        while zpty -r z line; do print -rn -- $line; done
    "#;
    let lines = ["fwb-restore -B tab", "fwb-restore --tables users,fi", "fwb-restore tab"];
    let out = shell("zsh", dir.path(), &store).args(["-f", "-c", script, "zsh"]).args(lines).run();
    let shown = out.stdout_text();
    for completed in [&format!("-B {shop}"), "--tables users,files", "tab_shop"] {
        assert!(shown.contains(completed), "{completed}: {shown}");
    }
    assert!(!dir.path().join("hurt").exists(), "nothing was carried out");
}
