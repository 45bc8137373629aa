//! How an artifact is compressed: gzip, which every system reads, or zstd, which takes less time.

use serde::Serialize;

/// The compressed format of an artifact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// Members of gzip (RFC 1952).
    #[default]
    Gzip,
    /// Frames of Zstandard (RFC 8878).
    Zstd,
}

impl Codec {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Gzip, Self::Zstd];

    /// The word that stands in manifests and options.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// What an artifact's name ends with.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Gzip => ".sql.gz",
            Self::Zstd => ".sql.zst",
        }
    }

    /// The least and the highest level.
    pub fn levels(self) -> (u8, u8) {
        match self {
            Self::Gzip => (1, 12),
            Self::Zstd => (1, 19),
        }
    }

    /// The level that is taken where none is given.
    fn default_level(self) -> u8 {
        match self {
            // A tenth less work than level 6, for half a percent more bytes.
            Self::Gzip => 5,
            // Dumps of numbers, dates and hashes are smaller than by levels 2 to 5, and take half of their time.
            Self::Zstd => 1,
        }
    }

    /// A member ends with the first statement that ends after so many bytes of SQL. Larger members of gzip compress no
    /// better, and leave the cache while they do; frames of zstd have a larger window to fill.
    pub(crate) const fn member_size(self) -> usize {
        match self {
            Self::Gzip => 128 << 10,
            Self::Zstd => 512 << 10,
        }
    }

    /// The same for SQL that is mostly binary values. What repeats in those are whole values, far from each other, which one
    /// window of zstd covers where it is large. A statement of the usual size still ends before 4 MiB.
    pub(crate) const fn member_size_of_digits(self) -> usize {
        match self {
            Self::Gzip => self.member_size(),
            Self::Zstd => 7 << 19,
        }
    }
}

/// A codec, and how hard it compresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compression {
    codec: Codec,
    level: u8,
}

impl Compression {
    /// A codec with one of its levels, or with its usual one; none where the codec has no such level.
    pub fn new(codec: Codec, level: Option<u8>) -> Option<Self> {
        let level = level.unwrap_or_else(|| codec.default_level());
        let (least, most) = codec.levels();
        (least..=most).contains(&level).then_some(Self { codec, level })
    }

    /// The codec.
    pub fn codec(self) -> Codec {
        self.codec
    }

    /// The level: libdeflate's for gzip, zstd's own for zstd.
    pub(crate) fn level(self) -> i32 {
        self.level.into()
    }
}

impl Default for Compression {
    fn default() -> Self {
        let codec = Codec::default();
        Self { codec, level: codec.default_level() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_codec_has_levels_of_its_own() {
        for (codec, level, expected) in [
            (Codec::Gzip, None, Some(5)),
            (Codec::Gzip, Some(12), Some(12)),
            (Codec::Gzip, Some(13), None),
            (Codec::Gzip, Some(0), None),
            (Codec::Zstd, None, Some(1)),
            (Codec::Zstd, Some(19), Some(19)),
            (Codec::Zstd, Some(20), None),
            (Codec::Zstd, Some(0), None),
        ] {
            let made = Compression::new(codec, level);
            assert_eq!(made.map(Compression::level), expected, "{codec:?} {level:?}");
        }
        assert_eq!(Some(Compression::default()), Compression::new(Codec::Gzip, None));
    }
}
