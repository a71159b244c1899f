//! Sizes in the form that people write: `1048576`, `64KiB`, `512MiB`, `1GiB`, `10MB`.

/// Units with their bytes; the largest first, so that writing picks the shortest exact form.
const BINARY: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
const DECIMAL: [(&str, u64); 4] = [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];

/// Parses `<whole number>[unit]`; no unit or `B` is bytes. Case and one space before the unit do not matter.
///
/// # Errors
/// The expected form, for any other text and for more than `u64::MAX` bytes.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let meant = || "write a whole number of bytes or a number with a unit, such as 1048576, 64KiB, 512MiB or 1GiB".to_owned();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| meant())?;
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    if unit.is_empty() || unit.eq_ignore_ascii_case("B") {
        return Ok(number);
    }
    let found = BINARY.iter().chain(&DECIMAL).find(|(name, _)| name.eq_ignore_ascii_case(unit));
    let (_, factor) = found.ok_or_else(meant)?;
    number.checked_mul(*factor).ok_or_else(meant)
}

/// Returns a size in the form that [`parse_bytes`] reads, with the largest binary unit that is exact.
#[must_use]
pub fn format_bytes(bytes: u64) -> String {
    let exact = BINARY.iter().find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor));
    match exact {
        Some((unit, factor)) => format!("{}{unit}", bytes / factor),
        None => format!("{bytes}B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_bytes_and_units() {
        for (text, bytes) in
            [("0", 0), ("17", 17), ("17B", 17), ("64KiB", 65_536), ("512mib", 536_870_912), ("1 GiB", 1 << 30), ("10MB", 10_000_000)]
        {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_size() {
        for text in ["", "MiB", "-1", "1.5GiB", "1  GiB", "1Gi", "5 apples", "99999999999TiB", "99999999999999999999"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn writes_the_largest_exact_unit() {
        assert_eq!(format_bytes(1 << 30), "1GiB");
        assert_eq!(format_bytes((16 << 20) - (128 << 10)), "16256KiB");
        assert_eq!(format_bytes(1_000), "1000B");
    }
}
