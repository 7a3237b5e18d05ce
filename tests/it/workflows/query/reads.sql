-- Everyday reads: a case begins with its name, `params` are JSON. None is refused by query_database.

-- case: plain 1
SELECT * FROM customers

-- case: plain 2
SELECT id, name FROM customers ORDER BY name LIMIT 5

-- case: plain 3
SELECT id, name FROM customers ORDER BY name OFFSET 5 ROWS FETCH FIRST 3 ROWS ONLY

-- case: plain 4
SELECT DISTINCT city FROM customers

-- case: plain 5
SELECT DISTINCT ON (city) city, name FROM customers ORDER BY city, joined DESC

-- case: plain 6
SELECT count(*) FROM orders

-- case: plain 7
SELECT count(*), count(DISTINCT city), min(joined), max(joined) FROM customers

-- case: plain 8
SELECT name AS customer, upper(city) "City" FROM customers WHERE city IN ('Bern', 'Oslo')

-- case: plain 9
SELECT * FROM customers WHERE email LIKE '%@example.com' AND NOT city IS NULL

-- case: plain 10
SELECT * FROM customers WHERE name ILIKE 'customer 1%'

-- case: plain 11
SELECT * FROM products WHERE price BETWEEN 3 AND 10 AND category <> 'toy'

-- case: plain 12
SELECT * FROM customers WHERE (city, id) IN (('Bern', 3), ('Rome', 1))

-- case: plain 13
SELECT * FROM orders WHERE status = 'paid' OR total > 100 ORDER BY total DESC NULLS LAST

-- case: plain 14
SELECT * FROM only customers

-- case: plain 15
SELECT customers.* FROM customers WHERE joined > '2024-01-10'

-- case: plain 16
SELECT 1

-- case: plain 17
SELECT

-- case: plain 18
SELECT 'it''s', E'a\tb', $$dollar$$, $q$quoted $$ inside$q$, U&'\0041'

-- case: plain 19
SELECT 1 -- a comment

-- case: plain 20
SELECT /* DELETE FROM customers; */ 1

-- case: plain 21
SELECT 'DROP TABLE customers; COMMIT' AS words

-- case: plain 22
SELECT 1 AS "delete", 2 AS "update"

-- case: plain 23
SELECT name FROM customers WHERE id = (SELECT max(id) FROM customers)

-- case: plain 24
SELECT * FROM customers TABLESAMPLE SYSTEM (50)

-- case: plain 25
SELECT * FROM customers TABLESAMPLE BERNOULLI (10) REPEATABLE (42)

-- case: plain 26
SELECT c FROM customers c LIMIT 1

-- case: plain 27
SELECT (c).name, (c.*) IS NULL FROM customers c

-- case: plain 28
SELECT ctid, xmin, tableoid::regclass FROM customers LIMIT 3

-- case: plain 29
SELECT * FROM paid

-- case: plain 30
SELECT * FROM sales ORDER BY sold DESC

-- case: plain 31
select NULL, true, false, 1.5e3, -2, +3, 0.1::float8

-- case: plain 32
SELECT * FROM customers;

-- case: join 1
SELECT c.name, o.total FROM customers c JOIN orders o ON o.customer_id = c.id

-- case: join 2
SELECT c.name, o.id FROM customers c LEFT JOIN orders o ON o.customer_id = c.id AND o.status = 'paid' WHERE o.id IS NULL

-- case: join 3
SELECT * FROM orders RIGHT JOIN customers ON customers.id = orders.customer_id

-- case: join 4
SELECT * FROM orders o FULL OUTER JOIN items i ON i.order_id = o.id

-- case: join 5
SELECT * FROM customers CROSS JOIN (VALUES (1), (2)) v(n)

-- case: join 6
SELECT order_id, p.name FROM items JOIN products p ON p.id = product_id

-- case: join 7
SELECT * FROM orders NATURAL JOIN (SELECT id, 'x' AS x FROM orders) s

-- case: join 8
SELECT * FROM items JOIN (SELECT id AS order_id, status FROM orders) o USING (order_id)

-- case: join 9
SELECT c.name, p.name, sum(i.quantity) FROM customers c JOIN orders o ON o.customer_id = c.id JOIN items i ON i.order_id = o.id JOIN products p ON p.id = i.product_id GROUP BY c.name, p.name ORDER BY 3 DESC LIMIT 10

-- case: join 10
SELECT e.name, m.name AS manager FROM employees e LEFT JOIN employees m ON m.id = e.manager_id

-- case: join 11
SELECT * FROM customers c, orders o WHERE o.customer_id = c.id AND o.total > 200

-- case: join 12
SELECT * FROM customers c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id AND o.status = 'void')

-- case: join 13
SELECT * FROM customers c WHERE NOT EXISTS (SELECT FROM orders o WHERE o.customer_id = c.id)

-- case: join 14
SELECT * FROM products WHERE id NOT IN (SELECT product_id FROM items)

-- case: join 15
SELECT * FROM products WHERE price > ALL (SELECT price FROM products WHERE category = 'toy')

-- case: join 16
SELECT * FROM products WHERE price = ANY (ARRAY[1.5, 3.0])

-- case: join 17
SELECT a.id, b.id FROM customers a JOIN customers b ON a.city = b.city AND a.id < b.id

-- case: window 1
SELECT name, rank() OVER (ORDER BY salary DESC) FROM employees

-- case: window 2
SELECT name, row_number() OVER (PARTITION BY manager_id ORDER BY hired) FROM employees

-- case: window 3
SELECT id, total, sum(total) OVER (ORDER BY placed_at) AS running FROM orders

-- case: window 4
SELECT id, lag(total) OVER w, lead(total, 2, 0) OVER w FROM orders WINDOW w AS (PARTITION BY customer_id ORDER BY placed_at)

-- case: window 5
SELECT id, avg(total) OVER (ORDER BY id ROWS BETWEEN 6 PRECEDING AND CURRENT ROW) FROM orders

-- case: window 6
SELECT ntile(4) OVER (ORDER BY total), percent_rank() OVER (ORDER BY total), cume_dist() OVER (ORDER BY total) FROM orders

-- case: window 7
SELECT first_value(name) OVER (PARTITION BY city ORDER BY joined), nth_value(name, 2) OVER (PARTITION BY city ORDER BY joined) FROM customers

-- case: window 8
SELECT * FROM (SELECT o.*, row_number() OVER (PARTITION BY customer_id ORDER BY placed_at DESC) AS n FROM orders o) x WHERE n = 1

-- case: window 9
SELECT sum(total) OVER (ORDER BY placed_at RANGE BETWEEN INTERVAL '1 day' PRECEDING AND CURRENT ROW EXCLUDE TIES) FROM orders

-- case: window 10
SELECT sum(total) OVER (ORDER BY status GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM orders

-- case: window 11
SELECT count(*) FILTER (WHERE status = 'paid') OVER (PARTITION BY customer_id) FROM orders

-- case: window 12
SELECT dense_rank() OVER (ORDER BY sum(total) DESC), customer_id FROM orders GROUP BY customer_id

-- case: aggregate 1
SELECT status, count(*), sum(total), avg(total)::numeric(10, 2) FROM orders GROUP BY status

-- case: aggregate 2
SELECT city, count(*) FROM customers GROUP BY city HAVING count(*) > 5

-- case: aggregate 3
SELECT count(*) FILTER (WHERE status = 'paid'), count(*) FILTER (WHERE total > 50) FROM orders

-- case: aggregate 4
SELECT status, customer_id, count(*) FROM orders GROUP BY GROUPING SETS ((status), (customer_id), ())

-- case: aggregate 5
SELECT category, stock, sum(price), grouping(category, stock) FROM products GROUP BY ROLLUP (category, stock)

-- case: aggregate 6
SELECT category, stock, sum(price) FROM products GROUP BY CUBE (category, stock)

-- case: aggregate 7
SELECT string_agg(name, ', ' ORDER BY name) FROM customers

-- case: aggregate 8
SELECT city, array_agg(DISTINCT name ORDER BY name) FROM customers GROUP BY city

-- case: aggregate 9
SELECT json_agg(c), jsonb_agg(c.name) FROM customers c

-- case: aggregate 10
SELECT jsonb_object_agg(name, city) FROM customers

-- case: aggregate 11
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY total), percentile_disc(ARRAY[0.25, 0.75]) WITHIN GROUP (ORDER BY total), mode() WITHIN GROUP (ORDER BY status) FROM orders

-- case: aggregate 12
SELECT corr(quantity, unit_price), stddev(quantity), variance(quantity), regr_slope(quantity, product_id) FROM items

-- case: aggregate 13
SELECT bool_and(total > 0), bool_or(total > 100), every(total > 0) FROM orders

-- case: aggregate 14
SELECT bit_and(id), bit_or(id), max(ARRAY[id]) FROM orders

-- case: aggregate 15
SELECT rank(50) WITHIN GROUP (ORDER BY total) FROM orders

-- case: aggregate 16
SELECT date_trunc('week', placed_at) AS week, count(*) FROM orders GROUP BY 1 ORDER BY 1

-- case: aggregate 17
SELECT count(*) FROM (SELECT DISTINCT customer_id FROM orders) s

-- case: aggregate 18
SELECT min(x), max(x) FROM generate_series(1, 10) x

-- case: aggregate 19
SELECT range_agg(during) FROM bookings

-- case: aggregate 20
SELECT any_city, n FROM (SELECT city AS any_city, count(*) AS n FROM customers GROUP BY city) s ORDER BY n

-- case: cte 1
WITH big AS (SELECT * FROM orders WHERE total > 100) SELECT count(*) FROM big

-- case: cte 2
WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS y FROM a) SELECT * FROM a, b

-- case: cte 3
WITH a AS MATERIALIZED (SELECT * FROM orders) SELECT max(total) FROM a

-- case: cte 4
WITH a AS NOT MATERIALIZED (SELECT * FROM orders) SELECT min(total) FROM a

-- case: cte 5
WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 20) SELECT sum(i) FROM n

-- case: cte 6
WITH RECURSIVE tree AS (SELECT id, name, 0 AS depth FROM employees WHERE manager_id IS NULL UNION ALL SELECT e.id, e.name, t.depth + 1 FROM employees e JOIN tree t ON e.manager_id = t.id) SELECT * FROM tree ORDER BY depth

-- case: cte 7
WITH RECURSIVE tree AS (SELECT id, manager_id FROM employees WHERE id = 1 UNION SELECT e.id, e.manager_id FROM employees e JOIN tree t ON e.manager_id = t.id) SEARCH DEPTH FIRST BY id SET seq CYCLE id SET looped USING route SELECT * FROM tree ORDER BY seq

-- case: cte 8
WITH RECURSIVE fib(a, b) AS (SELECT 0, 1 UNION ALL SELECT b, a + b FROM fib WHERE b < 100) SELECT a FROM fib

-- case: cte 9
WITH t(a, b) AS (VALUES (1, 'x'), (2, 'y')) TABLE t

-- case: cte 10
WITH monthly AS (SELECT date_trunc('month', placed_at) m, sum(total) s FROM orders GROUP BY 1) SELECT m, s, s - lag(s) OVER (ORDER BY m) FROM monthly

-- case: cte 11
SELECT * FROM (WITH x AS (SELECT 1 AS one) SELECT * FROM x) s

-- case: cte 12
WITH RECURSIVE days AS (SELECT date '2024-01-01' AS d UNION ALL SELECT d + 1 FROM days WHERE d < '2024-01-10') SELECT d, count(c.id) FROM days LEFT JOIN customers c ON c.joined = d GROUP BY d ORDER BY d

-- case: lateral 1
SELECT c.name, last.total FROM customers c CROSS JOIN LATERAL (SELECT total FROM orders o WHERE o.customer_id = c.id ORDER BY placed_at DESC LIMIT 1) last

-- case: lateral 2
SELECT c.name, last.* FROM customers c LEFT JOIN LATERAL (SELECT id, total FROM orders o WHERE o.customer_id = c.id LIMIT 2) last ON true

-- case: lateral 3
SELECT c.name, tag FROM customers c, unnest(c.tags) AS tag

-- case: lateral 4
SELECT c.id, t.tag, t.place FROM customers c, unnest(c.tags) WITH ORDINALITY AS t(tag, place)

-- case: lateral 5
SELECT e.id, i.* FROM events e, jsonb_to_recordset(e.payload -> 'items') AS i(sku text, n int)

-- case: lateral 6
SELECT e.id, k, v FROM events e CROSS JOIN LATERAL jsonb_each(e.payload) AS x(k, v)

-- case: lateral 7
SELECT * FROM generate_series(1, 3) a, LATERAL generate_series(1, a) b

-- case: lateral 8
SELECT * FROM ROWS FROM (generate_series(1, 3), unnest(ARRAY['a', 'b'])) WITH ORDINALITY AS r(n, t, place)

-- case: json 1
SELECT profile -> 'address' ->> 'zip' FROM customers

-- case: json 2
SELECT profile #>> '{address,zip}', profile #> '{likes,0}' FROM customers

-- case: json 3
SELECT * FROM customers WHERE profile @> '{"age": 25}'

-- case: json 4
SELECT * FROM customers WHERE profile ? 'age' AND profile ?| ARRAY['age', 'x'] AND profile ?& ARRAY['age', 'likes']

-- case: json 5
SELECT jsonb_path_query(payload, '$.items[*] ? (@.n > 10).sku') FROM events

-- case: json 6
SELECT jsonb_path_exists(payload, '$.price ? (@ > 5)'), jsonb_path_query_array(payload, '$.items[*].sku') FROM events

-- case: json 7
SELECT payload @? '$.price', payload @@ '$.price > 3' FROM events

-- case: json 8
SELECT (payload ->> 'price')::numeric, jsonb_typeof(payload -> 'items'), jsonb_array_length(payload -> 'items') FROM events

-- case: json 9
SELECT json_build_object('id', id, 'name', name), row_to_json(c), to_jsonb(c) FROM customers c

-- case: json 10
SELECT jsonb_set(profile, '{age}', '99'), profile - 'likes', profile || '{"x": 1}', jsonb_insert(profile, '{likes,0}', '"z"') FROM customers

-- case: json 11
SELECT jsonb_pretty(profile), jsonb_strip_nulls(profile) FROM customers

-- case: json 12
SELECT * FROM json_to_record('{"a": 1, "b": "x"}') AS x(a int, b text)

-- case: json 13
SELECT * FROM jsonb_array_elements('[1, 2, 3]'), jsonb_array_elements_text('["a"]')

-- case: json 14
SELECT jsonb_object_keys(profile) FROM customers

-- case: json 15
SELECT profile['address']['zip'] FROM customers

-- case: json 16
SELECT payload ->> 'user' AS u, count(*) FROM events GROUP BY 1 ORDER BY 2 DESC

-- case: json 17
SELECT jsonb_populate_record(null::customers, '{"id": 1, "name": "x"}')

-- case: json 18
SELECT json_array_length('[1,2]'), json_typeof('1'), '{"a":1}'::json ->> 'a'

-- case: json 19
SELECT array_to_json(tags), to_json(now()) FROM customers

-- case: json 20
SELECT jsonb_build_array(1, 'a', null), json_object('{a,1,b,2}')

-- case: array 1
SELECT tags[1], tags[1:2], array_length(tags, 1), cardinality(tags) FROM customers

-- case: array 2
SELECT * FROM customers WHERE 't1' = ANY (tags)

-- case: array 3
SELECT * FROM customers WHERE tags && ARRAY['t1', 't2'] AND tags @> '{all}'

-- case: array 4
SELECT ARRAY(SELECT name FROM customers ORDER BY id), ARRAY[[1, 2], [3, 4]]

-- case: array 5
SELECT array_append(tags, 'x'), array_prepend('x', tags), array_cat(tags, '{y}'), array_remove(tags, 'all'), array_replace(tags, 'all', 'none') FROM customers

-- case: array 6
SELECT array_position(tags, 'all'), array_to_string(tags, '|'), string_to_array('a,b', ',') FROM customers

-- case: array 7
SELECT unnest(tags) AS tag, count(*) FROM customers GROUP BY 1

-- case: array 8
SELECT '{1,2,3}'::int[] || 4, ARRAY[1, 2] = '{1,2}', array_fill(0, ARRAY[3])

-- case: array 9
SELECT trim_array(tags, 1), array_dims(tags), array_ndims(tags) FROM customers

-- case: array 10
SELECT generate_subscripts(tags, 1) FROM customers

-- case: array 11
SELECT * FROM unnest(ARRAY[1, 2], ARRAY['a', 'b', 'c']) AS u(n, t)

-- case: array 12
SELECT string_to_table('a b', ' ')

-- case: text 1
SELECT name ~ '^Cust', name ~* 'R 1$', name !~ 'x', name SIMILAR TO '(C|D)%' FROM customers

-- case: text 2
SELECT regexp_replace(email, '@.*$', ''), regexp_match(email, '(\w+)@(\w+)') FROM customers

-- case: text 3
SELECT regexp_matches(body, 'o(.)', 'g') FROM articles

-- case: text 4
SELECT regexp_split_to_table('a1b2', '\d'), regexp_split_to_array('a b', '\s+')

-- case: text 5
SELECT regexp_count('banana', 'a'), regexp_instr('banana', 'n'), regexp_substr('banana', 'an'), regexp_like('banana', '^b')

-- case: text 6
SELECT substring(email FROM 1 FOR 3), substring(email FROM '@.*'), position('@' IN email), overlay(email PLACING 'x' FROM 1 FOR 1) FROM customers

-- case: text 7
SELECT trim(both ' ' FROM '  a '), ltrim('xxa', 'x'), rtrim('a  '), lpad('7', 3, '0'), rpad('a', 3)

-- case: text 8
SELECT concat(name, ' ', city), concat_ws(', ', name, city), name || '!' FROM customers

-- case: text 9
SELECT format('%s is %L in %I', name, city, 'a table') FROM customers

-- case: text 10
SELECT lower(name), upper(name), initcap('ab cd'), length(name), char_length(name), octet_length(name), reverse(name) FROM customers

-- case: text 11
SELECT split_part(email, '@', 2), left(name, 3), right(name, 2), repeat('x', 3), replace(name, 'C', 'K'), translate('abc', 'ab', 'xy') FROM customers

-- case: text 12
SELECT md5(email), encode(sha256(email::bytea), 'hex'), ascii('a'), chr(65), to_hex(255), quote_literal(name), quote_ident(name), quote_nullable(null) FROM customers

-- case: text 13
SELECT name COLLATE "C" FROM customers ORDER BY name COLLATE "C" DESC

-- case: text 14
SELECT starts_with(name, 'C'), strpos(name, 'u'), normalize('é', NFC), 'a' IS NORMALIZED FROM customers

-- case: text 15
SELECT encode('abc', 'base64'), decode('YWJj', 'base64'), convert_from('\x61', 'UTF8')

-- case: text 16
SELECT string_agg(substr(name, 1, 1), '') FROM customers

-- case: full text 1
SELECT * FROM articles WHERE searched @@ to_tsquery('english', 'fox & database')

-- case: full text 2
SELECT title, ts_rank(searched, q) FROM articles, plainto_tsquery('english', 'quick fox') q WHERE searched @@ q ORDER BY 2 DESC

-- case: full text 3
SELECT ts_headline('english', body, websearch_to_tsquery('english', '"brown fox" -cat')) FROM articles

-- case: full text 4
SELECT to_tsvector('simple', title) || setweight(to_tsvector(body), 'B'), ts_rank_cd(searched, phraseto_tsquery('quick brown')) FROM articles

-- case: full text 5
SELECT tsvector_to_array(searched), strip(searched), numnode('a & b'::tsquery), querytree('a & !b'::tsquery) FROM articles

-- case: full text 6
SELECT ts_lexize('english_stem', 'running'), to_tsquery('a') && to_tsquery('b'), ts_debug('english', 'a fox')

-- case: time 1
SELECT now(), current_date, current_timestamp, localtime, clock_timestamp(), statement_timestamp()

-- case: time 2
SELECT extract(year FROM placed_at), date_part('dow', placed_at), date_trunc('hour', placed_at) FROM orders

-- case: time 3
SELECT age(now(), joined), now() - interval '7 days', joined + 30, joined - date '2024-01-01' FROM customers

-- case: time 4
SELECT placed_at AT TIME ZONE 'Europe/Zurich', timezone('UTC', placed_at) FROM orders

-- case: time 5
SELECT to_char(placed_at, 'YYYY-MM-DD HH24:MI'), to_date('2024-01-02', 'YYYY-MM-DD'), to_timestamp(1700000000) FROM orders

-- case: time 6
SELECT make_date(2024, 2, 29), make_interval(days => 3), make_timestamptz(2024, 1, 1, 0, 0, 0), justify_days(interval '40 days')

-- case: time 7
SELECT (date '2024-01-01', date '2024-02-01') OVERLAPS (date '2024-01-15', interval '2 days'), isfinite('infinity'::timestamp)

-- case: time 8
SELECT date_bin('15 minutes', placed_at, '2024-01-01') FROM orders

-- case: time 9
SELECT g::date FROM generate_series(timestamp '2024-01-01', '2024-01-31', '1 week') g

-- case: time 10
SELECT * FROM orders WHERE placed_at >= now() - interval '10 years' AND placed_at < 'tomorrow'

-- case: time 11
SELECT epoch, to_timestamp(epoch) FROM (SELECT extract(epoch FROM placed_at) AS epoch FROM orders) s

-- case: time 12
SELECT date '2024-01-31' + interval '1 month', interval '1 day' * 2, '1 year 2 months'::interval

-- case: number 1
SELECT round(12.345, 2), ceil(1.2), floor(1.8), trunc(1.9), abs(-1), mod(7, 3), power(2, 10), sqrt(16), sign(-3)

-- case: number 2
SELECT 7 / 2, 7 % 2, 7::numeric / 2, 2 ^ 3, |/ 9, @ -1, 5 & 3, 5 | 3, 5 # 3, ~1, 1 << 3, div(7, 2), gcd(12, 18), lcm(4, 6)

-- case: number 3
SELECT greatest(1, 2, null), least(1, 2), coalesce(null, 3), nullif(1, 1), width_bucket(5, 0, 10, 5)

-- case: number 4
SELECT random() < 1, pi(), exp(1), ln(10), log(100), degrees(pi()), sin(1), cbrt(27), factorial(5)

-- case: number 5
SELECT to_number('1,234.5', '9G999D9'), to_char(1234.5, 'FM9,999.00'), 1e2::int, 'NaN'::float8, 1::money

-- case: number 6
SELECT generate_series(1, 10, 3), generate_series(1.0, 2.0, 0.5)

-- case: number 7
SELECT price * 1.08 AS gross, price::int, (price * 100)::bigint, cast(price AS float8) FROM products

-- case: number 8
SELECT sum(quantity * unit_price) FROM items

-- case: number 9
SELECT num_nonnulls(1, null), num_nulls(1, null), scale(1.50), min_scale(1.50), trim_scale(1.50)

-- case: case and cast 1
SELECT CASE WHEN total > 100 THEN 'big' WHEN total > 10 THEN 'mid' ELSE 'small' END, count(*) FROM orders GROUP BY 1

-- case: case and cast 2
SELECT CASE status WHEN 'paid' THEN 1 ELSE 0 END FROM orders

-- case: case and cast 3
SELECT '1'::int, cast('2024-01-01' AS date), int '5', '{"a":1}'::jsonb, 'happy'::mood, '1.2.3.0/24'::cidr, '(1,2)'::point, '\xff'::bytea

-- case: case and cast 4
SELECT 'customers'::regclass, 'int4'::regtype, 1259::regclass::text

-- case: case and cast 5
SELECT '08:00:2b:01:02:03'::macaddr, '192.168.0.1'::inet + 5, host('10.0.0.1/8'::inet), family('::1'), inet '10.0.0.1' << inet '10.0.0.0/8'

-- case: case and cast 6
SELECT enum_range(null::mood), enum_first(null::mood), 'sad'::mood < 'happy'::mood

-- case: case and cast 7
SELECT ROW(1, 'a'), (1, 2) = (1, 2), ROW(1, 2) IS NOT NULL, (ROW(1, 2)).f1

-- case: case and cast 8
SELECT total IS DISTINCT FROM 5, status IS NOT NULL, (total > 5) IS TRUE, null IS UNKNOWN FROM orders

-- case: case and cast 9
SELECT pg_typeof(total), pg_column_size(status), format_type(23, -1) FROM orders LIMIT 1

-- case: case and cast 10
SELECT '<a>1</a>'::xml, xpath('/a/text()', '<a>1</a>'), xmlelement(name b, 'x')

-- case: case and cast 11
SELECT B'101' & B'110', bit_count(B'101'), get_bit(B'101', 0), '101'::bit(3)::int

-- case: case and cast 12
SELECT '550e8400-e29b-41d4-a716-446655440000'::uuid, gen_random_uuid() IS NOT NULL

-- case: case and cast 13
SELECT circle '((0,0),2)' @> point '(1,1)', box '((0,0),(1,1))' && box '((1,1),(2,2))', area(circle '((0,0),1)'), point '(0,0)' <-> point '(3,4)'

-- case: range 1
SELECT * FROM bookings WHERE during @> timestamp '2024-05-03 12:00'

-- case: range 2
SELECT * FROM bookings a JOIN bookings b ON a.room = b.room AND a.during && b.during AND a.id < b.id

-- case: range 3
SELECT lower(during), upper(during), isempty(during), during -|- during, during * during FROM bookings

-- case: range 4
SELECT int4range(1, 10) @> 5, numrange(1, 2, '[]'), '[2024-01-01,2024-02-01)'::daterange, upper_inf('[1,)'::int4range)

-- case: range 5
SELECT int4multirange(int4range(1, 3), int4range(5, 7)), unnest('{[1,2],[4,5]}'::int4multirange)

-- case: set 1
SELECT id FROM customers UNION SELECT id FROM orders ORDER BY 1

-- case: set 2
SELECT id FROM customers UNION ALL SELECT id FROM orders

-- case: set 3
SELECT id FROM customers INTERSECT SELECT customer_id FROM orders

-- case: set 4
SELECT id FROM customers EXCEPT SELECT customer_id FROM orders

-- case: set 5
(SELECT 1 UNION SELECT 2) EXCEPT ALL (SELECT 2) LIMIT 1

-- case: set 6
(SELECT name FROM customers LIMIT 1) UNION ALL (SELECT name FROM products LIMIT 1)

-- case: set 7
SELECT city FROM customers INTERSECT ALL SELECT city FROM customers WHERE id < 5

-- case: values, table, show 1
VALUES (1, 'a'), (2, 'b')

-- case: values, table, show 2
VALUES (1), (2) ORDER BY 1 DESC LIMIT 1

-- case: values, table, show 3
TABLE customers

-- case: values, table, show 4
TABLE paid

-- case: values, table, show 5
TABLE customers ORDER BY id LIMIT 2

-- case: values, table, show 6
SHOW server_version

-- case: values, table, show 7
SHOW search_path

-- case: values, table, show 8
SHOW ALL

-- case: values, table, show 9
SHOW TIME ZONE

-- case: values, table, show 10
SHOW TRANSACTION ISOLATION LEVEL

-- case: values, table, show 11
SHOW max_connections

-- case: explain 1
EXPLAIN SELECT * FROM customers

-- case: explain 2
EXPLAIN ANALYZE SELECT * FROM customers WHERE id = 1

-- case: explain 3
EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT count(*) FROM orders JOIN items ON items.order_id = orders.id

-- case: explain 4
EXPLAIN VERBOSE SELECT name FROM customers ORDER BY name

-- case: explain 5
EXPLAIN (COSTS OFF, SUMMARY ON) SELECT 1

-- case: explain 6
EXPLAIN (ANALYZE false) SELECT * FROM orders

-- case: explain 7
EXPLAIN (FORMAT YAML) WITH x AS (SELECT 1) SELECT * FROM x

-- case: explain 8
EXPLAIN DELETE FROM orders WHERE id = 1

-- case: explain 9
EXPLAIN UPDATE orders SET total = 0

-- case: explain 10
EXPLAIN INSERT INTO orders (id) VALUES (1000)

-- case: explain 11
EXPLAIN (ANALYZE, TIMING OFF) VALUES (1)

-- case: catalog 1
SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema NOT IN ('pg_catalog', 'information_schema')

-- case: catalog 2
SELECT column_name, data_type, is_nullable, column_default FROM information_schema.columns WHERE table_name = 'orders' ORDER BY ordinal_position

-- case: catalog 3
SELECT tc.constraint_name, kcu.column_name FROM information_schema.table_constraints tc JOIN information_schema.key_column_usage kcu USING (constraint_name) WHERE tc.constraint_type = 'FOREIGN KEY'

-- case: catalog 4
SELECT * FROM information_schema.views WHERE table_schema = 'public'

-- case: catalog 5
SELECT * FROM information_schema.routines WHERE routine_schema = 'public'

-- case: catalog 6
SELECT schemaname, tablename, tableowner FROM pg_tables WHERE schemaname = 'public'

-- case: catalog 7
SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'

-- case: catalog 8
SELECT relname, n_live_tup, n_dead_tup, last_autovacuum FROM pg_stat_user_tables

-- case: catalog 9
SELECT indexrelname, idx_scan FROM pg_stat_user_indexes ORDER BY idx_scan

-- case: catalog 10
SELECT pg_size_pretty(pg_database_size(current_database()))

-- case: catalog 11
SELECT relname, pg_size_pretty(pg_total_relation_size(oid)), pg_relation_size(oid), pg_table_size(oid), pg_indexes_size(oid) FROM pg_class WHERE relkind = 'r' ORDER BY pg_total_relation_size(oid) DESC LIMIT 5

-- case: catalog 12
SELECT datname, numbackends FROM pg_stat_database

-- case: catalog 13
SELECT pid, state, query FROM pg_stat_activity WHERE datname = current_database()

-- case: catalog 14
SELECT pid, pg_blocking_pids(pid) FROM pg_stat_activity

-- case: catalog 15
SELECT locktype, mode, granted FROM pg_locks

-- case: catalog 16
SELECT extname, extversion FROM pg_extension

-- case: catalog 17
SELECT * FROM pg_available_extensions LIMIT 5

-- case: catalog 18
SELECT rolname, rolcanlogin FROM pg_roles

-- case: catalog 19
SELECT conname, contype, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'orders'::regclass

-- case: catalog 20
SELECT pg_get_viewdef('paid'::regclass, true), pg_get_functiondef('double'::regproc), pg_get_indexdef(i.indexrelid) FROM pg_index i LIMIT 1

-- case: catalog 21
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'customers'::regclass AND attnum > 0

-- case: catalog 22
SELECT obj_description('orders'::regclass), col_description('orders'::regclass, 1), shobj_description(1, 'pg_database')

-- case: catalog 23
SELECT name, setting, unit FROM pg_settings WHERE name LIKE 'work%'

-- case: catalog 24
SELECT current_setting('work_mem'), current_setting('nope.nope', true)

-- case: catalog 25
SELECT current_user, session_user, current_database(), current_schema(), current_schemas(true), version()

-- case: catalog 26
SELECT has_table_privilege('orders', 'SELECT'), has_schema_privilege('public', 'USAGE'), pg_has_role('pg_read_all_data', 'MEMBER')

-- case: catalog 27
SELECT last_value, is_called FROM tickets

-- case: catalog 28
SELECT sequencename, last_value FROM pg_sequences

-- case: catalog 29
SELECT n.nspname, t.typname, e.enumlabel FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid JOIN pg_namespace n ON n.oid = t.typnamespace

-- case: catalog 30
SELECT tablename, attname, n_distinct, most_common_vals FROM pg_stats WHERE schemaname = 'public'

-- case: catalog 31
SELECT tgname FROM pg_trigger WHERE NOT tgisinternal

-- case: catalog 32
SELECT polname FROM pg_policy

-- case: catalog 33
SELECT proname, prokind FROM pg_proc WHERE pronamespace = 'public'::regnamespace LIMIT 20

-- case: catalog 34
SELECT pg_is_in_recovery(), pg_postmaster_start_time(), inet_server_port(), txid_current_if_assigned()

-- case: catalog 35
SELECT to_regclass('nope'), to_regtype('int4'), to_regproc('double')

-- case: catalog 36
SELECT c.relname, pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d JOIN pg_class c ON c.oid = d.adrelid

-- case: catalog 37
SELECT inhrelid::regclass FROM pg_inherits

-- case: catalog 38
SELECT oid, datname FROM pg_database WHERE NOT datistemplate

-- case: catalog 39
SELECT sum(blks_hit) * 100.0 / nullif(sum(blks_hit + blks_read), 0) FROM pg_stat_database

-- case: catalog 40
SELECT relname, heap_blks_read, heap_blks_hit FROM pg_statio_user_tables

-- case: function 1
SELECT double(21), double(id) FROM customers LIMIT 3

-- case: function 2
SELECT id, spent(id) FROM customers LIMIT 3

-- case: function 3
SELECT * FROM double(4)

-- case: function 4
SELECT public.double(x => 5)

-- case: function 5
SELECT pg_sleep(0)

-- case: function 6
SELECT (SELECT double(2)) + 1

-- case: extension 1
SELECT similarity('word', 'words'), word_similarity('word', 'two words'), show_trgm('word')

-- case: extension 2
SELECT name, name <-> 'Customer 5' AS distance FROM customers ORDER BY distance LIMIT 3

-- case: extension 3
SELECT * FROM customers WHERE name % 'Custmer 7'

-- case: extension 4
SELECT levenshtein('kitten', 'sitting'), soundex('anne'), metaphone('thompson', 4), dmetaphone('smith'), difference('anne', 'ann')

-- case: extension 5
SELECT unaccent('Hôtel')

-- case: extension 6
SELECT attributes -> 'color', attributes ? 'color', akeys(attributes), avals(attributes), hstore_to_json(attributes), each(attributes) FROM products

-- case: extension 7
SELECT attributes @> 'color=>red', attributes || 'a=>b'::hstore, skeys(attributes) FROM products

-- case: extension 8
SELECT path <@ 'top.book', nlevel(path), subpath(path, 0, 1), path ~ 'top.*', lca(path, 'top.toy') FROM products

-- case: extension 9
SELECT encode(digest('a', 'sha256'), 'hex'), encode(hmac('a', 'key', 'sha1'), 'hex'), crypt('pw', '$1$abcdefgh'), length(gen_salt('md5')) > 3

-- case: extension 10
SELECT uuid_generate_v4() IS NOT NULL, uuid_nil(), uuid_generate_v5(uuid_ns_url(), 'x')

-- case: extension 11
SELECT 'ABC'::citext = 'abc', citext 'x' || 'y'

-- case: extension 12
SELECT sort(ARRAY[3, 1, 2]), uniq(sort('{1,1,2}'::int[])), ARRAY[1, 2] & ARRAY[2, 3], idx(ARRAY[5, 6], 6), icount('{1,2}'::int[]), '{1,2}'::int[] @@ '1&2'::query_int

-- case: extension 13
SELECT pgp_sym_decrypt(pgp_sym_encrypt('secret', 'key'), 'key')

-- case: extension 14
SELECT strict_word_similarity('a', 'b'), similarity(name, 'x') FROM customers

-- case: nested 1
SELECT (SELECT count(*) FROM orders o WHERE o.customer_id = c.id) AS n, c.name FROM customers c ORDER BY n DESC

-- case: nested 2
SELECT * FROM (SELECT * FROM (SELECT id FROM customers) a) b WHERE id > 3

-- case: nested 3
SELECT name, ARRAY(SELECT total FROM orders o WHERE o.customer_id = c.id) FROM customers c

-- case: nested 4
SELECT coalesce((SELECT name FROM customers WHERE id = 999), 'none')

-- case: nested 5
SELECT EXISTS (SELECT FROM orders WHERE total > 1000), NOT EXISTS (VALUES (1))

-- case: nested 6
SELECT * FROM customers WHERE id = ANY (SELECT customer_id FROM orders GROUP BY 1 HAVING count(*) > 3)

-- case: nested 7
SELECT max(n) FROM (SELECT count(*) AS n FROM orders GROUP BY customer_id) s

-- case: nested 8
SELECT x.total, y.total FROM (SELECT sum(total) AS total FROM orders) x, (SELECT avg(total) AS total FROM orders) y

-- case: nested 9
SELECT a.n FROM (VALUES (1, 'one'), (2, 'two')) AS a(n, w) WHERE a.w IN (SELECT 'two')

-- case: nested 10
SELECT ((1)), ((SELECT 1)), (VALUES (5))

-- case: parameter 1
-- params: [3]
SELECT * FROM customers WHERE id = $1

-- case: parameter 2
-- params: ["Customer 3", "Bern"]
SELECT * FROM customers WHERE name = $1 AND city = $2

-- case: parameter 3
-- params: [1, 2]
SELECT $1::int + $2::int

-- case: parameter 4
-- params: [[1, 2, 3]]
SELECT * FROM customers WHERE id = ANY ($1)

-- case: parameter 5
-- params: ["2024-03-05"]
SELECT * FROM orders WHERE placed_at > $1::timestamptz

-- case: parameter 6
-- params: [{"age": 25}]
SELECT * FROM customers WHERE profile @> $1::jsonb

-- case: parameter 7
-- params: [null]
SELECT $1::text IS NULL

-- case: parameter 8
-- params: [2, 3]
SELECT * FROM products ORDER BY id LIMIT $1 OFFSET $2

-- case: parameter 9
-- params: ["a"]
SELECT $1::text || $1::text

-- case: parameter 10
-- params: ["3.50"]
SELECT * FROM products WHERE price > $1::numeric

-- case: parameter 11
-- params: [["t1", "t2"]]
SELECT * FROM customers WHERE tags && $1::text[]

-- case: parameter 12
-- params: [true]
SELECT $1::boolean

-- case: parameter 13
-- params: ["Customer 2"]
SELECT name FROM customers WHERE name LIKE $1 || '%'

-- case: parameter 14
-- params: [1]
EXPLAIN SELECT * FROM customers WHERE id = $1

-- case: several lines 1
SELECT
    c.name,
    -- what they spent
    sum(o.total) AS spent
FROM customers AS c
    JOIN orders AS o ON o.customer_id = c.id
WHERE o.status = 'paid'
GROUP BY c.name
ORDER BY spent DESC;

-- case: several lines 2
/* a report;
   with a semicolon */
WITH ranked AS (
    SELECT *, rank() OVER (PARTITION BY status ORDER BY total DESC) AS place
    FROM orders
)
SELECT status, id, total
FROM ranked
WHERE place <= 3
