-- A little data to try things on: a shop with customers and their orders.
CREATE TABLE customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    email text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers (id),
    item text NOT NULL,
    price_cents integer NOT NULL CHECK (price_cents > 0),
    status text NOT NULL DEFAULT 'placed' CHECK (status IN ('placed', 'shipped', 'returned')),
    placed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX orders_customer_id ON orders (customer_id);
INSERT INTO customers (name, email, created_at) VALUES
    ('Ada Lovelace', 'ada@example.com', now() - interval '90 days'),
    ('Grace Hopper', 'grace@example.com', now() - interval '60 days'),
    ('Edgar Codd', 'edgar@example.com', now() - interval '30 days'),
    ('Mary Keller', 'mary@example.com', now() - interval '10 days'),
    ('Michael Stone', 'michael@example.com', now() - interval '1 day');
INSERT INTO orders (customer_id, item, price_cents, status, placed_at)
SELECT 1 + n % 5,
    (ARRAY['notebook', 'pen', 'lamp', 'desk', 'chair', 'shelf'])[1 + n % 6],
    (ARRAY[490, 190, 2900, 18900, 8900, 4900])[1 + n % 6],
    (ARRAY['shipped', 'shipped', 'placed', 'returned'])[1 + n % 4],
    now() - n * interval '2 days'
FROM generate_series(0, 19) AS n;
ANALYZE customers, orders;
