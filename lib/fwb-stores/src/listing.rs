//! Listings without what `object_store` has no name for. One such key would have it refuse the whole answer, and all backups of the
//! store with it: `PREFIX//x`, which a program wrote whose paths ended with a slash, `..`, or a line end in a name.

use object_store::path::Path;
use quick_xml::Reader;
use quick_xml::events::Event;
use serde::Deserialize;

/// What an answer has left, and the keys that were left out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Trimmed {
    pub(crate) xml: String,
    pub(crate) strays: Vec<String>,
}

/// An object, or a folder, in a listing of S3, Google's or Azure's.
#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "Key", alias = "Prefix", alias = "Name")]
    key: String,
}

/// Leaves out what has no name; none where all of an answer stays as it is, also because it is no listing.
pub(crate) fn trimmed(xml: &str) -> Option<Trimmed> {
    let mut reader = Reader::from_str(xml);
    let (mut kept, mut strays, mut from) = (String::new(), Vec::new(), 0);
    let (mut begun, mut inside) = (None, 0_u32);
    let at = |reader: &Reader<&[u8]>| usize::try_from(reader.buffer_position()).ok();
    loop {
        let before = at(&reader)?;
        match reader.read_event().ok()? {
            Event::Start(_) if begun.is_some() => inside += 1,
            Event::Start(tag) => match tag.name().as_ref() {
                b"Contents" | b"Blob" => begun = Some((before, false)),
                b"CommonPrefixes" | b"BlobPrefix" => begun = Some((before, true)),
                _ => {}
            },
            Event::End(_) if inside > 0 => inside -= 1,
            Event::End(_) => {
                let Some((start, is_folder)) = begun.take() else { continue };
                let end = at(&reader)?;
                let entry: Entry = quick_xml::de::from_str(xml.get(start..end)?).ok()?;
                if !has_name(&entry.key, is_folder) {
                    kept.push_str(xml.get(from..start)?);
                    from = end;
                    strays.push(entry.key);
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    if from == 0 {
        return None;
    }
    kept.push_str(xml.get(from..)?);
    // The folders that consoles of S3 make are objects too, and nothing to wonder at.
    strays.retain(|key| Path::parse(key).is_err() || key.starts_with('/'));
    Some(Trimmed { xml: kept, strays })
}

/// Whether a key is what `object_store` would call it. Of a folder it leaves out the last slash.
fn has_name(key: &str, is_folder: bool) -> bool {
    let name = if is_folder { key.strip_suffix('/').unwrap_or(key) } else { key };
    Path::parse(key).is_ok_and(|path| path.as_ref() == name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn s3(keys: &[&str], folders: &[&str]) -> String {
        let keys = keys.iter().map(|key| format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>"));
        let folders =
            folders.iter().map(|key| format!("<CommonPrefixes><Prefix>{key}</Prefix></CommonPrefixes>"));
        let entries: String = keys.chain(folders).collect();
        format!("<?xml version=\"1.0\"?><ListBucketResult><Prefix>p/</Prefix>{entries}</ListBucketResult>")
    }

    #[test]
    fn what_has_no_name_is_left_out_and_told() {
        let cases: [(&[&str], &[&str], &[&str]); 6] = [
            (&["p/a"], &["p//"], &["p//"]),
            (&["p/a", "p/..", "p/b&amp;c"], &["p/runs/", "p/./"], &["p/..", "p/./"]),
            (&["p/a", "p/b&#10;c"], &[], &["p/b\nc"]),
            (&["/x", "y"], &["/"], &["/x"]),
            (&["p//x", "p//y"], &[], &["p//x", "p//y"]),
            (&["p/a//"], &[], &["p/a//"]),
        ];
        for (keys, folders, strays) in cases {
            let trimmed = trimmed(&s3(keys, folders)).unwrap();
            assert_eq!(trimmed.strays, strays);
            let is_whole = |key: &&&str| !strays.contains(&key.replace("&#10;", "\n").as_str());
            let whole: Vec<&str> = keys.iter().filter(is_whole).copied().collect();
            let folders: Vec<&str> = folders.iter().filter(is_whole).copied().collect();
            assert_eq!(trimmed.xml, s3(&whole, &folders));
        }
    }

    /// A console makes them for whoever makes a folder.
    #[test]
    fn an_object_in_the_place_of_a_folder_is_no_backup() {
        let trimmed = trimmed(&s3(&["p/", "p/a"], &[])).unwrap();
        assert_eq!((trimmed.xml, trimmed.strays.len()), (s3(&["p/a"], &[]), 0));
    }

    #[test]
    fn a_usual_answer_stays_as_it_is() {
        let azure = "<EnumerationResults><Blobs><Blob><Name>p/a</Name><Properties><Etag>1</Etag></Properties></Blob>\
                     <BlobPrefix><Name>p/runs/</Name></BlobPrefix></Blobs><NextMarker/></EnumerationResults>";
        for xml in [&s3(&["p/a", "p/가 b"], &["p/runs/"]), azure, "", "no XML <", "<a><Contents>"] {
            assert_eq!(trimmed(xml), None, "{xml}");
        }
        let stray = azure.replace("p/runs/", "p//");
        let trimmed = trimmed(&stray).unwrap();
        assert_eq!(trimmed.strays, ["p//"]);
        assert!(!trimmed.xml.contains("BlobPrefix") && trimmed.xml.contains("<Name>p/a</Name>"));
    }
}
