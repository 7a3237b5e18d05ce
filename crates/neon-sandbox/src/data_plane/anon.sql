-- Functions of PostgreSQL Anonymizer that Neon's guides name, as far as SQL alone can do them.
DROP SCHEMA IF EXISTS anon CASCADE;
CREATE SCHEMA anon;
GRANT USAGE ON SCHEMA anon TO PUBLIC;
CREATE FUNCTION anon.pick(words text[]) RETURNS text LANGUAGE sql VOLATILE AS
  $$ SELECT words[1 + floor(random() * cardinality(words))::int] $$;
CREATE FUNCTION anon.random_string(length int) RETURNS text LANGUAGE sql VOLATILE AS
  $$ SELECT coalesce(string_agg(chr(65 + floor(random() * 26)::int), ''), '') FROM generate_series(1, length) $$;
CREATE FUNCTION anon.digits(length int) RETURNS text LANGUAGE sql VOLATILE AS
  $$ SELECT coalesce(string_agg(floor(random() * 10)::int::text, ''), '') FROM generate_series(1, length) $$;
CREATE FUNCTION anon.random_int_between(a int, b int) RETURNS int LANGUAGE sql VOLATILE AS
  $$ SELECT a + floor(random() * (b - a + 1))::int $$;
CREATE FUNCTION anon.random_bigint_between(a bigint, b bigint) RETURNS bigint LANGUAGE sql VOLATILE AS
  $$ SELECT a + floor(random() * (b - a + 1))::bigint $$;
CREATE FUNCTION anon.random_date_between(a timestamptz, b timestamptz) RETURNS timestamptz LANGUAGE sql VOLATILE AS
  $$ SELECT a + random() * (b - a) $$;
CREATE FUNCTION anon.random_date() RETURNS timestamptz LANGUAGE sql VOLATILE AS
  $$ SELECT anon.random_date_between('1900-01-01', now()) $$;
CREATE FUNCTION anon.random_zip() RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT anon.digits(5) $$;
CREATE FUNCTION anon.random_phone(prefix text DEFAULT '0') RETURNS text LANGUAGE sql VOLATILE AS
  $$ SELECT prefix || anon.digits(9) $$;
CREATE FUNCTION anon.random_in(choices anyarray) RETURNS anyelement LANGUAGE sql VOLATILE AS
  $$ SELECT choices[1 + floor(random() * cardinality(choices))::int] $$;
CREATE FUNCTION anon.random_hash(seed text) RETURNS text LANGUAGE sql VOLATILE AS
  $$ SELECT encode(sha256(convert_to(seed || random()::text, 'UTF8')), 'hex') $$;
CREATE FUNCTION anon.hash(seed text) RETURNS text LANGUAGE sql VOLATILE AS
  $$ SELECT encode(sha256(convert_to(seed, 'UTF8')), 'hex') $$;
CREATE FUNCTION anon.digest(seed text, salt text, algorithm text) RETURNS text LANGUAGE sql VOLATILE AS
  $$ SELECT encode(CASE algorithm WHEN 'sha512' THEN sha512(convert_to(salt || seed, 'UTF8'))
                                  ELSE sha256(convert_to(salt || seed, 'UTF8')) END, 'hex') $$;
CREATE FUNCTION anon.partial(value text, prefix int, padding text, suffix int) RETURNS text LANGUAGE sql IMMUTABLE AS
  $$ SELECT left(value, prefix) || padding || right(value, suffix) $$;
CREATE FUNCTION anon.partial_email(value text) RETURNS text LANGUAGE sql IMMUTABLE AS
  $$ SELECT left(value, 2) || '******@' || left(split_part(value, '@', 2), 2) || '******.' ||
            reverse(split_part(reverse(value), '.', 1)) $$;
CREATE FUNCTION anon.noise(value anyelement, ratio double precision) RETURNS anyelement LANGUAGE plpgsql VOLATILE AS
  $$ BEGIN RETURN value * (1.0 - ratio + 2 * ratio * random()); END $$;
CREATE FUNCTION anon.dnoise(value anyelement, range interval) RETURNS anyelement LANGUAGE plpgsql VOLATILE AS
  $$ BEGIN RETURN value + (2 * random() - 1) * range; END $$;
CREATE FUNCTION anon.dummy_first_name() RETURNS text LANGUAGE sql VOLATILE AS
  $$ SELECT anon.pick('{Ada,Bela,Cora,Dino,Edda,Femi,Gita,Hugo,Ines,Jona,Kira,Lars,Mina,Nils,Orla,Pavel,Rosa,Sami,Tova,Yuki}') $$;
CREATE FUNCTION anon.dummy_last_name() RETURNS text LANGUAGE sql VOLATILE AS
  $$ SELECT anon.pick('{Abbot,Brook,Cole,Drake,Ellis,Frost,Glass,Hale,Irwin,Joyce,Keane,Lowe,Marsh,Nash,Otto,Price,Quinn,Rowe,Stone,Webb}') $$;
CREATE FUNCTION anon.dummy_name() RETURNS text LANGUAGE sql VOLATILE AS
  $$ SELECT anon.dummy_first_name() || ' ' || anon.dummy_last_name() $$;
CREATE FUNCTION anon.dummy_user_name() RETURNS text LANGUAGE sql VOLATILE AS
  $$ SELECT lower(anon.dummy_first_name()) || '_' || anon.digits(6) $$;
CREATE FUNCTION anon.dummy_free_email() RETURNS text LANGUAGE sql VOLATILE AS
  $$ SELECT lower(anon.dummy_first_name()) || '.' || anon.digits(8) || '@example.com' $$;
CREATE FUNCTION anon.dummy_safe_email() RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT anon.dummy_free_email() $$;
CREATE FUNCTION anon.dummy_phone_number() RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT '+1555' || anon.digits(7) $$;
CREATE FUNCTION anon.dummy_company_name() RETURNS text LANGUAGE sql VOLATILE AS
  $$ SELECT anon.dummy_last_name() || anon.pick('{" Works"," and Sons"," Group"," Labs"," Trading"}') $$;
CREATE FUNCTION anon.dummy_city_name() RETURNS text LANGUAGE sql VOLATILE AS
  $$ SELECT anon.pick('{Ashford,Brindle,Corvale,Dunmere,Eastwick,Fenbury,Greyton,Holmcross,Inverlea,Kingsmoor}') $$;
CREATE FUNCTION anon.dummy_country_name() RETURNS text LANGUAGE sql VOLATILE AS
  $$ SELECT anon.pick('{Brazil,Canada,Denmark,Egypt,France,Ghana,India,Japan,Kenya,Peru}') $$;
CREATE FUNCTION anon.dummy_street_name() RETURNS text LANGUAGE sql VOLATILE AS
  $$ SELECT anon.dummy_last_name() || anon.pick('{" Street"," Lane"," Road"," Avenue"}') $$;
CREATE FUNCTION anon.dummy_zip_code() RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT anon.digits(5) $$;
CREATE FUNCTION anon.dummy_uuidv4() RETURNS uuid LANGUAGE sql VOLATILE AS $$ SELECT gen_random_uuid() $$;
CREATE FUNCTION anon.dummy_ipv4() RETURNS text LANGUAGE sql VOLATILE AS
  $$ SELECT '192.0.2.' || floor(random() * 255)::int $$;
CREATE FUNCTION anon.dummy_credit_card_number() RETURNS text LANGUAGE sql VOLATILE AS
  $$ SELECT '4000' || anon.digits(12) $$;
CREATE FUNCTION anon.lorem_ipsum(words int DEFAULT 20) RETURNS text LANGUAGE sql VOLATILE AS
  $$ SELECT coalesce(string_agg(anon.pick('{lorem,ipsum,dolor,sit,amet,elit,sed,tempor,magna,aliqua}'), ' '), '')
     FROM generate_series(1, words) $$;
CREATE FUNCTION anon.fake_first_name() RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT anon.dummy_first_name() $$;
CREATE FUNCTION anon.fake_last_name() RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT anon.dummy_last_name() $$;
CREATE FUNCTION anon.fake_email() RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT anon.dummy_free_email() $$;
CREATE FUNCTION anon.fake_company() RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT anon.dummy_company_name() $$;
CREATE FUNCTION anon.fake_city() RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT anon.dummy_city_name() $$;
CREATE FUNCTION anon.fake_country() RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT anon.dummy_country_name() $$;
CREATE FUNCTION anon.fake_address() RETURNS text LANGUAGE sql VOLATILE AS
  $$ SELECT anon.digits(2) || ' ' || anon.dummy_street_name() || ', ' || anon.dummy_city_name() $$;
CREATE FUNCTION anon.fake_postcode() RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT anon.digits(5) $$;
CREATE FUNCTION anon.pseudo_email(seed anyelement, salt text DEFAULT '') RETURNS text LANGUAGE sql IMMUTABLE AS
  $$ SELECT 'user.' || left(encode(sha256(convert_to(salt || seed::text, 'UTF8')), 'hex'), 12) || '@example.com' $$;
CREATE FUNCTION anon.pseudo_first_name(seed anyelement, salt text DEFAULT '') RETURNS text LANGUAGE sql IMMUTABLE AS
  $$ SELECT 'Name' || left(encode(sha256(convert_to(salt || seed::text, 'UTF8')), 'hex'), 8) $$;
CREATE FUNCTION anon.pseudo_last_name(seed anyelement, salt text DEFAULT '') RETURNS text LANGUAGE sql IMMUTABLE AS
  $$ SELECT anon.pseudo_first_name(seed, 'last' || salt) $$;
