//! Dumps of schemas: what `pg_dump` really writes for odd names, and texts that are no dump at all.

use proptest::prelude::*;
use sql_effect::{Difference, Dump};

use harness::postgres::Postgres;

/// A schema in which every name and text is a trap.
const ODD: &str = r#"
CREATE SCHEMA "Back; office";
CREATE SCHEMA "a; Type: TABLE; Schema: b; Owner: c";
CREATE TABLE "Back; office"."dotted.name" (id int8 PRIMARY KEY, "a;b" text, "quo""te" int, "new
line" text, "ünï©ode 表" text);
CREATE TABLE "a; Type: TABLE; Schema: b; Owner: c".plain (a int, b int);
CREATE TABLE "x; Type: VIEW; Schema: public; Owner: y" (a int, b int);
CREATE TABLE "-- Name: fake; Type: TABLE; Schema: public; Owner: o" (a int);
CREATE TABLE "line
-- Name: fake; Type: TABLE; Schema: public; Owner: o
CREATE TABLE public.fake (
    a integer
);" (a int);
CREATE TABLE words (
    "constraint" int, "check" int, "primary" int, "unique" int, "foreign" int, "like" int, "default" int, "not" int, "null" int,
    exclude int, partition int, generated int, always int, "table" int, type int, period int, "Constraint" int, temporary int
);
CREATE TABLE partition (a int, b int);
CREATE TABLE "of" (a int, b int);
CREATE UNLOGGED TABLE unlogged (a int, b int);
CREATE TYPE generated AS ENUM ('a, b', 'c) d');
CREATE TABLE typed (g generated NOT NULL DEFAULT 'a, b', n numeric(10,2) DEFAULT 0 NOT NULL, t timestamp(3) with time zone, v varchar(7)[],
    i interval day to second(2), b bit varying(5), c text COLLATE "C" DEFAULT 'x,y (z' NOT NULL);
CREATE TABLE computed (a int, b int GENERATED ALWAYS AS ((a * 2) + 1) STORED, c text DEFAULT concat('(', ',', E'\n', ';', '$$') NOT NULL,
    d int GENERATED ALWAYS AS IDENTITY, e text[] DEFAULT ARRAY['a,b', 'c']);
CREATE TABLE checked (a int CONSTRAINT a CHECK (a > 0), b text, CONSTRAINT b CHECK (b <> 'a, b); DROP TABLE x; --'), CONSTRAINT "c,d" CHECK (a < 10 OR b IN ('x', 'y')));
CREATE TABLE parts (at date NOT NULL, a int) PARTITION BY RANGE (at);
CREATE TABLE part_1 PARTITION OF parts FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE part_rest PARTITION OF parts DEFAULT;
CREATE TABLE parent (a int, b int);
CREATE TABLE child (c int) INHERITS (parent);
CREATE TABLE "nothing" ();
CREATE TYPE pair AS (a int, b text);
CREATE TABLE of_type OF pair;
CREATE TABLE of_type_keyed OF pair (PRIMARY KEY (a), b WITH OPTIONS NOT NULL DEFAULT 'x');
COMMENT ON TABLE typed IS '--
-- Name: fake; Type: TABLE; Schema: public; Owner: o
--

CREATE TABLE public.fake (
    a integer
);
';
COMMENT ON COLUMN typed.n IS 'semi; colon "and" it''s';
CREATE VIEW "v; w" AS SELECT 'a;b' AS "a;b", a FROM child, generate_series(1, 2) AS g(h);
CREATE MATERIALIZED VIEW mat AS SELECT a FROM partition;
CREATE FUNCTION body() RETURNS int LANGUAGE plpgsql AS $x$
BEGIN
    -- Name: fake; Type: TABLE; Schema: public; Owner: o
    CREATE TABLE public.fake (a integer);
    RETURN 1; -- it's; "odd
END $x$;
CREATE FUNCTION rows() RETURNS TABLE(a int, b text) LANGUAGE sql AS 'SELECT 1, ''x''';
CREATE FUNCTION standard(a int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT CASE WHEN a > 1 THEN 2 ELSE 3 END; SELECT 4; END;
CREATE FUNCTION begin() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE RULE several AS ON DELETE TO partition DO ALSO (INSERT INTO "of" VALUES (1, 2); INSERT INTO "of" VALUES (3, 4));
CREATE FOREIGN DATA WRAPPER w;
CREATE SERVER far FOREIGN DATA WRAPPER w OPTIONS (host 'a;b');
CREATE FOREIGN TABLE abroad (a int, b int) SERVER far OPTIONS (name 'x, y');
CREATE SEQUENCE "se;q";
CREATE INDEX "in;dex" ON partition ((a + 1)) WHERE b > 0;
CREATE TRIGGER "tr;igger" BEFORE UPDATE ON partition FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
CREATE POLICY "po;licy" ON partition USING (a > 0 AND 'x;y' <> 'z');
GRANT SELECT ON partition TO public;
"#;

/// Changes, and the losses that each must show: nothing more and nothing less.
const CHANGES: &[(&str, &[&str])] = &[
    (
        r#"DROP TABLE "Back; office"."dotted.name""#,
        &["dotted.name: all of its rows"],
    ),
    (
        r#"DROP TABLE "a; Type: TABLE; Schema: b; Owner: c".plain"#,
        &["all of its rows"],
    ),
    (
        r#"ALTER TABLE "a; Type: TABLE; Schema: b; Owner: c".plain DROP COLUMN b"#,
        &["all values of column b"],
    ),
    (
        r#"DROP TABLE "x; Type: VIEW; Schema: public; Owner: y""#,
        &["y: all of its rows"],
    ),
    (
        r#"ALTER TABLE "x; Type: VIEW; Schema: public; Owner: y" DROP a"#,
        &["all values of column a"],
    ),
    (
        r#"DROP TABLE "-- Name: fake; Type: TABLE; Schema: public; Owner: o""#,
        &["all of its rows"],
    ),
    (
        "DROP TABLE \"line\n-- Name: fake; Type: TABLE; Schema: public; Owner: o\nCREATE TABLE public.fake (\n    a integer\n);\"",
        &["all of its rows"],
    ),
    (
        "ALTER TABLE \"Back; office\".\"dotted.name\" DROP COLUMN \"new\nline\"",
        &["all values of column new"],
    ),
    (
        r#"ALTER TABLE "Back; office"."dotted.name" DROP COLUMN "a;b", DROP COLUMN "quo""te", DROP "ünï©ode 表""#,
        &["column a;b", "column quo\"te", "column ünï©ode 表"],
    ),
    (
        r#"ALTER TABLE words DROP "constraint", DROP "check", DROP "primary", DROP "unique", DROP "foreign", DROP "like""#,
        &[
            "column constraint",
            "column check",
            "column primary",
            "column unique",
            "column foreign",
            "column like",
        ],
    ),
    (
        r#"ALTER TABLE words DROP "default", DROP "not", DROP "null", DROP exclude, DROP partition, DROP generated, DROP always"#,
        &[
            "column default",
            "column not",
            "column null",
            "column exclude",
            "column partition",
            "column generated",
            "column always",
        ],
    ),
    (
        r#"ALTER TABLE words DROP "table", DROP type, DROP period, DROP "Constraint", DROP temporary"#,
        &[
            "column table",
            "column type",
            "column period",
            "column Constraint",
            "column temporary",
        ],
    ),
    (
        "ALTER TABLE words ALTER exclude TYPE int8",
        &["column exclude are converted from integer to bigint"],
    ),
    (
        "DROP MATERIALIZED VIEW mat; DROP TABLE partition",
        &["TABLE public.partition: all of its rows"],
    ),
    ("ALTER TABLE partition DROP b CASCADE", &["all values of column b"]),
    (r#"ALTER TABLE "of" DROP b CASCADE"#, &["all values of column b"]),
    ("DROP TABLE unlogged", &["all of its rows"]),
    ("ALTER TABLE unlogged DROP a", &["all values of column a"]),
    ("ALTER TABLE unlogged SET LOGGED", &[]),
    (
        "ALTER TABLE typed ALTER g DROP DEFAULT, ALTER g TYPE text",
        &["column g are converted from public.generated to text"],
    ),
    ("ALTER TABLE typed ALTER g DROP DEFAULT, ALTER g DROP NOT NULL", &[]),
    (
        "ALTER TABLE typed ALTER n TYPE numeric(12,2)",
        &["from numeric(10,2) to numeric(12,2)"],
    ),
    (
        "ALTER TABLE typed ALTER t TYPE timestamp(3) without time zone",
        &["from timestamp(3) with time zone to timestamp(3) without time zone"],
    ),
    (
        "ALTER TABLE typed ALTER v TYPE varchar(8)[]",
        &["from character varying(7)[] to character varying(8)[]"],
    ),
    (
        "ALTER TABLE typed ALTER n SET DEFAULT 1, ALTER n DROP NOT NULL, ALTER t SET NOT NULL, ALTER c SET DEFAULT 'NOT NULL, DEFAULT (', ALTER i SET DEFAULT '1 day'",
        &[],
    ),
    ("ALTER TABLE typed ALTER c TYPE text COLLATE \"POSIX\"", &[]),
    ("ALTER TYPE generated ADD VALUE 'e; f'", &[]),
    ("COMMENT ON TABLE typed IS NULL; COMMENT ON COLUMN typed.n IS NULL", &[]),
    ("ALTER TABLE computed DROP b", &["all values of column b"]),
    ("ALTER TABLE computed ALTER b DROP EXPRESSION", &[]),
    ("ALTER TABLE computed DROP d, DROP e", &["column d", "column e"]),
    (
        "ALTER TABLE computed ALTER c SET DEFAULT '),', ALTER e DROP DEFAULT, ALTER d DROP IDENTITY",
        &[],
    ),
    (
        "ALTER TABLE checked DROP CONSTRAINT a, DROP CONSTRAINT b, DROP CONSTRAINT \"c,d\"",
        &[],
    ),
    (
        "ALTER TABLE checked DROP CONSTRAINT b; ALTER TABLE checked DROP b",
        &["all values of column b"],
    ),
    ("DROP TABLE part_1", &["TABLE public.part_1: all of its rows"]),
    ("ALTER TABLE parts DETACH PARTITION part_1", &[]),
    (
        "ALTER TABLE parts DROP a",
        &["part_1: all values of column a", "part_rest: all values of column a"],
    ),
    (
        "DROP TABLE parts",
        &["part_1: all of its rows", "part_rest: all of its rows"],
    ),
    ("ALTER TABLE child DROP c", &["child: all values of column c"]),
    ("DROP VIEW \"v; w\"; DROP TABLE child", &["child: all of its rows"]),
    ("DROP TABLE \"nothing\"", &["all of its rows"]),
    ("DROP TABLE of_type", &["of_type: all of its rows"]),
    ("ALTER TABLE of_type_keyed ALTER b DROP NOT NULL", &[]),
    (
        "ALTER TABLE of_type_keyed ALTER b DROP NOT NULL, ALTER b DROP DEFAULT, DROP CONSTRAINT of_type_keyed_pkey",
        &[],
    ),
    ("DROP VIEW \"v; w\"", &[]),
    ("DROP MATERIALIZED VIEW mat", &[]),
    (
        "DROP FUNCTION body; DROP FUNCTION rows; DROP FUNCTION standard; DROP FUNCTION begin",
        &[],
    ),
    (
        "DROP RULE several ON partition; DROP POLICY \"po;licy\" ON partition; DROP INDEX \"in;dex\"; DROP SEQUENCE \"se;q\"",
        &[],
    ),
    ("DROP FOREIGN TABLE abroad", &[]),
    ("ALTER FOREIGN TABLE abroad DROP a, ALTER b TYPE int8", &[]),
    (
        "DROP SCHEMA \"Back; office\" CASCADE",
        &["dotted.name: all of its rows"],
    ),
    ("CREATE TABLE fresh (a int); ALTER TABLE words ADD extra int", &[]),
];

/// The dump after a change.
async fn dumped(name: &str, change: &str) -> Result<String, String> {
    let client = Postgres::copy(name, "dump_odd").await;
    let done = client.batch_execute(change).await;
    done.map_err(|error| format!("{change}: {:?}", error.as_db_error()))?;
    drop(client);
    Ok(dump(name).await)
}

async fn dump(name: &str) -> String {
    let name = name.to_owned();
    tokio::task::spawn_blocking(move || Postgres::shared().dump(&name))
        .await
        .unwrap()
}

fn difference(before: &str, after: &str) -> Difference {
    Dump::read(before).to(&Dump::read(after))
}

#[tokio::test]
async fn of_odd_names_each_loss_is_found_and_none_is_made_up() {
    let client = Postgres::database("dump_odd").await;
    client
        .batch_execute(ODD)
        .await
        .unwrap_or_else(|error| panic!("{:?}", error.as_db_error()));
    drop(client);
    let before = dump("dump_odd").await;
    assert!(difference(&before, &before).is_empty());
    let tables = difference("", &before);
    assert_eq!(tables.losses, [""; 0], "what is new loses nothing");
    assert!(
        !tables.added.iter().any(|name| name.contains("public.fake")),
        "{:?}",
        tables.added
    );
    // All that holds rows is lost where all goes; parents of partitions and what lies elsewhere hold none.
    let all = difference(&before, "").losses;
    assert_eq!(all.len(), 19, "{all:#?}");
    let mut wrong = Vec::new();
    for (number, (change, losses)) in CHANGES.iter().enumerate() {
        let after = match dumped(&format!("dump_odd_{number}"), change).await {
            Ok(after) => after,
            Err(error) => {
                wrong.push(error);
                continue;
            }
        };
        let found = difference(&before, &after);
        if found.is_empty() {
            wrong.push(format!("{change}: nothing differs"));
        }
        let fits = found.losses.len() == losses.len()
            && losses
                .iter()
                .all(|loss| found.losses.iter().any(|found| found.contains(loss)));
        if !fits {
            wrong.push(format!("{change}: {:#?} instead of {losses:#?}", found.losses));
        }
        // The other way around nothing goes that came.
        let back = difference(&after, &before);
        let (added, dropped) = (back.added.len(), back.dropped.len());
        if (added, dropped) != (found.dropped.len(), found.added.len()) {
            wrong.push(format!("{change}: {found:?}, and back {back:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Pieces of dumps.
fn piece() -> impl Strategy<Value = String> {
    let pieces = [
        "--\n-- Name: t; Type: TABLE; Schema: public; Owner: o\n--\n\n",
        "-- Name: ; Type: ; Schema: ; Owner: \n",
        "-- Name: a; Type: b\n",
        "CREATE TABLE public.t (\n",
        "    a integer DEFAULT (1 + 2) NOT NULL,\n",
        "    \"b, c\" text",
        ");\n",
        ") PARTITION BY RANGE (a);\n",
        "CREATE TABLE x PARTITION OF y ",
        "CREATE FOREIGN TABLE f (",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC ",
        "CASE ",
        "END;\n",
        "CONSTRAINT c CHECK ((a > 0))",
        "ALTER TABLE ONLY public.t ADD CONSTRAINT p PRIMARY KEY (a);\n",
        "SET x = '';\n",
        "SELECT pg_catalog.set_config('a', '', false);\n",
        "\\restrict abc\n",
        "-- Dumped from database version 17\n",
        "'",
        "\"",
        "$$",
        "$x$",
        "/*",
        "*/",
        "--",
        "\n",
        ";",
        ",",
        "(",
        ")",
        "U&\"d\\0061\"",
        "E'\\'",
        "ünï",
        "\0",
        "\u{feff}",
        "\\",
    ];
    prop_oneof![4 => prop::sample::select(pieces.map(str::to_owned).to_vec()), 1 => ".{0,12}"]
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(piece(), 0..40).prop_map(|pieces| pieces.concat())
}

/// A name as it stands in SQL and what it means.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z][a-z0-9_]{0,8}",
        "[ -~]{1,20}",
        prop::sample::select(vec![
            "exclude".to_owned(),
            "of".to_owned(),
            "partition".to_owned(),
            "constraint".to_owned(),
            "a; Type: TABLE; Schema: b; Owner: c".to_owned(),
            "ü \" ' ; , ( ) --".to_owned(),
            "$$".to_owned(),
            "/*".to_owned(),
        ]),
    ]
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn table(schema: &str, name: &str, columns: &[(String, &str)]) -> String {
    let columns: Vec<String> = columns
        .iter()
        .map(|(name, kind)| format!("    {} {kind}", quoted(name)))
        .collect();
    format!(
        "--\n-- Name: {name}; Type: TABLE; Schema: {schema}; Owner: o\n--\n\nCREATE TABLE {}.{} (\n{}\n);\n\n\nALTER TABLE {0}.{1} OWNER TO o;\n\n",
        quoted(schema),
        quoted(name),
        columns.join(",\n")
    )
}

const TYPES: [&str; 5] = [
    "integer",
    "numeric(10,2) DEFAULT 0 NOT NULL",
    "text DEFAULT 'a, (b;'::text",
    "timestamp(3) with time zone",
    "character varying(7)[] COLLATE \"C\"",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic_and_each_is_the_same_as_itself(one in text(), other in text()) {
        let (one, other) = (Dump::read(&one), Dump::read(&other));
        prop_assert!(one.to(&one.clone()).is_empty());
        prop_assert!(one.to(&one.clone()).losses.is_empty());
        let (there, back) = (one.to(&other), other.to(&one));
        prop_assert_eq!(there.added, back.dropped);
        prop_assert_eq!(there.dropped, back.added);
        prop_assert_eq!(there.changed.len(), back.changed.len());
    }

    #[test]
    fn what_goes_from_a_table_is_what_is_lost(
        names in prop::collection::btree_set(name(), 3..7),
        schema in name(),
        types in prop::collection::vec(0..TYPES.len(), 7),
        gone in 0..8_usize,
        moved in 0..8_usize,
    ) {
        let names: Vec<String> = names.into_iter().collect();
        let (own, columns) = names.split_first().expect("a name");
        let columns: Vec<(String, &str)> = columns.iter().zip(&types).map(|(name, kind)| (name.clone(), TYPES[*kind])).collect();
        let other = table("public", "other", &[("a".to_owned(), "integer")]);
        let before = table(&schema, own, &columns) + &other;
        // A column goes, and another gets another type.
        let mut fewer = columns.clone();
        let mut expected = 0;
        if moved < fewer.len() {
            fewer[moved].1 = "uuid";
            expected += 1;
        }
        if gone < fewer.len() {
            fewer.remove(gone);
            expected += usize::from(gone != moved);
        }
        let after = table(&schema, own, &fewer) + &other;
        let losses = Dump::read(&before).to(&Dump::read(&after)).losses;
        prop_assert_eq!(losses.len(), expected, "{:?} of {}", losses, before);
        let losses = Dump::read(&before).to(&Dump::read(&other)).losses;
        prop_assert_eq!(losses.len(), 1, "{:?} of {}", losses, before);
    }
}
