//! Sizes as people read them.

const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// A number of bytes in the largest binary unit (IEC 80000-13) that keeps it above 1, to one decimal:
/// `281.7 MiB`.
pub fn human_size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut power = bytes.ilog2() / 10;
    let mut tenths = tenths_of(bytes, power);
    if tenths >= 10 * 1024 {
        power += 1;
        tenths = tenths_of(bytes, power);
    }
    let unit = UNITS.get(power as usize).copied().unwrap_or("?");
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// Tenths of 1024 to the `power`, rounded.
fn tenths_of(bytes: u64, power: u32) -> u128 {
    let unit = 1_u128 << (10 * power);
    (u128::from(bytes) * 10 + unit / 2) / unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well_at_every_boundary() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (1024 * 1024 - 1, "1.0 MiB"),
            (295_444_932, "281.8 MiB"),
            (1 << 30, "1.0 GiB"),
            (u64::MAX, "16.0 EiB"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(human_size(bytes), expected, "{bytes}");
        }
    }
}
