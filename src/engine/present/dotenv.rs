//! A connection string as the lines of an `.env` file, with the names that Neon's and Vercel's templates use.
//!
//! One answer of Neon's is enough: the pooler's host is the compute's with `-pooler` behind its first label, and role,
//! password and database are the same.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use url::{Host, Url};

use crate::catalog::Tool;

/// What stands behind the first label of a pooler's host.
const POOLER: &str = "-pooler";

/// Puts the lines in place of the connection string, where the tool can and the call asks for it. Gives what is said beside it.
pub(in crate::engine) fn rewrite(tool: &Tool, arguments: &Map<String, Value>, answer: &mut Value) -> Option<String> {
    let pointer = tool.declaration.output.env.as_deref()?;
    if arguments.get("format").and_then(Value::as_str) != Some("env") {
        return None;
    }
    let Some(lines) = answer.pointer(pointer).and_then(Value::as_str).and_then(lines) else {
        return Some("Neon's connection string is of a form that can't be split: it is shown as it came.".to_owned());
    };
    // An address, as the sandbox's, has no pooler beside it.
    let mut urls = lines
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(_, url)| url);
    let pools = urls.next() != urls.next();
    *answer = serde_json::json!({ "env": lines });
    if !pools {
        return Some(
            "There is no pooler here: all of these connect directly. Keep the file out of version control.".to_owned(),
        );
    }
    Some(
        "DATABASE_URL and PGHOST go through the pooler; what needs a session of its own (migrations, LISTEN, \
         prepared statements by name) takes the UNPOOLED ones. Keep the file out of version control."
            .to_owned(),
    )
}

/// The lines; nothing where the text isn't a connection string with host, role, password and database.
fn lines(uri: &str) -> Option<String> {
    let url = Url::parse(uri).ok()?;
    let scheme = matches!(url.scheme(), "postgres" | "postgresql");
    let decoded = |text: &str| {
        percent_decode_str(text)
            .decode_utf8()
            .ok()
            .map(|text| text.into_owned())
    };
    let host = url.host_str().filter(|host| scheme && !host.is_empty())?;
    let user = decoded(url.username()).filter(|user| !user.is_empty())?;
    let password = decoded(url.password()?)?;
    let database = decoded(url.path().strip_prefix('/')?).filter(|name| !name.is_empty())?;
    let (pooled, direct) = hosts(host);
    let at = |host: &str| {
        let mut url = url.clone();
        url.set_host(Some(host)).ok()?;
        Some(String::from(url))
    };
    let mut variables = vec![
        ("DATABASE_URL", at(&pooled)?),
        ("DATABASE_URL_UNPOOLED", at(&direct)?),
        ("PGHOST", pooled),
        ("PGHOST_UNPOOLED", direct),
    ];
    variables.extend(url.port().map(|port| ("PGPORT", port.to_string())));
    variables.extend([("PGUSER", user), ("PGDATABASE", database), ("PGPASSWORD", password)]);
    Some(
        variables
            .iter()
            .map(|(name, value)| format!("{name}={}\n", quoted(value)))
            .collect(),
    )
}

/// The host of the pooler and the compute's own. An address has no pooler beside it: it is both.
fn hosts(host: &str) -> (String, String) {
    let is_name = matches!(Host::parse(host), Ok(Host::Domain(_)));
    match host.split_once('.') {
        Some((label, rest)) if is_name => {
            let own = label.strip_suffix(POOLER).unwrap_or(label);
            (format!("{own}{POOLER}.{rest}"), format!("{own}.{rest}"))
        }
        _ => (host.to_owned(), host.to_owned()),
    }
}

/// A value that means the same to a shell and to those who read `.env` files: as it is where nothing in it is special, else
/// quoted. No value can begin a line of its own.
fn quoted(value: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "-._~:/?@%=+,".contains(char);
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    if !value.contains('\'') && !value.chars().any(char::is_control) {
        return format!("'{value}'");
    }
    let mut text = String::from("\"");
    for char in value.chars() {
        match char {
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '"' | '\\' | '$' | '`' => text.extend(['\\', char]),
            other if other.is_control() => {}
            other => text.push(other),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_hosts_follow_from_either() {
        let expected = "\
DATABASE_URL='postgresql://app:p%40ss@ep-a-pooler.c-2.aws.neon.tech/shop?sslmode=require&channel_binding=require'
DATABASE_URL_UNPOOLED='postgresql://app:p%40ss@ep-a.c-2.aws.neon.tech/shop?sslmode=require&channel_binding=require'
PGHOST=ep-a-pooler.c-2.aws.neon.tech
PGHOST_UNPOOLED=ep-a.c-2.aws.neon.tech
PGUSER=app
PGDATABASE=shop
PGPASSWORD=p@ss
";
        for host in ["ep-a.c-2.aws.neon.tech", "ep-a-pooler.c-2.aws.neon.tech"] {
            let uri = format!("postgresql://app:p%40ss@{host}/shop?sslmode=require&channel_binding=require");
            assert_eq!(lines(&uri).unwrap(), expected);
        }
    }

    #[test]
    fn an_address_is_its_own_pooler_and_has_its_port() {
        let lines = lines("postgresql://r:p@127.0.0.1:4242/db?sslmode=disable").unwrap();
        assert!(
            lines.contains("PGHOST=127.0.0.1\nPGHOST_UNPOOLED=127.0.0.1\nPGPORT=4242\n"),
            "{lines}"
        );
        assert!(!lines.contains(POOLER), "{lines}");
    }

    #[test]
    fn what_is_decoded_stays_one_value() {
        let lines = lines("postgresql://a%20b:x%0APGHOST%3Devil%27%22%24@h.example.com/d%23b").unwrap();
        assert_eq!(lines.lines().count(), 7, "{lines}");
        assert!(lines.contains("PGUSER='a b'\n"), "{lines}");
        assert!(lines.contains("PGDATABASE='d#b'\n"), "{lines}");
        assert!(lines.contains("PGPASSWORD=\"x\\nPGHOST=evil'\\\"\\$\"\n"), "{lines}");
    }

    #[test]
    fn what_is_no_connection_string_has_no_lines() {
        for uri in [
            "",
            "https://r:p@h.example.com/db",
            "postgresql://h.example.com/db",
            "postgresql://r:p@h.example.com",
        ] {
            assert_eq!(lines(uri), None, "{uri}");
        }
    }
}
