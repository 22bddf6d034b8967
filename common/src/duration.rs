//! Durations as people write them: `15s`, `5m`, `1h30m`, `500ms`.

use std::time::Duration;

/// Reads a duration of one or more numbers with units.
pub fn parse(text: &str) -> Result<Duration, String> {
    let allowed = || format!("`{text}` is not a duration: write for instance 500ms, 15s, 5m or 1h30m");
    let mut total_ms: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.len() - tail.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (unit, tail) = tail.split_at(letters);
        let unit_ms = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(allowed()),
        };
        let part = number.parse::<u64>().ok().and_then(|n| n.checked_mul(unit_ms));
        total_ms = part.and_then(|ms| total_ms.checked_add(ms)).ok_or_else(allowed)?;
        rest = tail;
    }
    if text.is_empty() { Err(allowed()) } else { Ok(Duration::from_millis(total_ms)) }
}

/// A duration in seconds for people: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`.
pub fn human(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "?".to_owned();
    }
    let whole = seconds.round() as u64;
    match whole {
        _ if seconds < 9.95 => format!("{seconds:.1} s"),
        0..=99 => format!("{whole} s"),
        100..=5_999 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_written() {
        for (text, ms) in [("500ms", 500), ("15s", 15_000), ("5m", 300_000), ("1h30m", 5_400_000), ("0s", 0)]
        {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for wrong in ["", "15", "s", "1.5s", "-1s", "5 m", "5d", "99999999999999999999h"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn time_left_is_short() {
        let texts = [0.44, 12.3, 200.0, 7_500.0, f64::NAN].map(human);
        assert_eq!(texts, ["0.4 s", "12 s", "3 min 20 s", "2 h 5 min", "?"]);
    }
}
