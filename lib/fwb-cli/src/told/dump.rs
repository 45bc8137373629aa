//! What `fwb-dump` tells.

use fwb::{Kind, Manifest, Verification};

use super::{chosen_alone, contents, left_out, place};
use crate::duration::human_duration;
use crate::page::Page;
use crate::paint::Tone;
use crate::size::human_size;

/// A backup that was made.
pub fn dumped(manifest: &Manifest, page: &Page) -> String {
    let database = match manifest.kind {
        Kind::Accounts => "accounts",
        _ => manifest.database.as_deref().unwrap_or_default(),
    };
    let mut text = page.line(Tone::Good, "dumped", &format!("{database} into {}", place(manifest)));
    if let Some(contents) = contents(manifest) {
        text += &page.detail(&contents);
    }
    let raw = manifest.raw_size.map_or(String::new(), |raw| format!(" for {} of SQL", human_size(raw)));
    let took = manifest.finished_at.signed_duration_since(manifest.started_at).to_std();
    // Manifests have no finer moment than a second.
    let took = match took.unwrap_or_default() {
        took if took.as_secs() < 1 => "less than a second".to_owned(),
        took => human_duration(took),
    };
    text += &page.detail(&format!("{}{raw}, in {took}", human_size(manifest.size)));
    if let Some(encryption) = &manifest.encryption {
        text += &page.detail(&format!("encrypted to {}", encryption.recipients.join(" and ")));
    }
    if let Some(left_out) = left_out(manifest) {
        text += &page.warning(&left_out);
    }
    if let Some(chosen) = &manifest.chosen {
        text +=
            &page.warning(&format!("{}; it never counts as a backup of {database}", chosen_alone(chosen)));
        if !manifest.verification.as_ref().is_some_and(Verification::proves) && manifest.store.is_some() {
            text += &page.hint(&format!("not verified yet: fwb-verify {}", place(manifest)));
        }
    } else if manifest.whole == Some(false) {
        text += &page.warning("it may lack a part of the database, and is never called proved");
    } else if manifest.verification.as_ref().is_some_and(Verification::proves) {
        text += &page.detail("read back and proved");
    } else if manifest.store.is_some() {
        text += &page.hint(&format!("not proved yet: fwb-verify {}", place(manifest)));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::told::tests::manifest;

    #[test]
    fn a_dump_is_told_in_a_few_lines() {
        assert_eq!(
            dumped(&manifest(&json!({})), &Page::default()),
            "dumped shop into /backup/shop_backup_20250725_100000.sql.gz\n\
             \x20 2 tables, 1 view, 1 trigger; 1,235 rows\n\
             \x20 2.0 KiB for 8.0 KiB of SQL, in 9.0s\n\
             \x20 not proved yet: fwb-verify /backup/shop_backup_20250725_100000.sql.gz\n"
        );
        let at = "2025-07-25T10:00:09Z";
        let proved = json!({
            "verification": {"level": "full", "ok": true, "at": at, "seconds": 1.0, "by": "writer"},
            "encryption": {"format": "age", "recipients": ["age1x"], "sidecar": "minimal"},
        });
        let told = dumped(&manifest(&proved), &Page::default());
        assert!(told.contains("\n  encrypted to age1x\n  read back and proved\n"), "{told}");
        let chosen = json!({"whole": false, "chosen": ["files", "users"]});
        let chosen = dumped(&manifest(&chosen), &Page::default());
        assert!(
            chosen.contains("\n  it holds chosen tables alone: files, users; it never counts"),
            "{chosen}"
        );
        let partial = dumped(&manifest(&json!({"whole": false})), &Page::default());
        assert!(partial.contains("may lack a part") && !partial.contains("fwb-verify"), "{partial}");
    }
}
