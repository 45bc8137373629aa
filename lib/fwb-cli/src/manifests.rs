//! Manifests as they come from another tool: JSON objects one after the other, read one at a time, as the other
//! tool writes them. A stream that stops in the middle of a record is told from one that was never right, because
//! the first is worth a retry.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fwb::{Cancel, Error, Manifest, Result};
use serde_json::Value;
use serde_json::de::{Deserializer, IoRead, StreamDeserializer};
use serde_json::error::Category;

use crate::standard::READ_STDIN;

/// The largest record, in bytes. A manifest of ten thousand tables takes about three million.
const LARGEST: u64 = 64 << 20;

/// The longest line that is read whole, in bytes.
const LONGEST_LINE: u64 = 8 << 20;

/// The manifests of a stream. It ends after the first error.
pub struct Manifests {
    source: Source,
    allowance: Arc<AtomicU64>,
    cancel: Cancel,
    record: u64,
    failed: bool,
}

/// How the stream is read.
enum Source {
    /// A line at a time, while each line is a record: as the tools write them.
    Lines(Metered),
    /// As JSON values, however they are written. The reasons of errors come from here.
    Values(StreamDeserializer<'static, IoRead<Box<dyn Read + Send>>, Value>),
    /// At its end.
    Ended,
}

/// Reads manifests from `input`, whose reads end once `cancel` is raised.
pub fn read_manifests(input: impl Read + Send + 'static, cancel: &Cancel) -> Manifests {
    let allowance = Arc::new(AtomicU64::new(LARGEST));
    let input = BufReader::with_capacity(64 << 10, Box::new(input) as Box<dyn Read + Send>);
    let source = Source::Lines(Metered { input, allowance: Arc::clone(&allowance) });
    Manifests { source, allowance, cancel: cancel.clone(), record: 0, failed: false }
}

impl Iterator for Manifests {
    type Item = Result<Manifest>;

    fn next(&mut self) -> Option<Result<Manifest>> {
        if self.failed {
            return None;
        }
        self.allowance.store(LARGEST, Ordering::Relaxed);
        self.record += 1;
        if let Some(read) = self.next_line() {
            return Some(Ok(read));
        }
        let next = match &mut self.source {
            Source::Values(values) => values.next()?,
            _ => return None,
        };
        let read = match next {
            Ok(value) => Manifest::from_value(value).map_err(|error| self.refuse(&error.to_string())),
            Err(error) => Err(self.explain(error)),
        };
        self.failed = read.is_err();
        Some(read)
    }
}

impl Manifests {
    /// The next line, where it is a record. Where it is not, the stream is read as values from its beginning on.
    fn next_line(&mut self) -> Option<Manifest> {
        let Source::Lines(lines) = &mut self.source else { return None };
        let mut line = Vec::new();
        let failure = loop {
            line.clear();
            match lines.input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
                Ok(0) => {
                    self.source = Source::Ended;
                    return None;
                }
                Ok(_) if line.trim_ascii().is_empty() && line.ends_with(b"\n") => {}
                read => break read.err(),
            }
        };
        if failure.is_none()
            && let Ok(read) = Manifest::from_slice(&line)
        {
            return Some(read);
        }
        if let Source::Lines(rest) = std::mem::replace(&mut self.source, Source::Ended) {
            self.allowance.store(LARGEST.saturating_sub(line.len() as u64), Ordering::Relaxed);
            let stream = Failing(failure).chain(rest);
            let stream: Box<dyn Read + Send> = Box::new(io::Cursor::new(line).chain(stream));
            self.source = Source::Values(Deserializer::from_reader(stream).into_iter());
        }
        None
    }

    fn explain(&self, error: serde_json::Error) -> Error {
        if let Err(interrupted) = self.cancel.check() {
            return interrupted;
        }
        match error.classify() {
            Category::Eof => {
                let cut = format!("the stream of manifests was cut short in record {}", self.record);
                Error::Stream {
                    action: READ_STDIN,
                    source: io::Error::new(io::ErrorKind::UnexpectedEof, cut),
                }
            }
            Category::Io if self.allowance.load(Ordering::Relaxed) == 0 => {
                self.refuse(&format!("larger than {}", crate::human_size(LARGEST)))
            }
            Category::Io => Error::Stream { action: READ_STDIN, source: error.into() },
            Category::Syntax | Category::Data => self.refuse(&format!("not JSON: {error}")),
        }
    }

    fn refuse(&self, problem: &str) -> Error {
        Error::Usage {
            message: format!("record {} on standard input is refused: {problem}", self.record),
            hint: Some("give it manifests, as fwb-dump, fwb-verify and fwb-ls write them".into()),
        }
    }
}

/// The failure that a read has met, once.
struct Failing(Option<io::Error>);

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// A reader that hands out no more than its allowance, which is renewed with each record.
struct Metered {
    input: BufReader<Box<dyn Read + Send>>,
    allowance: Arc<AtomicU64>,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.allowance.load(Ordering::Relaxed);
        if left == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let limit = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let length = self.input.read(&mut buffer[..limit])?;
        self.allowance.store(left - length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use fwb::ErrorClass;

    use super::*;

    const ONE: &str = r#"{"schema":"fwb/1","name":"a.sql.gz","kind":"full",
        "started_at":"2025-07-25T17:02:06+09:00","finished_at":"2025-07-25T17:02:15+09:00","later":[1]}"#;

    fn read(text: impl Into<Vec<u8>>) -> Vec<Result<Manifest>> {
        read_manifests(io::Cursor::new(text.into()), &Cancel::default()).collect()
    }

    fn class_of_last(text: impl Into<Vec<u8>>) -> (usize, ErrorClass, String) {
        let mut manifests = read(text);
        let error = manifests.pop().unwrap().unwrap_err();
        assert!(manifests.iter().all(Result::is_ok));
        (manifests.len(), error.class(), error.to_string())
    }

    #[test]
    fn nothing_is_no_manifest() {
        assert!(read("").is_empty());
        assert!(read(" \n\n").is_empty());
    }

    #[test]
    fn objects_may_follow_each_other_in_any_way() {
        for text in [format!("{ONE}\n{ONE}\n"), format!("{ONE}{ONE}"), format!("\n{ONE}  {ONE}")] {
            let manifests: Vec<Manifest> = read(text).into_iter().map(Result::unwrap).collect();
            assert_eq!(manifests.len(), 2);
            assert!(manifests[1].extra.contains_key("later"));
        }
    }

    #[test]
    fn a_cut_stream_is_worth_a_retry() {
        let (before, class, message) = class_of_last(format!("{ONE}\n{}", &ONE[..ONE.len() - 3]));
        assert_eq!((before, class), (1, ErrorClass::Failure));
        assert!(message.contains("cut short in record 2"), "{message}");
    }

    #[test]
    fn what_is_no_manifest_is_refused_by_its_number() {
        let unknown = ONE.replace("fwb/1", "fwb/9");
        for bad in ["nonsense", "[]", "null", "7", "{}", "{\"schema\":\"fwb/1\"}", unknown.as_str()] {
            let (before, class, message) = class_of_last(format!("{ONE}\n{bad}\n{ONE}"));
            assert_eq!((before, class), (1, ErrorClass::Usage), "{bad}");
            assert!(message.contains("record 2"), "{message}");
        }
    }

    #[test]
    fn binary_input_is_refused() {
        assert_eq!(class_of_last(*b"\x1f\x8b\x08\x00").1, ErrorClass::Usage);
        assert_eq!(class_of_last("[".repeat(10_000)).1, ErrorClass::Usage);
    }

    #[test]
    fn a_record_without_end_is_refused_before_memory_is() {
        let endless = io::Cursor::new(b"\"".to_vec()).chain(io::repeat(b'x'));
        let error = read_manifests(endless, &Cancel::default()).next().unwrap().unwrap_err();
        assert_eq!(error.class(), ErrorClass::Usage);
        assert!(error.to_string().contains("64.0 MiB"), "{error}");
    }

    #[test]
    fn a_signal_is_told_as_such() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("interrupted"))
            }
        }
        let cancel = Cancel::default();
        let mut manifests = read_manifests(Failing, &cancel);
        cancel.raise(15);
        assert_eq!(manifests.next().unwrap().unwrap_err().class(), ErrorClass::Interrupted(15));
        assert!(manifests.next().is_none());
    }
}
