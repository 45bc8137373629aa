//! How large the parts of an upload are. A store takes ten thousand, and an artifact's size is not known before its end.

use fwb::{Error, Result};

/// The most parts that a store takes.
pub(crate) const MOST_PARTS: usize = 10_000;
/// Bytes of the first parts of parts that grow.
const FIRST: usize = 8 << 20;
/// How many have one size.
const PARTS_OF_A_SIZE: usize = 1000;
/// How often the size doubles.
const DOUBLINGS: usize = 2;
/// Bytes of each part for a store that wants parts of one size: 320 GB in ten thousand.
const ONE_SIZE: usize = 32 << 20;
/// What S3 takes as a part that is not the last, in MiB (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>). Three
/// are in memory, so that the most is less than S3's 5 GiB.
const LEAST: usize = 5;
const MOST: usize = 1024;

/// The sizes of parts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum PartSize {
    /// The first thousand have 8 MiB, the next thousand 16, all others 32: together 280 GB.
    #[default]
    Growing,
    /// All have so many bytes, but for the last.
    One(usize),
}

impl PartSize {
    /// What a number of MiB says, or the endpoint of a store that is known to want parts of one size: Cloudflare's R2
    /// (<https://developers.cloudflare.com/r2/objects/multipart-objects/>).
    ///
    /// # Errors
    /// A usage error where it is no number, or no store takes such parts.
    pub(crate) fn new(mib: Option<&str>, endpoint: Option<&str>) -> Result<Self> {
        let Some(mib) = mib else {
            let is_r2 = endpoint.and_then(|endpoint| reqwest::Url::parse(endpoint).ok()).is_some_and(|url| {
                url.host_str().is_some_and(|host| host.ends_with(".r2.cloudflarestorage.com"))
            });
            return Ok(if is_r2 { Self::One(ONE_SIZE) } else { Self::Growing });
        };
        let number = mib.parse().ok().filter(|number| (LEAST..=MOST).contains(number));
        let number = number.ok_or_else(|| {
            Error::usage(format!(
                "FWB_STORE_PART_SIZE is {mib:?}, and not a number of MiB from {LEAST} to {MOST}"
            ))
        })?;
        Ok(Self::One(number << 20))
    }

    /// Bytes of a part, by its number from zero.
    pub(crate) fn of(self, number: usize) -> usize {
        match self {
            Self::Growing => FIRST << (number / PARTS_OF_A_SIZE).min(DOUBLINGS),
            Self::One(size) => size,
        }
    }

    /// Bytes of the largest artifact.
    fn of_all(self) -> u64 {
        (0..MOST_PARTS).map(|number| self.of(number) as u64).sum()
    }

    /// What is said of an artifact that has more.
    pub(crate) fn too_small(self, artifact: &str) -> Error {
        Error::Usage {
            message: format!(
                "{artifact} is larger than {} GiB: an object store takes {MOST_PARTS} parts",
                self.of_all() >> 30
            ),
            hint: Some("name a larger FWB_STORE_PART_SIZE, in MiB; three parts are in memory".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::upload::ON_THEIR_WAY;

    #[test]
    fn all_parts_together_hold_280_gb() {
        assert_eq!(PartSize::Growing.of_all(), (8_000 + 16_000 + 8_000 * 32) << 20);
        assert_eq!(PartSize::One(ONE_SIZE).of_all(), (10_000 * 32) << 20);
        for size in [PartSize::Growing, PartSize::One(ONE_SIZE)] {
            assert!(size.of(MOST_PARTS) * (ON_THEIR_WAY + 1) <= 96 << 20);
        }
    }

    #[test]
    fn parts_are_of_one_size_where_that_is_asked_for() {
        let r2 = Some("https://0123.r2.cloudflarestorage.com");
        let cases = [
            (None, None, PartSize::Growing),
            (None, Some("https://s3.example"), PartSize::Growing),
            (None, Some("https://s3.example/.r2.cloudflarestorage.com"), PartSize::Growing),
            (None, r2, PartSize::One(32 << 20)),
            (None, Some("https://0123.eu.r2.cloudflarestorage.com/"), PartSize::One(32 << 20)),
            (Some("64"), r2, PartSize::One(64 << 20)),
            (Some("5"), None, PartSize::One(5 << 20)),
        ];
        for (mib, endpoint, size) in cases {
            assert_eq!(PartSize::new(mib, endpoint).unwrap(), size, "{mib:?} {endpoint:?}");
        }
        for wrong in ["4", "1025", "64M", "-1", "x"] {
            assert!(PartSize::new(Some(wrong), None).is_err(), "{wrong}");
        }
    }

    #[test]
    fn who_has_more_is_told_what_to_name() {
        let told = PartSize::One(5 << 20).too_small("x.sql.gz");
        assert!(told.to_string().contains("48 GiB"), "{told}");
    }
}
