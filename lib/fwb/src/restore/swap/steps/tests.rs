//! A swap as a table of cases: what is there, what comes, and the statements that follow from it.

use super::*;
use crate::restore::swap::whereabouts::{Damaged, Leaving};

fn program(kind: ObjectKind, name: &str, table: Option<&str>, text: &str) -> Definition {
    Definition {
        kind: DefinitionKind::Program(kind),
        table: table.map(ToOwned::to_owned),
        ..own(name, text.into())
    }
}

fn view(name: &str) -> Definition {
    own(name, format!("CREATE VIEW `{name}` AS select 1 AS `one`"))
}

fn trigger(name: &str, table: &str) -> Definition {
    let text = format!("CREATE TRIGGER `{name}` BEFORE INSERT ON `{table}` FOR EACH ROW SET @a = 1");
    program(ObjectKind::Trigger, name, Some(table), &text)
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// `plain` and `guarded`, which has a trigger, are replaced; `hurt` is damaged, `child` refers to it and has a foreign key
/// that the new one has too; `both` was a view and comes as a table.
struct Case {
    moves: Moves,
    incoming: Side,
    outgoing: Side,
    foreign_keys: Vec<ForeignKey>,
    aliases: Vec<(ForeignKey, String)>,
}

fn case() -> Case {
    let leaving = |table: &str, aside: Option<&str>| Leaving {
        table: table.into(),
        aside: aside.map(ToOwned::to_owned),
    };
    let incoming = Side {
        database: "s".into(),
        tables: set(&["plain", "guarded", "hurt", "child", "both"]),
        definitions: vec![trigger("tr", "guarded"), trigger("tr_hurt", "hurt"), view("v")],
        charset: Some(("utf8mb4".into(), "utf8mb4_bin".into())),
    };
    let outgoing = Side {
        database: "k".into(),
        tables: set(&["plain", "guarded", "child"]),
        definitions: vec![
            trigger("old", "guarded"),
            view("both"),
            view("gone"),
            program(ObjectKind::Procedure, "p", None, "CREATE PROCEDURE `p`() SELECT 1"),
        ],
        charset: Some(("latin1".into(), "latin1_bin".into())),
    };
    let moves = Moves {
        live: "l".into(),
        incoming: "s".into(),
        outgoing: "k".into(),
        whole: true,
        leaving: [leaving("plain", None), leaving("guarded", Some("x_1")), leaving("child", None)].into(),
        coming: set(&["plain", "guarded", "child", "both"]),
        came: set(&["v"]),
        views: [leaving("both", Some("x_2"))].into(),
        damaged: [Damaged { table: "hurt".into(), replaced: true, closed: true, parts: Vec::new() }].into(),
    };
    let foreign_keys = vec![ForeignKey::example("fk", ("l", "child"), ("l", "hurt"))];
    let aliases = vec![(ForeignKey::example("fk2", ("s", "child"), ("s", "plain")), "fwb_key_1".into())];
    Case { moves, incoming, outgoing, foreign_keys, aliases }
}

fn steps(case: &Case) -> Vec<Step> {
    let exchange = Exchange {
        moves: &case.moves,
        exists: true,
        incoming: &case.incoming,
        outgoing: &case.outgoing,
        damaged_triggers: vec!["tr_hurt".into()],
        foreign_keys: case.foreign_keys.clone(),
        aliases: case.aliases.clone(),
        late: Vec::new(),
        again: Vec::new(),
        grants: vec!["GRANT Execute ON PROCEDURE `l`.`p` TO 'app'@'%'".into()],
        spared: &set(&["left"]),
        origin: &Origin::default(),
    };
    exchange.steps("{}".into())
}

fn of(steps: &[Step], stage: SwapStage) -> Vec<String> {
    let of_stage = steps.iter().filter(|step| step.stage == stage);
    of_stage.map(|step| String::from_utf8_lossy(&step.definition.text).into_owned()).collect()
}

#[test]
fn only_healthy_tables_change_places_together() {
    let renames = of(&steps(&case()), SwapStage::Rename);
    assert_eq!(
        renames,
        ["RENAME TABLE `l`.`child` TO `k`.`child`, `l`.`guarded` TO `l`.`x_1`, `l`.`plain` TO `k`.`plain`, \
          `l`.`both` TO `l`.`x_2`, `s`.`both` TO `l`.`both`, `s`.`child` TO `l`.`child`, `s`.`guarded` TO `l`.`guarded`, \
          `s`.`plain` TO `l`.`plain`"]
    );
}

#[test]
fn nothing_goes_before_the_tables_have_changed_places() {
    let steps = steps(&case());
    assert_eq!(of(&steps, SwapStage::Clear), ["USE `l`"]);
    assert_eq!(of(&steps, SwapStage::Back), [""; 0], "so there is nothing to put back");
}

#[test]
fn triggers_follow_their_tables() {
    let steps = steps(&case());
    let triggers = of(&steps, SwapStage::Triggers);
    assert_eq!(
        triggers[1..3],
        ["DROP TRIGGER IF EXISTS `l`.`old`", "DROP TRIGGER IF EXISTS `l`.`tr`"],
        "the old ones, wherever their table waits, and what a first try has made"
    );
    assert!(triggers[3].contains("TRIGGER `tr`") && triggers.len() == 4, "{triggers:?}");
    let late = of(&steps, SwapStage::LateTriggers);
    assert!(late.iter().all(|step| step.contains("tr_hurt")), "{late:?}");
}

#[test]
fn what_waited_aside_goes_on_when_its_triggers_are_gone() {
    let aside = of(&steps(&case()), SwapStage::Aside);
    assert_eq!(aside, ["RENAME TABLE `l`.`x_1` TO `k`.`guarded`", "DROP VIEW IF EXISTS `l`.`x_2`"]);
}

#[test]
fn a_damaged_table_is_bound_to_nothing_when_it_moves_and_an_undo_binds_again() {
    let steps = steps(&case());
    let loosened = of(&steps, SwapStage::Loosen);
    let unlinked = "ALTER TABLE `k`.`child` DROP FOREIGN KEY IF EXISTS `fk`";
    assert_eq!(loosened, ["DROP TRIGGER IF EXISTS `l`.`tr_hurt`", unlinked]);
    let relinked = of(&steps, SwapStage::Relink);
    assert!(
        relinked[1].contains("ADD CONSTRAINT `fk`") && relinked[1].contains("REFERENCES `l`.`hurt`"),
        "{relinked:?}"
    );
}

#[test]
fn names_of_foreign_keys_come_back_when_the_old_ones_have_gone() {
    let steps = steps(&case());
    let made = of(&steps, SwapStage::Make);
    assert!(made[0].contains("GET_LOCK") && made[0].ends_with("60)"), "{}", made[0]);
    assert_eq!(
        made[2],
        "ALTER TABLE `l`.`child` DROP FOREIGN KEY IF EXISTS `fwb_key_1`, \
         ADD CONSTRAINT `fk2` FOREIGN KEY (`up`) REFERENCES `l`.`plain` (`id`) ON DELETE CASCADE"
    );
    let unalias = of(&steps, SwapStage::Unalias);
    assert!(
        unalias[1].contains("`s`.`child`") && unalias[1].contains("REFERENCES `s`.`plain`"),
        "{unalias:?}"
    );
}

#[test]
fn what_the_backup_lacks_goes_and_is_kept_for_an_undo() {
    let steps = steps(&case());
    let made = of(&steps, SwapStage::Make);
    for gone in ["DROP PROCEDURE IF EXISTS `l`.`p`", "DROP VIEW IF EXISTS `l`.`gone`"] {
        assert!(made.iter().any(|step| step == gone), "{gone}: {made:?}");
    }
    assert!(
        !made.iter().any(|step| step.contains("DROP VIEW IF EXISTS `l`.`both`")),
        "a table has that name now"
    );
    assert_eq!(of(&steps, SwapStage::Definition).len(), 4);
    assert_eq!(of(&steps, SwapStage::Grants), ["GRANT Execute ON PROCEDURE `l`.`p` TO 'app'@'%'"]);
}

#[test]
fn every_stage_is_read_as_it_is_written() {
    for stage in SwapStage::ALL {
        assert_eq!(SwapStage::read(stage.as_str()), Some(stage));
        assert!(stage.as_str().len() <= 10, "the journal's column holds 10 characters");
    }
    assert_eq!(SwapStage::read("failed"), None);
}
