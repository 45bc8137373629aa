//! What `fwb-copy` tells.

use fwb::{Copied, Manifest};

use crate::count::counted;
use crate::page::Page;
use crate::paint::Tone;
use crate::size::human_size;

/// A backup that was copied, or was there.
pub fn copied(Copied { manifest, was_there }: &Copied, page: &Page) -> String {
    let Manifest { name, size, store, .. } = manifest;
    let store = store.as_deref().unwrap_or_default();
    let (word, text) = if *was_there {
        ("there", format!("{name} is in {store} already"))
    } else {
        ("copied", format!("{name} to {store} ({})", human_size(*size)))
    };
    page.line(Tone::Good, word, &text)
}

/// The sum below several: bytes are those of what was copied.
pub fn copied_in_all(copied: u64, were_there: u64, failed: u64, bytes: u64, page: &Page) -> String {
    let mut words = vec![format!("{} copied, {}", counted(copied, "backup"), human_size(bytes))];
    if were_there > 0 {
        let verb = if were_there == 1 { "was" } else { "were" };
        words.push(format!("{were_there} {verb} there"));
    }
    let text = words.join("; ");
    match failed {
        0 => page.text(&text),
        _ => page.line(Tone::Bad, &format!("{failed} failed;"), &text),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::told::tests::manifest;

    #[test]
    fn a_copy_is_told_with_its_place() {
        let told = |was_there| {
            let manifest = manifest(&json!({"store": "s3://bucket/shop"}));
            copied(&Copied { manifest, was_there }, &Page::default())
        };
        let name = "shop_backup_20250725_100000.sql.gz";
        assert_eq!(told(false), format!("copied {name} to s3://bucket/shop (2.0 KiB)\n"));
        assert_eq!(told(true), format!("there {name} is in s3://bucket/shop already\n"));
    }

    #[test]
    fn several_are_summed_up() {
        let all = |there, failed| copied_in_all(1, there, failed, 2048, &Page::default());
        assert_eq!(all(0, 0), "1 backup copied, 2.0 KiB\n");
        assert_eq!(all(2, 0), "1 backup copied, 2.0 KiB; 2 were there\n");
        assert_eq!(all(1, 1), "1 failed; 1 backup copied, 2.0 KiB; 1 was there\n");
    }
}
