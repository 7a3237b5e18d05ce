//! What a request shows: one bearer token in the header, and nowhere else (RFC 6750, section 2).

use http::header::AUTHORIZATION;
use http::{HeaderMap, Uri};

use super::challenge::Denial;

/// The longest token that is looked at, in bytes.
const MAX_TOKEN: usize = 8_192;

/// Names of query parameters that people put tokens into. What stands in an address ends up in logs and histories.
const QUERY_NAMES: [&str; 5] = ["access_token", "token", "bearer_token", "api_key", "apikey"];

/// Refuses a request that carries a token in its address.
///
/// # Errors
/// The answer to it.
pub(super) fn none_in_query(uri: &Uri) -> Result<(), Denial> {
    let query = uri.query().unwrap_or_default();
    let is_token = |name: &str| QUERY_NAMES.iter().any(|known| name.eq_ignore_ascii_case(known));
    match url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| is_token(&name)) {
        true => Err(Denial::Malformed(
            "a token belongs into the Authorization header alone, never into the address",
        )),
        false => Ok(()),
    }
}

/// The token of a request.
///
/// # Errors
/// The answer to a request that shows none, or in no right way.
pub(super) fn token(headers: &HeaderMap) -> Result<&str, Denial> {
    let mut shown = headers.get_all(AUTHORIZATION).iter();
    let Some(only) = shown.next() else {
        return Err(Denial::None);
    };
    if shown.next().is_some() {
        return Err(Denial::Malformed("there is more than one Authorization header"));
    }
    let Ok(text) = only.to_str() else {
        return Err(Denial::Malformed("the Authorization header is no text"));
    };
    let (scheme, token) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Denial::None);
    }
    let token = token.trim();
    // RFC 6750, section 2.1.
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if token.is_empty() || token.len() > MAX_TOKEN || !token.bytes().all(is_token) {
        return Err(Denial::Malformed("what follows Bearer is no token"));
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn shown(values: &[&str]) -> Result<String, Denial> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        token(&headers).map(str::to_owned)
    }

    #[test]
    fn one_token_alone_in_the_header_is_taken() {
        assert_eq!(shown(&["Bearer abc.DEF_-~+/="]).unwrap(), "abc.DEF_-~+/=");
        assert_eq!(shown(&["bearer  abc"]).unwrap(), "abc");
        for none in [vec![], vec!["Basic YTpi"], vec!["abc"], vec![""]] {
            assert_eq!(shown(&none).unwrap_err(), Denial::None, "{none:?}");
        }
        let long = format!("Bearer {}", "x".repeat(8_193));
        for wrong in [
            vec!["Bearer"],
            vec!["Bearer "],
            vec!["Bearer a b"],
            vec!["Bearer a,b"],
            vec!["Bearer \"a\""],
            vec![&long],
            vec!["Bearer a", "Bearer a"],
            vec!["Basic a", "Bearer a"],
        ] {
            assert!(matches!(shown(&wrong), Err(Denial::Malformed(_))), "{wrong:?}");
        }
    }

    #[test]
    fn token_in_the_address_is_refused_however_it_is_written() {
        for wrong in [
            "/mcp?access_token=x",
            "/mcp?a=b&ACCESS_TOKEN=x",
            "/mcp?access%5Ftoken=x",
            "/mcp?token",
            "/mcp?api_key=napi_x",
        ] {
            assert!(none_in_query(&Uri::from_static(wrong)).is_err(), "{wrong}");
        }
        for right in ["/mcp", "/mcp?", "/mcp?readonly=true", "/mcp?tokens=x"] {
            assert!(none_in_query(&Uri::from_static(right)).is_ok(), "{right}");
        }
    }
}
