//! Dates as PIA writes them (RFC 3339), and those of HTTP.

use std::time::{Duration, SystemTime};

/// Read `2020-06-30T22:33:44.114369906Z`, or with an offset such as `+02:00`. Fractions of seconds are left out.
pub fn parse(text: &str) -> Option<SystemTime> {
    let number =
        |range: std::ops::Range<usize>| text.get(range).filter(|t| t.bytes().all(|b| b.is_ascii_digit()))?.parse().ok();
    let (year, month, day): (i64, i64, i64) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second): (i64, i64, i64) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let marks = [(4, "-"), (7, "-"), (13, ":"), (16, ":")];
    let separated = marks.iter().all(|(at, mark)| text.get(*at..at + 1) == Some(mark));
    if !separated || !matches!(text.get(10..11), Some("T" | "t" | " ")) {
        return None;
    }
    let in_range = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    let zone = text.get(19..)?.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let offset = match zone {
        "Z" | "z" => 0,
        _ => {
            let sign = match zone.get(..1)? {
                "+" => 1,
                "-" => -1,
                _ => return None,
            };
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            let number = |text: &str| text.parse::<u8>().ok().filter(|number| *number < 60).map(i64::from);
            sign * (number(hours)? * 3600 + number(minutes)? * 60)
        }
    };
    let seconds = days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset;
    let since = Duration::from_secs(u64::try_from(seconds).ok()?);
    in_range.then(|| SystemTime::UNIX_EPOCH.checked_add(since)).flatten()
}

/// Read a date of HTTP in the one form that may be sent (RFC 9110, 5.6.7), such as `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn parse_http(text: &str) -> Option<SystemTime> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = text.split(' ').collect();
    let [_, day, month, year, time, "GMT"] = words[..] else { return None };
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    parse(&format!("{year}-{month:02}-{day}T{time}Z"))
}

/// Days since 1970-01-01 in the Gregorian calendar: years are counted from March, so that a leap day ends one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + leap_days + day_of_year - 719_468
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read() {
        let seconds = |text| parse(text).map(crate::status::unix_seconds);
        assert_eq!(seconds("2020-06-30T22:33:44.114369906Z"), Some(1_593_556_424));
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(seconds("2024-02-29T12:00:00+02:00"), Some(1_709_200_800));
        assert_eq!(seconds("2000-03-01T00:00:00-00:30"), Some(951_870_600));
        for seed in 0..2000 {
            let text = crate::mutate::mutate(b"2020-06-30T22:33:44.114369906+02:00", seed);
            parse(&String::from_utf8_lossy(&text));
        }
        for wrong in [
            "",
            "2020-06-30",
            "2020-13-01T00:00:00Z",
            "2020-06-30T22:33:44",
            "2020-06-30T22:33:44ZZ",
            "2020é06-30T22:33:44Z",
            "2020-06-30T22:33:44+9223372036854775807:00",
            "2020-06-30T22:33:44-00:99",
            "2020-06-30T22:33:44+1",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn dates_of_http_are_read() {
        let seconds = |text| parse_http(text).map(crate::status::unix_seconds);
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        for seed in 0..2000 {
            parse_http(&String::from_utf8_lossy(&crate::mutate::mutate(b"Sun, 06 Nov 1994 08:49:37 GMT", seed)));
        }
        for wrong in ["", "120", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37", "a b Nov c d GMT"] {
            assert_eq!(parse_http(wrong), None, "{wrong}");
        }
    }
}
