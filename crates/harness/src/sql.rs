//! SQL that tests share: ways out of a read-only transaction, and ordinary queries.

use std::collections::BTreeSet;

/// The tables that the queries are about.
pub const SCHEMA: &str = include_str!("sql/schema.sql");
const WRITTEN: &str = include_str!("sql/reads.txt");
const ESCAPES: &str = include_str!("sql/escapes.txt");

/// How many queries are put together.
const MADE: usize = 600;

const EXPRESSIONS: &[&str] = &[
    "f.title",
    "f.film_id + 1",
    "upper(f.title) || '; delete from film; --'",
    "count(*) over (partition by f.rating order by f.length desc)",
    "coalesce(f.rating, $$none; commit$$)",
    "case when f.length > 90 then 'long' else E'sh\\'ort;' end",
    "(select max(p.amount) from payment p where p.rental_id = f.film_id)",
    "f.length::text",
    "cast(f.rental_rate as int)",
    "array[f.length, 1]",
    "jsonb_build_object('a', f.title) -> 'a'",
    "to_tsvector('simple', f.title) @@ plainto_tsquery('update')",
    "int4range(1, f.film_id) @> 3",
    "date_trunc('day', now()) - interval '1 day'",
    "f.title ~* '^(insert|delete)'",
    "f.\"rating\" as \"for update\"",
    "row_number() over w",
    "exists (select from inventory i where i.film_id = f.film_id)",
    "f.film_id in (1, 2, 3)",
    "(f.film_id, f.length) = (1, 2)",
    "extract(year from current_date)",
    "substring(f.title from 1 for 3)",
    "f.rental_rate between 0.99 and 4.99",
    "/* drop table film; */ 1",
    "'größe 🙂'",
    "-f.length % 7",
];

const SOURCES: &[&str] = &[
    "film f",
    "public.film as f",
    "only film f",
    "film f join inventory i using (film_id)",
    "film f left join inventory i on i.film_id = f.film_id and i.inventory_id <> 0",
    "film f cross join generate_series(1, 3) as g(n)",
    "film f cross join lateral (select * from inventory i where i.film_id = f.film_id limit 1) l",
    "(select * from film where length > 10) f",
    "(film f natural join inventory)",
    "film f tablesample bernoulli (50)",
    "film f, unnest(array[1, 2]) with ordinality as u(v, o)",
    "(with x as (select * from film) select * from x) f",
];

const CONDITIONS: &[&str] = &[
    "",
    "where f.length > 60",
    "where f.title like 'A%' escape '!' and not f.rating is null",
    "where f.film_id = any (array(select film_id from inventory))",
    "where f.rating not in ('R', 'drop') or f.length is distinct from 3",
    "where (f.title, f.rating) > ('a', 'b') -- for update",
    "where exists (values (1)) and f.title similar to '%(a|b)%'",
];

const TAILS: &[&str] = &[
    "window w as (order by f.film_id)",
    "window w as (partition by f.rating rows unbounded preceding) order by 1 nulls last limit 5",
    "window w as () order by f.film_id desc offset 1 rows fetch first 2 rows only",
];

const AROUND: &[(&str, &str)] = &[
    ("", ""),
    ("with a as (", ") select * from a"),
    ("select count(*) from (", ") s"),
    ("explain ", ""),
    ("explain (analyze, costs off) ", ""),
    ("(", ") union all (select null) limit 10"),
    ("select exists (", ")"),
    (
        "with recursive r(n) as (values (1) union all select n + 1 from r where n < 3), a as materialized (",
        ") table a",
    ),
];

/// Queries of varied shape, the same ones in every run.
pub fn made() -> Vec<String> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut pick = |from: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % from
    };
    let mut queries = BTreeSet::new();
    while queries.len() < MADE {
        let (before, after) = AROUND[pick(AROUND.len())];
        // A column of a union must be alone.
        let columns = if before == "(" { 1 } else { 1 + pick(4) };
        let names = (1..=columns).map(|at| format!("c{at}")).collect::<Vec<_>>();
        let expressions: Vec<_> = names
            .iter()
            .map(|name| {
                let expression = EXPRESSIONS[pick(EXPRESSIONS.len())];
                if expression.contains(" as ") && expression.ends_with('"') {
                    expression.to_owned()
                } else {
                    format!("{expression} as {name}")
                }
            })
            .collect();
        let (source, condition) = (SOURCES[pick(SOURCES.len())], CONDITIONS[pick(CONDITIONS.len())]);
        let tail = TAILS[pick(TAILS.len())];
        queries.insert(format!(
            "{before}select {} from {source} {condition}\n{tail}{after}",
            expressions.join(", ")
        ));
    }
    queries.into_iter().collect()
}

/// Those written by hand.
pub fn written() -> Vec<String> {
    rows(WRITTEN).map(str::to_owned).collect()
}

/// The rows of a data file: no comments, no empty lines.
pub fn rows(file: &'static str) -> impl Iterator<Item = &'static str> {
    file.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// A row's text: `\n`, `\r`, `\\` and `\u{…}` stand for characters.
pub fn text(row: &str) -> String {
    let mut text = String::new();
    let mut rest = row;
    while let Some((before, after)) = rest.split_once('\\') {
        text.push_str(before);
        rest = match after.chars().next() {
            Some('n') => {
                text.push('\n');
                &after[1..]
            }
            Some('r') => {
                text.push('\r');
                &after[1..]
            }
            Some('\\') => {
                text.push('\\');
                &after[1..]
            }
            Some('u') if after.starts_with("u{") => {
                let (code, after) = after[2..].split_once('}').unwrap();
                text.push(char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap());
                after
            }
            _ => {
                text.push('\\');
                after
            }
        };
    }
    text + rest
}

/// Ways out of a read-only transaction.
pub fn escapes() -> Vec<String> {
    rows(ESCAPES).map(text).collect()
}
