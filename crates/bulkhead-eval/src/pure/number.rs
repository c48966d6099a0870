//! Numbers as text: how Nix reads literals and how it prints floats, which it does in three ways.

/// A float as `toString` and string interpolation print it: `std::to_string`, which is `%f`.
pub(crate) fn float_to_string(value: f64) -> String {
    not_finite(value).unwrap_or_else(|| format!("{value:.6}"))
}

/// A float as `nix-instantiate --eval`, `nix eval` and `toXML` print it: C++'s default, which is `%g` (six significant
/// digits, no zeros at the end).
pub(crate) fn float_to_display(value: f64) -> String {
    const DIGITS: i32 = 6;
    if let Some(text) = not_finite(value) {
        return text;
    }
    // Rounded first: the exponent of the rounded number decides between the two notations.
    let rounded = format!("{value:.5e}");
    let (mantissa, exponent) = rounded.split_once('e').unwrap_or((&rounded, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..DIGITS).contains(&exponent) {
        let places = usize::try_from(DIGITS - 1 - exponent).unwrap_or(0);
        return without_trailing_zeros(&format!("{value:.places$}")).to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", without_trailing_zeros(mantissa), exponent.abs())
}

/// A float as `builtins.toJSON` prints it (nlohmann's JSON): the shortest digits that give the same number again, with
/// an exponent below 1e-4 and from 1e15 on; numbers JSON doesn't have are `null`.
pub(crate) fn float_to_json(value: f64) -> String {
    const LARGEST_WITHOUT_EXPONENT: i32 = 15;
    const SMALLEST_WITHOUT_EXPONENT: i32 = -4;
    if !value.is_finite() {
        return "null".to_owned();
    }
    let shortest = format!("{value:e}");
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits = mantissa.replace('.', "");
    // Where the decimal point comes behind: `point` digits.
    let point = exponent + 1;
    if (SMALLEST_WITHOUT_EXPONENT + 1..=0).contains(&point) {
        return format!("{sign}0.{}{digits}", "0".repeat(point.unsigned_abs() as usize));
    }
    if (1..=LARGEST_WITHOUT_EXPONENT).contains(&point) {
        let point = point.unsigned_abs() as usize;
        if digits.len() <= point {
            return format!("{sign}{digits}{}.0", "0".repeat(point - digits.len()));
        }
        let (whole, part) = digits.split_at(point);
        return format!("{sign}{whole}.{part}");
    }
    let exponent_sign = if exponent < 0 { '-' } else { '+' };
    format!("{sign}{mantissa}e{exponent_sign}{:02}", exponent.abs())
}

fn not_finite(value: f64) -> Option<String> {
    if value.is_finite() {
        return None;
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    Some(format!("{sign}{}", if value.is_nan() { "nan" } else { "inf" }))
}

fn without_trailing_zeros(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_in_three_ways() {
        for (value, string, display, json) in [
            (1.5, "1.500000", "1.5", "1.5"),
            (1.0, "1.000000", "1", "1.0"),
            (-0.0, "-0.000000", "-0", "-0.0"),
            (0.1 + 0.2, "0.300000", "0.3", "0.30000000000000004"),
            (1e6, "1000000.000000", "1e+06", "1000000.0"),
            (123456.0, "123456.000000", "123456", "123456.0"),
            (999999.5, "999999.500000", "1e+06", "999999.5"),
            (1234567.0, "1234567.000000", "1.23457e+06", "1234567.0"),
            (0.0001, "0.000100", "0.0001", "0.0001"),
            (0.00001, "0.000010", "1e-05", "1e-05"),
            (0.00012345678, "0.000123", "0.000123457", "0.00012345678"),
            (1e14, "100000000000000.000000", "1e+14", "100000000000000.0"),
            (1e15, "1000000000000000.000000", "1e+15", "1e+15"),
            (-2.5e-7, "-0.000000", "-2.5e-07", "-2.5e-07"),
            (f64::INFINITY, "inf", "inf", "null"),
            (f64::NEG_INFINITY, "-inf", "-inf", "null"),
        ] {
            assert_eq!(float_to_string(value), string);
            assert_eq!(float_to_display(value), display);
            assert_eq!(float_to_json(value), json);
        }
        assert_eq!(float_to_json(1.7976931348623157e308), "1.7976931348623157e+308");
        assert_eq!(float_to_json(5e-324), "5e-324");
    }
}
