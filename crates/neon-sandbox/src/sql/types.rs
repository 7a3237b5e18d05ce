//! Which JSON a type's values become: some are known by their OID, of the others Postgres says whether they are arrays.

use std::{collections::HashMap, str};

use postgres_protocol::Oid;

use super::{error::SqlError, lookup::look_up, session::Session};

/// What a value's text becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `true` or `false`.
    Bool,
    /// A number without a fraction that JavaScript can hold.
    Integer,
    /// A number; a string where JSON has no number for it (NaN, Infinity).
    Float,
    /// The JSON itself.
    Json,
    /// The text as a string. Of numbers too, when JavaScript couldn't hold them.
    Text,
    /// An array of such items, set apart by that character.
    Array(Box<Kind>, char),
}

/// The kinds of the types that come most often, by the OIDs that `pg_type.dat` gives them.
fn known(oid: Oid) -> Option<Kind> {
    Some(match oid {
        16 => Kind::Bool,
        // int2, int4
        21 | 23 => Kind::Integer,
        // float4, float8
        700 | 701 => Kind::Float,
        // json, jsonb
        114 | 3802 => Kind::Json,
        // bytea, char, name, int8, text, oid, unknown, bpchar, varchar, date, time, timestamp, timestamptz, interval,
        // timetz, numeric, uuid
        17..=20 | 25 | 26 | 705 | 1042 | 1043 | 1082 | 1083 | 1114 | 1184 | 1186 | 1266 | 1700 | 2950 => Kind::Text,
        _ => return None,
    })
}

/// Asks for the arrays among types. `int2vector` and its like print otherwise, so the function that prints decides.
/// An unusual `search_path` must not put another operator in the place of `=`.
const ARRAYS: &str = "SELECT t.oid, e.oid, e.typdelim \
    FROM pg_catalog.pg_type t JOIN pg_catalog.pg_type e ON e.oid OPERATOR(pg_catalog.=) t.typelem \
    WHERE t.oid OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.oid[]) \
    AND t.typoutput OPERATOR(pg_catalog.=) 'pg_catalog.array_out'::pg_catalog.regproc";

/// The kinds of columns with these types, asking Postgres where there are unknown ones among them.
///
/// It happens within the statement's own exchange, before it runs.
pub(super) async fn kinds(session: &mut Session, oids: &[Oid]) -> Result<Vec<Kind>, SqlError> {
    let unknown: Vec<String> = oids
        .iter()
        .filter(|oid| known(**oid).is_none())
        .map(ToString::to_string)
        .collect();
    let mut arrays = HashMap::new();
    if !unknown.is_empty() {
        let list = format!("{{{}}}", unknown.join(","));
        for row in look_up(session, ARRAYS, &list).await? {
            let [array, item, delimiter] = row.as_slice() else {
                return Err(SqlError::unreadable());
            };
            let array: Oid = number(array)?;
            let item = known(number(item)?).unwrap_or(Kind::Text);
            let delimiter = delimiter.chars().next().unwrap_or(',');
            arrays.insert(array, Kind::Array(Box::new(item), delimiter));
        }
    }
    let kind = |oid: &Oid| known(*oid).or_else(|| arrays.get(oid).cloned()).unwrap_or(Kind::Text);
    Ok(oids.iter().map(kind).collect())
}

fn number(text: &str) -> Result<Oid, SqlError> {
    text.parse().map_err(|_| SqlError::unreadable())
}
