//! What is told of accounts.

use fwb::{
    AccountAction, AccountOutcome, AccountsPlan, AccountsReport, Manifest, SettingFinding, Surroundings,
};

use super::local;
use crate::count::counted;
use crate::duration::human_seconds;
use crate::page::Page;
use crate::paint::Tone;

/// What a restore of accounts would do.
pub fn accounts_planned(plan: &AccountsPlan, page: &Page) -> String {
    let began = local(plan.started_at);
    let mut text = page.line(Tone::Strong, "Restore", &format!("accounts of {}, begun {began}", plan.backup));
    for account in &plan.accounts {
        let name = &account.account;
        let role = if account.role { "role " } else { "" };
        let what = match account.action {
            AccountAction::Create => "will be made",
            AccountAction::Same => "exists and is the same",
            AccountAction::Differs => "exists and differs: it is left as it is",
            AccountAction::Replace => "exists and differs: it is changed",
            AccountAction::Complete => "exists: it gets what it lacks",
            AccountAction::Left => "is never touched",
        };
        text += &page.detail(&format!("{role}{name} {what}"));
        for difference in &account.differences {
            text += &page.detail(&format!("  {difference}"));
        }
    }
    for SettingFinding { code, message, remedy } in &plan.findings {
        text += &page.warning(&format!("! {message} ({code}: {remedy})"));
    }
    if !plan.does_something() {
        text += &page.detail("nothing is to be done");
    }
    text
}

/// A restore of accounts that was made.
pub fn accounts_restored(report: &AccountsReport, page: &Page) -> String {
    let count = |outcome| report.accounts.iter().filter(|account| account.outcome == outcome).count() as u64;
    let is_whole = count(AccountOutcome::Failed) == 0;
    let (tone, word) = if is_whole { (Tone::Good, "restored") } else { (Tone::Bad, "failed") };
    let mut text = page.line(tone, word, &format!("accounts from {}", report.backup));
    let told = [
        (AccountOutcome::Created, "made"),
        (AccountOutcome::Replaced, "changed"),
        (AccountOutcome::Completed, "completed"),
        (AccountOutcome::Same, "the same before"),
        (AccountOutcome::Differs, "left, and different"),
        (AccountOutcome::Left, "never touched"),
        (AccountOutcome::Failed, "not restored"),
    ];
    let told = told.into_iter().filter(|(outcome, _)| count(*outcome) > 0);
    let told: Vec<String> = told.map(|(outcome, words)| format!("{} {words}", count(outcome))).collect();
    let all = counted(report.accounts.len() as u64, "account");
    text += &page.detail(&format!("{all}: {}; {} in all", told.join(", "), human_seconds(report.seconds)));
    for account in &report.accounts {
        for reason in &account.reasons {
            text += &page.warning(&format!("{}: {reason}", account.account));
        }
    }
    let put_off = || report.accounts.iter().flat_map(|account| &account.put_off);
    if put_off().next().is_some() {
        text += &page.warning("put off, until what it is on is there:");
        text += &put_off().map(|grant| page.detail(&format!("  {grant}"))).collect::<String>();
        text += &page.hint("once it is: fwb-restore --accounts --missing-grants");
    }
    text
}

/// The settings that a backup of accounts tells.
pub fn settings(manifest: &Manifest, page: &Page) -> String {
    let server = manifest.server.as_ref().map(|server| server.version.as_str()).unwrap_or_default();
    let mut text = page.line(Tone::Strong, "settings", &format!("of {server} in {}", manifest.name));
    let Some(Surroundings { variables, withheld, plugins, components, time_zones, .. }) =
        &manifest.surroundings
    else {
        return text + &page.detail("it tells none");
    };
    for (name, value) in variables {
        text += &page.detail(&format!("{name} = {value}"));
    }
    for name in withheld {
        text += &page.detail(&format!("{name} was set; its value is not kept"));
    }
    for (name, kind) in plugins {
        text += &page.detail(&format!("plugin {name} ({kind})"));
    }
    for urn in components {
        text += &page.detail(&format!("component {urn}"));
    }
    text + &page.detail(if *time_zones { "time zones by name" } else { "no time zones by name" })
}
