-- What may be lost, and what may lose it. All of it is there before the statements of a run come.

CREATE ROLE reader LOGIN PASSWORD 'r';
CREATE ROLE writer NOLOGIN;
CREATE ROLE app LOGIN PASSWORD 'a' IN ROLE writer;
CREATE ROLE vault_owner NOLOGIN;
CREATE ROLE loose NOLOGIN;
ALTER ROLE reader SET statement_timeout = '10s';
GRANT vault_owner TO neondb_owner;
GRANT USAGE, CREATE ON SCHEMA public TO vault_owner;

CREATE SCHEMA evil;
CREATE SCHEMA attic;

-- Tables of several sizes.
CREATE TYPE mood AS ENUM ('calm', 'busy', 'angry');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE SEQUENCE order_numbers START 1000;
CREATE TABLE orders (
    id int PRIMARY KEY,
    customer int NOT NULL,
    status text NOT NULL DEFAULT 'open' CONSTRAINT known_status CHECK (status IN ('open', 'paid', 'void')),
    total numeric NOT NULL CHECK (total >= 0),
    note text,
    number int NOT NULL DEFAULT nextval('order_numbers') UNIQUE
);
CREATE INDEX orders_customer ON orders (customer);
INSERT INTO orders (id, customer, status, total, note)
    SELECT i, i % 50, (ARRAY['open', 'paid', 'void'])[i % 3 + 1], i * 1.5, 'n' || i FROM generate_series(1, 500) i;
CREATE TABLE refunds (
    id int PRIMARY KEY,
    order_id int NOT NULL REFERENCES orders ON DELETE CASCADE,
    amount numeric
);
INSERT INTO refunds SELECT i, i * 2, i FROM generate_series(1, 220) i;
CREATE TABLE tiny (id int PRIMARY KEY, word text, size positive DEFAULT 1);
INSERT INTO tiny SELECT i, 'w' || i FROM generate_series(1, 5) i;
CREATE TABLE eleven (id int PRIMARY KEY, word text);
INSERT INTO eleven SELECT i, 'w' || i FROM generate_series(1, 11) i;
CREATE TABLE forty (id int PRIMARY KEY, n int UNIQUE, feeling mood DEFAULT 'calm');
INSERT INTO forty SELECT i, i FROM generate_series(1, 40) i;
CREATE TABLE events (id int, kind text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE events_a PARTITION OF events FOR VALUES FROM (1) TO (100);
CREATE TABLE events_b PARTITION OF events FOR VALUES FROM (100) TO (200);
CREATE TABLE events_c PARTITION OF events FOR VALUES FROM (200) TO (300);
INSERT INTO events SELECT i, 'k' || i % 4 FROM generate_series(1, 299) i;
CREATE TABLE animals (id int PRIMARY KEY, name text);
CREATE TABLE cats (lives int DEFAULT 9, PRIMARY KEY (id)) INHERITS (animals);
INSERT INTO animals SELECT i, 'a' || i FROM generate_series(1, 60) i;
INSERT INTO cats SELECT i, 'c' || i FROM generate_series(61, 120) i;
CREATE TABLE documents (id int PRIMARY KEY, owner_name text DEFAULT current_user, body text);
INSERT INTO documents SELECT i, (ARRAY['reader', 'app', 'neondb_owner'])[i % 3 + 1], 'b' || i FROM generate_series(1, 120) i;
ALTER TABLE documents ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON documents TO reader, app USING (owner_name = current_user);
CREATE POLICY few ON documents AS RESTRICTIVE FOR DELETE USING (id > 10);
CREATE TABLE ledger (id int PRIMARY KEY, amount int);
CREATE TABLE ledger_log (id int GENERATED ALWAYS AS IDENTITY, what text);
INSERT INTO ledger SELECT i, i FROM generate_series(1, 150) i;
CREATE TABLE jobs (id int PRIMARY KEY, state text DEFAULT 'new');
INSERT INTO jobs SELECT i FROM generate_series(1, 20) i;
CREATE TABLE inbox (n int);
CREATE TABLE nodes (id int PRIMARY KEY, parent int REFERENCES nodes ON DELETE CASCADE DEFERRABLE);
INSERT INTO nodes SELECT i, NULLIF(i / 2, 0) FROM generate_series(1, 127) i;
SELECT lo_from_bytea(4711, 'a large object');
ALTER LARGE OBJECT 4711 OWNER TO neondb_owner;

-- Views.
CREATE VIEW open_orders AS SELECT * FROM orders WHERE status = 'open';
CREATE VIEW safe_documents WITH (security_barrier) AS SELECT id, body FROM documents WHERE id < 100 WITH CHECK OPTION;
CREATE MATERIALIZED VIEW order_totals AS SELECT customer, sum(total) AS total FROM orders GROUP BY customer;
CREATE UNIQUE INDEX ON order_totals (customer);

-- Functions that lose something.
CREATE FUNCTION wipe_refunds() RETURNS bigint LANGUAGE sql AS
    'WITH gone AS (DELETE FROM public.refunds RETURNING 1) SELECT count(*) FROM gone';
CREATE FUNCTION trim_orders(most int) RETURNS int LANGUAGE plpgsql AS
    $$ DECLARE n int; BEGIN DELETE FROM public.orders WHERE id <= most; GET DIAGNOSTICS n = ROW_COUNT; RETURN n; END $$;
CREATE FUNCTION empty_events() RETURNS void LANGUAGE plpgsql AS $$ BEGIN TRUNCATE public.events; END $$;
CREATE FUNCTION run_text(statement text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE statement; RETURN 1; END $$;
CREATE FUNCTION drop_thing(name text) RETURNS int LANGUAGE plpgsql AS
    $$ BEGIN EXECUTE format('DROP TABLE IF EXISTS public.%I CASCADE', name); RETURN 1; END $$;
CREATE FUNCTION share(name text, with_whom text) RETURNS int LANGUAGE plpgsql AS
    $$ BEGIN EXECUTE format('GRANT ALL ON public.%I TO %I', name, with_whom); RETURN 1; END $$;
CREATE FUNCTION quietly() RETURNS int LANGUAGE plpgsql AS $$
    BEGIN
        BEGIN
            DELETE FROM public.forty;
            RAISE EXCEPTION 'undone';
        EXCEPTION WHEN OTHERS THEN
            DELETE FROM public.eleven WHERE id <= 6;
        END;
        RETURN 1;
    END $$;
CREATE FUNCTION only_pretends() RETURNS int LANGUAGE plpgsql AS $$
    BEGIN
        BEGIN
            DELETE FROM public.orders;
            DROP TABLE public.tiny;
            RAISE EXCEPTION 'undone';
        EXCEPTION WHEN OTHERS THEN
            RETURN 0;
        END;
    END $$;
CREATE FUNCTION scramble() RETURNS int LANGUAGE sql AS
    'UPDATE public.orders SET note = md5(id::text) WHERE id <= 300; SELECT 1';
CREATE FUNCTION purge_orders() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM public.refunds; RETURN NULL; END $$;
CREATE FUNCTION wipe_and_compare(a int, b int) RETURNS boolean LANGUAGE plpgsql AS
    $$ BEGIN DELETE FROM public.forty; RETURN a OPERATOR(pg_catalog.=) b; END $$;
CREATE FUNCTION purge_step(state int, value int) RETURNS int LANGUAGE plpgsql AS
    $$ BEGIN DELETE FROM public.ledger; RETURN coalesce(state, 0) + value; END $$;
CREATE FUNCTION purge_end(state int) RETURNS int LANGUAGE plpgsql AS
    $$ BEGIN DELETE FROM public.nodes; RETURN state; END $$;
CREATE FUNCTION sneaky_default() RETURNS int LANGUAGE plpgsql AS
    $$ BEGIN DELETE FROM public.animals WHERE id > 20; RETURN 1; END $$;
CREATE FUNCTION sneaky_check(value int) RETURNS boolean LANGUAGE plpgsql AS
    $$ BEGIN DELETE FROM public.eleven; RETURN true; END $$;
CREATE FUNCTION to_mood(value int) RETURNS mood LANGUAGE plpgsql AS
    $$ BEGIN UPDATE public.forty SET feeling = 'angry'; RETURN 'busy'; END $$;
CREATE FUNCTION widen() RETURNS int LANGUAGE plpgsql AS
    $$ BEGIN ALTER TABLE public.documents DISABLE ROW LEVEL SECURITY; RETURN 1; END $$;
CREATE FUNCTION loosen() RETURNS int LANGUAGE plpgsql AS
    $$ BEGIN ALTER TABLE public.orders DROP CONSTRAINT known_status; RETURN 1; END $$;
CREATE FUNCTION shorten() RETURNS int LANGUAGE plpgsql AS
    $$ BEGIN ALTER TABLE public.orders DROP COLUMN note; RETURN 1; END $$;
CREATE FUNCTION recreate() RETURNS int LANGUAGE plpgsql AS $$
    BEGIN
        ALTER TABLE public.tiny RENAME TO tiny_old;
        CREATE TABLE public.tiny (LIKE public.tiny_old INCLUDING ALL);
        DROP TABLE public.tiny_old;
        RETURN 1;
    END $$;
CREATE FUNCTION enlist(who text) RETURNS int LANGUAGE plpgsql AS
    $$ BEGIN EXECUTE format('GRANT neon_superuser TO %I', who); RETURN 1; END $$;
CREATE FUNCTION set_for(who text) RETURNS int LANGUAGE plpgsql AS
    $$ BEGIN EXECUTE format('ALTER ROLE %I SET search_path = evil, public', who); RETURN 1; END $$;
CREATE FUNCTION tamper() RETURNS text LANGUAGE sql AS
    $$ SELECT set_config('session_replication_role', 'origin', true) || set_config('neon_mcp.baseline', '{}', true)
              || set_config('search_path', 'evil, pg_catalog, public', true) $$;
CREATE PROCEDURE in_two_steps() LANGUAGE plpgsql AS
    $$ BEGIN DELETE FROM public.tiny; COMMIT; DELETE FROM public.eleven; END $$;
CREATE PROCEDURE purge_all() LANGUAGE plpgsql AS
    $$ DECLARE t text; BEGIN FOR t IN SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
       LOOP EXECUTE format('DELETE FROM public.%I', t); END LOOP; END $$;

-- What runs a function without naming it.
CREATE OPERATOR ### (LEFTARG = int, RIGHTARG = int, FUNCTION = wipe_and_compare);
CREATE AGGREGATE purge_sum(int) (SFUNC = purge_step, STYPE = int);
CREATE AGGREGATE purge_last(int) (SFUNC = int4_sum, STYPE = bigint);
CREATE AGGREGATE purge_final(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0', FINALFUNC = purge_end);
CREATE CAST (int AS mood) WITH FUNCTION to_mood(int) AS IMPLICIT;
CREATE TABLE forms (id int DEFAULT sneaky_default(), word text);
CREATE TABLE checked (id int CHECK (sneaky_check(id)));
CREATE FUNCTION ledger_noted() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO public.ledger_log (what) VALUES (TG_OP); RETURN NULL; END $$;
CREATE FUNCTION ledger_kept() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN IF OLD.amount > 100 THEN RETURN NULL; END IF; RETURN OLD; END $$;
CREATE TRIGGER noted AFTER INSERT OR UPDATE OR DELETE ON ledger FOR EACH STATEMENT EXECUTE FUNCTION ledger_noted();
CREATE TRIGGER kept BEFORE DELETE ON ledger FOR EACH ROW EXECUTE FUNCTION ledger_kept();
CREATE CONSTRAINT TRIGGER purged AFTER UPDATE ON jobs DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.state = 'purge') EXECUTE FUNCTION purge_orders();
CREATE RULE clears AS ON INSERT TO inbox DO ALSO DELETE FROM forty WHERE n <= NEW.n;
CREATE RULE instead_of_notes AS ON UPDATE TO inbox DO INSTEAD DELETE FROM ledger_log;
CREATE FUNCTION through_view() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN DELETE FROM public.orders WHERE customer < 30; RETURN NEW; END $$;
CREATE VIEW requests AS SELECT 1 AS id;
CREATE TRIGGER through INSTEAD OF INSERT ON requests FOR EACH ROW EXECUTE FUNCTION through_view();
CREATE VIEW looks_harmless AS SELECT trim_orders(200) AS n;

-- What shadows PostgreSQL's own, once its schema stands first.
CREATE FUNCTION evil.same(a int, b int) RETURNS boolean LANGUAGE plpgsql AS
    $$ BEGIN DELETE FROM public.refunds WHERE id > 20; RETURN a OPERATOR(pg_catalog.=) b; END $$;
CREATE OPERATOR evil.= (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.same);
CREATE FUNCTION evil.same_oid(a oid, b oid) RETURNS boolean LANGUAGE sql AS 'SELECT false';
CREATE OPERATOR evil.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = evil.same_oid);
CREATE FUNCTION evil.less(a bigint, b bigint) RETURNS boolean LANGUAGE sql AS 'SELECT false';
CREATE OPERATOR evil.> (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = evil.less);
CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE plpgsql AS
    $$ BEGIN DELETE FROM public.events; RETURN pg_catalog.now(); END $$;
CREATE FUNCTION evil.pg_stat_get_xact_tuples_deleted(oid) RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint';
CREATE FUNCTION evil.count() RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint';
CREATE VIEW evil.pg_class AS SELECT * FROM pg_catalog.pg_class WHERE false;
CREATE TABLE evil.orders (id int, status text);

-- Another role's table, and a function that has that role's rights.
CREATE TABLE vault (id int PRIMARY KEY, body text);
INSERT INTO vault SELECT i, 'v' || i FROM generate_series(1, 50) i;
ALTER TABLE vault OWNER TO vault_owner;
CREATE FUNCTION vault_wipe() RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS
    $$ BEGIN DELETE FROM public.vault; RETURN 1; END $$;
CREATE FUNCTION vault_run(statement text) RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS
    $$ BEGIN EXECUTE statement; RETURN 1; END $$;
ALTER FUNCTION vault_wipe() OWNER TO vault_owner;
ALTER FUNCTION vault_run(text) OWNER TO vault_owner;

GRANT SELECT ON orders, refunds, documents, tiny TO reader;
GRANT SELECT, INSERT, UPDATE ON orders, documents TO writer;
GRANT UPDATE (word) ON tiny TO app;
GRANT USAGE ON SCHEMA evil, attic TO reader;
REVOKE EXECUTE ON FUNCTION vault_run(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vault_run(text) TO neondb_owner;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO reader;
CREATE PUBLICATION changes FOR TABLE orders;
COMMENT ON TABLE orders IS 'What was ordered; DROP TABLE orders';
ANALYZE;
