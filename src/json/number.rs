//! Numbers as they are written: which of them a double holds, and which are whole.

/// The largest whole number that every reader of JSON takes for what it is: 2^53 - 1 (RFC 8259, section 6).
pub(crate) const MAX_NUMBER: u64 = 9_007_199_254_740_991;

/// Whether a number's text says nothing that a double doesn't hold.
pub(crate) fn is_exact_number(token: &str) -> bool {
    token
        .parse::<f64>()
        .is_ok_and(|double| double.is_finite() && digits(token) == digits(&format!("{double:?}")))
}

/// The whole number that a number's text says, however it is written, up to 2^53.
pub(crate) fn whole(token: &str) -> Option<i64> {
    let double = token.parse::<f64>().ok()?;
    if double.fract() != 0.0 || double.abs() > MAX_NUMBER as f64 || !is_exact_number(token) {
        return None;
    }
    format!("{double:.0}").parse().ok()
}

/// A number's sign, digits and exponent, the same for every text that says the same number.
pub(super) fn digits(token: &str) -> Option<(bool, String, i64)> {
    let (negative, token) = match token.strip_prefix('-') {
        Some(token) => (true, token),
        None => (false, token),
    };
    let (mantissa, exponent) = token.split_once(['e', 'E']).unwrap_or((token, "0"));
    let mut exponent: i64 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    let all = format!("{whole}{fraction}");
    let significant = all.trim_start_matches('0');
    let short = significant.trim_end_matches('0');
    exponent = exponent.checked_add(i64::try_from(significant.len() - short.len()).ok()?)?;
    Some(if short.is_empty() {
        (false, String::new(), 0)
    } else {
        (negative, short.to_owned(), exponent)
    })
}
