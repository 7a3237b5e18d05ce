//! What an attacker with the source found, against the measured commit alone: each loses nothing.

use super::bench::Bench;
use super::held::{Judged, MeasuredCommit};
use super::runner::{Outcome, Runner};

/// A step is a call: one statement, or several in one transaction.
type Step = &'static [&'static str];

const STEP: &str = "CREATE CONSTRAINT TRIGGER kicked AFTER INSERT ON kick DEFERRABLE INITIALLY DEFERRED \
                    FOR EACH ROW EXECUTE FUNCTION step()";

const LEVELLED: &str = "CREATE FUNCTION step() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE now_ numeric;
BEGIN
  IF NEW.n = 1 THEN
    SET CONSTRAINTS ALL DEFERRED;
    CREATE TEMP TABLE pad AS SELECT g FROM generate_series(1,5000) g;
    INSERT INTO public.kick VALUES (2);
    PERFORM set_config('my.s', (SELECT sum(pg_stat_get_xact_tuples_inserted(oid) + pg_stat_get_xact_tuples_updated(oid)
      + pg_stat_get_xact_tuples_deleted(oid))::text FROM pg_class WHERE relkind = 'r'), true);
  ELSIF NEW.n = 2 THEN
    SET CONSTRAINTS ALL DEFERRED;
    INSERT INTO public.kick VALUES (3);
    DISCARD TEMP;
    now_ := (SELECT sum(pg_stat_get_xact_tuples_inserted(oid) + pg_stat_get_xact_tuples_updated(oid)
      + pg_stat_get_xact_tuples_deleted(oid)) FROM pg_class WHERE relkind = 'r');
    INSERT INTO public.fill SELECT g FROM generate_series(1, (current_setting('my.s')::numeric - now_)::int) g;
  ELSE
    DELETE FROM public.orders WHERE id > 0; DELETE FROM public.events WHERE id > 0;
  END IF;
  RETURN NULL;
END $$";

const ATTACKS: &[(&str, &[Step])] = &[
    (
        "inserts that are rolled back don't level deletions",
        &[&["DO $$ BEGIN
 BEGIN INSERT INTO orders(id,customer,total) SELECT i,1,1 FROM generate_series(10001,12000) i; RAISE EXCEPTION 'x'; EXCEPTION WHEN OTHERS THEN NULL; END;
 BEGIN INSERT INTO refunds SELECT i,1,1 FROM generate_series(10001,12000) i; RAISE EXCEPTION 'x'; EXCEPTION WHEN OTHERS THEN NULL; END;
 DELETE FROM orders WHERE id > 0; END $$"]],
    ),
    (
        "a deferred trigger doesn't set the search path of the comparison",
        &[
            &["CREATE SCHEMA evil2"],
            &["CREATE FUNCTION evil2.no(a numeric, b bigint) RETURNS bool LANGUAGE sql AS 'SELECT false'"],
            &["CREATE FUNCTION evil2.no4(a numeric, b int) RETURNS bool LANGUAGE sql AS 'SELECT false'"],
            &["CREATE OPERATOR evil2.> (LEFTARG = numeric, RIGHTARG = bigint, FUNCTION = evil2.no)"],
            &["CREATE OPERATOR evil2.> (LEFTARG = numeric, RIGHTARG = int, FUNCTION = evil2.no4)"],
            &["CREATE TABLE kick (n int)"],
            &["CREATE FUNCTION step() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.n = 1 THEN SET CONSTRAINTS ALL DEFERRED; INSERT INTO public.kick VALUES (2);
    ELSE SET LOCAL search_path TO evil2, pg_catalog; END IF; RETURN NULL; END $$"],
            &[STEP],
            &["INSERT INTO kick VALUES (1)", "DELETE FROM orders WHERE id > 0", "DELETE FROM events WHERE id > 0"],
        ],
    ),
    (
        "a dropped table's counters don't hide what is left for the commit",
        &[
            &["CREATE TABLE kick (n int)"],
            &["CREATE TABLE fill (n int)"],
            &[LEVELLED],
            &[STEP],
            &["INSERT INTO kick VALUES (1)"],
        ],
    ),
    (
        "a table of a temporary type goes with it at once",
        &[&[
            "CREATE TYPE pg_temp.c AS (id int, customer int, status text, total numeric, note text, number int)",
            "ALTER TABLE orders OF pg_temp.c",
        ]],
    ),
    (
        "a domain's default of a temporary type goes with it at once",
        &[&[
            "CREATE TEMP TABLE tt (a int) ON COMMIT DROP",
            "ALTER DOMAIN positive SET DEFAULT ((NULL::pg_temp.tt) IS NULL)::int",
        ]],
    ),
    (
        "a new child doesn't make a table larger",
        &[&[
            "CREATE TABLE pad () INHERITS (forty)",
            "INSERT INTO pad SELECT i, i FROM generate_series(1000, 3000) i",
            "DELETE FROM ONLY forty WHERE id > 0",
        ]],
    ),
    (
        "a new parent doesn't make a table larger",
        &[&[
            "CREATE TABLE big (id int NOT NULL, word text)",
            "INSERT INTO big SELECT i, 'x' FROM generate_series(1, 3000) i",
            "ALTER TABLE eleven INHERIT big",
            "DELETE FROM eleven WHERE id > 0",
        ]],
    ),
    (
        "a column that is written anew is a loss",
        &[
            &["CREATE FUNCTION scrub() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
    ALTER TABLE public.refunds ALTER COLUMN amount TYPE numeric USING NULL; RETURN 1; END $$"],
            &["SELECT scrub()"],
        ],
    ),
    (
        "inserted rows don't make a small table large enough for half of it",
        &[&[
            "INSERT INTO forty SELECT i, i FROM generate_series(1000, 3000) i",
            "DELETE FROM forty WHERE id <= 25",
        ]],
    ),
    (
        "a trigger that puts its statement together deletes no large object",
        &[
            &["CREATE TABLE trapped (n int)"],
            &["CREATE FUNCTION step() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    EXECUTE format('SELECT lo_%s(4711)', 'unlink'); RETURN NULL; END $$"],
            &["CREATE TRIGGER step AFTER INSERT ON trapped FOR EACH ROW EXECUTE FUNCTION step()"],
            &["INSERT INTO trapped VALUES (1)"],
        ],
    ),
    (
        "a view keeps its check option",
        &[&["CREATE OR REPLACE VIEW safe_documents WITH (security_barrier) AS SELECT id, body FROM documents WHERE id < 100"]],
    ),
    (
        "a materialized view keeps its rows",
        &[&["REFRESH MATERIALIZED VIEW order_totals WITH NO DATA"]],
    ),
    (
        "rights on what will be made in a schema are rights",
        &[&["ALTER DEFAULT PRIVILEGES IN SCHEMA attic GRANT SELECT ON TABLES TO reader"]],
    ),
    (
        "rights on what will be made are rights, whatever puts the statement together",
        &[&["DO $$ BEGIN EXECUTE 'ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO reader'; END $$"]],
    ),
    (
        "what is published goes on being published",
        &[&["DO $$ BEGIN EXECUTE (SELECT 'DROP PUBLICATION ' || quote_ident(pubname) FROM pg_publication LIMIT 1); END $$"]],
    ),
    (
        "an owner stays the owner",
        &[&["ALTER FUNCTION trim_orders(int) OWNER TO vault_owner"]],
    ),
    (
        "a table that was truncated meanwhile doesn't hide what is left for the commit",
        &[
            &["CREATE TABLE kick (n int)"],
            &["CREATE TABLE kick2 (n int)"],
            &["CREATE FUNCTION step() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF TG_TABLE_NAME = 'kick' THEN SET CONSTRAINTS ALL DEFERRED; INSERT INTO public.kick2 VALUES (1);
    ELSIF TG_TABLE_NAME = 'kick2' THEN SET CONSTRAINTS ALL DEFERRED; TRUNCATE public.kick3; INSERT INTO public.kick3 VALUES (3);
    ELSE DELETE FROM public.orders WHERE id > 0; DELETE FROM public.events WHERE id > 0; END IF; RETURN NULL; END $$"],
            &[STEP],
            &["CREATE CONSTRAINT TRIGGER kicked AFTER INSERT ON kick2 DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION step()"],
            &[
                "CREATE TABLE kick3 (n int)",
                "INSERT INTO kick3 VALUES (0)",
                "CREATE CONSTRAINT TRIGGER kicked AFTER INSERT ON kick3 DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.n = 3) EXECUTE FUNCTION step()",
                "INSERT INTO kick VALUES (1)",
            ],
        ],
    ),
    (
        "a table doesn't get readers by its place under another",
        &[
            &["CREATE TABLE read_by_all (id int, owner_name text, body text)"],
            &["ALTER TABLE documents INHERIT read_by_all"],
        ],
    ),
    (
        "a table isn't moved to a schema that more can reach",
        &[
            &["CREATE TABLE attic.salaries (id int)"],
            &["ALTER TABLE attic.salaries SET SCHEMA public"],
        ],
    ),
    (
        "a large table above doesn't make half of a small one less, by two calls",
        &[
            &["CREATE TABLE big (id int NOT NULL, word text)"],
            &["INSERT INTO big SELECT i, 'x' FROM generate_series(1, 3000) i"],
            &["ALTER TABLE eleven INHERIT big"],
        ],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn attacks_on_the_measured_commit_lose_nothing() {
    let mut bench = Bench::start().await;
    for (what, steps) in ATTACKS {
        let runner = MeasuredCommit::new(&bench.access, Judged::NotAtAll);
        let mut outcomes = Vec::new();
        for step in *steps {
            let statements: Vec<String> = step.iter().map(|text| (*text).to_owned()).collect();
            outcomes.push(runner.run(&statements).await);
        }
        // The session ends, and with it what was temporary.
        runner.restored().await;
        let losses = bench.losses().await.unwrap_or_default();
        assert!(losses.is_empty(), "{what}: {outcomes:?} {losses:?}");
        let last = outcomes.last();
        assert!(
            matches!(last, Some(Outcome::Stopped(why)) if why.starts_with("measured: ")),
            "{what}: {outcomes:?}"
        );
        bench.renew().await;
    }
}
