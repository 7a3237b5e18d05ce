//! Until when a certificate counts (RFC 5280, section 4.1): of its fields no other is read.

use chrono::{DateTime, NaiveDateTime, Utc};

/// The tags of DER that lead there.
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// One value of DER: its tag, what is in it, and what follows.
fn value(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..0x80 => (usize::from(*first), rest),
        // The long form: so many bytes hold the length.
        _ => {
            let count = usize::from(first & 0x7f);
            let (digits, rest) = (rest.get(..count)?, rest.get(count..)?);
            let length = digits.iter().try_fold(0_usize, |sum, digit| {
                sum.checked_mul(256)?.checked_add(usize::from(*digit))
            })?;
            (length, rest)
        }
    };
    Some((*tag, rest.get(..length)?, rest.get(length..)?))
}

/// What is in a value of that tag, and what follows.
fn tagged(bytes: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    let (tag, inside, rest) = value(bytes)?;
    (tag == wanted).then_some((inside, rest))
}

/// Until when a certificate in DER counts.
pub(super) fn ends(certificate: &[u8]) -> Option<DateTime<Utc>> {
    let (signed, _) = tagged(certificate, SEQUENCE)?;
    let (mut fields, _) = tagged(signed, SEQUENCE)?;
    if let Some((_, rest)) = tagged(fields, VERSION) {
        fields = rest;
    }
    // Number, algorithm and issuer stand before the validity.
    for _ in 0..3 {
        fields = value(fields)?.2;
    }
    let (validity, _) = tagged(fields, SEQUENCE)?;
    let (_, _, rest) = value(validity)?;
    let (tag, text, _) = value(rest)?;
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let whole = match tag {
        // Two digits of a year are those of 1950 to 2049.
        UTC_TIME => {
            let year: u32 = text.get(..2)?.parse().ok()?;
            format!("{}{text}", if year >= 50 { 19 } else { 20 })
        }
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    Some(NaiveDateTime::parse_from_str(&whole, "%Y%m%d%H%M%S").ok()?.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_of_a_certificate_is_read_and_no_other_bytes_are_taken_for_one() {
        let key = rcgen::KeyPair::generate().unwrap();
        for (year, expected) in [(2031, "2031-05-01T00:00:00+00:00"), (2060, "2060-05-01T00:00:00+00:00")] {
            let mut parameters = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
            parameters.not_after = rcgen::date_time_ymd(year, 5, 1);
            let certificate = parameters.self_signed(&key).unwrap();
            let der = certificate.der();
            assert_eq!(ends(der).unwrap().to_rfc3339(), expected);
            for cut in 0..der.len() {
                assert_eq!(ends(&der[..cut]), None, "{cut}");
            }
        }
        for wrong in [&b""[..], b"\x30", b"\x30\xff\xff", &[0x30; 64], b"not a certificate"] {
            assert_eq!(ends(wrong), None);
        }
    }
}
