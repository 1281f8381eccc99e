-- The catalogue: products, the options in which each is sold, and what lies in which warehouse.
CREATE TABLE warehouses (warehouse_id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, city TEXT NOT NULL) STRICT;
CREATE TABLE products (
  product_id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, brand TEXT NOT NULL,
  category TEXT NOT NULL CHECK (category IN ('home','kitchen','outdoor','electronics')), detail TEXT NOT NULL,
  colours TEXT NOT NULL, sizes TEXT NOT NULL,                                   -- what it is made in, as JSON lists
  list_cents INTEGER NOT NULL CHECK (list_cents > 0),                           -- the smallest size
  size_step_cents INTEGER NOT NULL CHECK (size_step_cents >= 0),                -- what each larger size adds
  bulky INTEGER NOT NULL CHECK (bulky IN (0, 1)),                               -- comes by van, by appointment
  returnable INTEGER NOT NULL CHECK (returnable IN (0, 1)),                     -- 0: hygiene goods
  warranty_months INTEGER NOT NULL CHECK (warranty_months > 0), rating_tenths INTEGER NOT NULL CHECK (rating_tenths BETWEEN 10 AND 50)
) STRICT;
CREATE TABLE variants (
  sku TEXT PRIMARY KEY, product_id TEXT NOT NULL REFERENCES products, colour TEXT NOT NULL, size TEXT NOT NULL,
  price_cents INTEGER NOT NULL CHECK (price_cents > 0), restock_on TEXT, UNIQUE (product_id, colour, size)
) STRICT;
CREATE TABLE stock (
  sku TEXT NOT NULL REFERENCES variants, warehouse_id TEXT NOT NULL REFERENCES warehouses,
  received INTEGER NOT NULL CHECK (received >= 0), available INTEGER NOT NULL CHECK (available >= 0), PRIMARY KEY (sku, warehouse_id)
) STRICT;
CREATE TABLE slots (
  slot_id TEXT PRIMARY KEY, warehouse_id TEXT NOT NULL REFERENCES warehouses, day TEXT NOT NULL, starts TEXT NOT NULL, ends TEXT NOT NULL,
  capacity INTEGER NOT NULL CHECK (capacity >= 0), UNIQUE (warehouse_id, day, starts)
) STRICT;
CREATE TABLE calendar (day TEXT PRIMARY KEY, day_month TEXT NOT NULL, month_day TEXT NOT NULL) STRICT;

-- Customers and how they pay.
CREATE TABLE levels (
  level TEXT PRIMARY KEY, return_days INTEGER NOT NULL, goodwill_cents INTEGER NOT NULL, free_shipping_from_cents INTEGER NOT NULL,
  return_fee_cents INTEGER NOT NULL, collection_fee_cents INTEGER NOT NULL
) STRICT;
CREATE TABLE customers (
  customer_id TEXT PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE, phone TEXT NOT NULL,
  level TEXT NOT NULL REFERENCES levels, since TEXT NOT NULL
) STRICT;
CREATE TABLE addresses (
  address_id TEXT PRIMARY KEY, customer_id TEXT NOT NULL REFERENCES customers, label TEXT NOT NULL, street TEXT NOT NULL, city TEXT NOT NULL,
  postcode TEXT NOT NULL, UNIQUE (customer_id, label)
) STRICT;
CREATE TABLE payment_methods (
  payment_method_id TEXT PRIMARY KEY, customer_id TEXT NOT NULL REFERENCES customers, label TEXT NOT NULL, last4 TEXT NOT NULL,
  expires TEXT NOT NULL, UNIQUE (customer_id, last4)
) STRICT;
CREATE TABLE gift_cards (
  gift_card_code TEXT PRIMARY KEY, customer_id TEXT NOT NULL REFERENCES customers, loaded_cents INTEGER NOT NULL CHECK (loaded_cents > 0),
  balance_cents INTEGER NOT NULL CHECK (balance_cents >= 0), expires_on TEXT NOT NULL
) STRICT;

-- Orders, their lines and parcels, and every movement of money.
CREATE TABLE orders (
  order_id TEXT PRIMARY KEY, customer_id TEXT NOT NULL REFERENCES customers, address_id TEXT NOT NULL REFERENCES addresses,
  placed_at TEXT NOT NULL, shipping TEXT NOT NULL CHECK (shipping IN ('standard','express')),
  status TEXT NOT NULL CHECK (status IN ('processing','dispatched','delivered','cancelled')),
  items_cents INTEGER NOT NULL DEFAULT 0, shipping_cents INTEGER NOT NULL DEFAULT 0 CHECK (shipping_cents >= 0),
  voucher_cents INTEGER NOT NULL DEFAULT 0 CHECK (voucher_cents >= 0), total_cents INTEGER NOT NULL DEFAULT 0, voucher_code TEXT
) STRICT;
CREATE INDEX orders_by_customer ON orders(customer_id);
CREATE TABLE vouchers (
  voucher_code TEXT PRIMARY KEY, customer_id TEXT NOT NULL REFERENCES customers, amount_cents INTEGER NOT NULL CHECK (amount_cents > 0),
  min_order_cents INTEGER NOT NULL, reason TEXT NOT NULL CHECK (reason IN ('welcome','birthday','newsletter','goodwill')),
  for_order TEXT REFERENCES orders, valid_until TEXT NOT NULL, used_on TEXT REFERENCES orders,
  CHECK (min_order_cents >= amount_cents), CHECK ((reason = 'goodwill') = (for_order IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX goodwill_once ON vouchers(for_order) WHERE reason = 'goodwill';
CREATE UNIQUE INDEX one_voucher_an_order ON vouchers(used_on) WHERE used_on IS NOT NULL;
CREATE TABLE shipments (
  shipment_id TEXT PRIMARY KEY, order_id TEXT NOT NULL REFERENCES orders, warehouse_id TEXT NOT NULL REFERENCES warehouses,
  service TEXT NOT NULL CHECK (service IN ('parcel','express','van')), state TEXT NOT NULL CHECK (state IN ('processing','dispatched','delivered','cancelled')),
  tracking_no TEXT, dispatched_on TEXT, expected_on TEXT, delivered_on TEXT, slot_id TEXT REFERENCES slots, note TEXT NOT NULL DEFAULT '',
  CHECK (slot_id IS NULL OR service = 'van'), CHECK ((state = 'delivered') = (delivered_on IS NOT NULL))
) STRICT;
CREATE INDEX shipments_by_order ON shipments(order_id);
CREATE INDEX shipments_by_slot ON shipments(slot_id);
CREATE TABLE order_items (
  item_id TEXT PRIMARY KEY, order_id TEXT NOT NULL REFERENCES orders, shipment_id TEXT REFERENCES shipments, sku TEXT NOT NULL REFERENCES variants,
  quantity INTEGER NOT NULL CHECK (quantity BETWEEN 1 AND 20), price_cents INTEGER NOT NULL CHECK (price_cents > 0),
  voucher_cents INTEGER NOT NULL DEFAULT 0 CHECK (voucher_cents >= 0),          -- the line's share of the order's voucher
  credited_cents INTEGER NOT NULL DEFAULT 0 CHECK (credited_cents >= 0),        -- given back under the price promise
  refunded_cents INTEGER NOT NULL DEFAULT 0 CHECK (refunded_cents >= 0),        -- given back when the line was cancelled
  state TEXT NOT NULL CHECK (state IN ('open','cancelled')), UNIQUE (order_id, sku)
) STRICT;
CREATE INDEX items_by_shipment ON order_items(shipment_id);
CREATE INDEX items_by_sku ON order_items(sku);
CREATE TABLE returns (
  return_id TEXT PRIMARY KEY, item_id TEXT NOT NULL REFERENCES order_items, quantity INTEGER NOT NULL CHECK (quantity > 0),
  kind TEXT NOT NULL CHECK (kind IN ('refund','exchange')), reason TEXT NOT NULL CHECK (reason IN ('changed_mind','wrong_size','faulty','damaged_in_transit','wrong_item')),
  state TEXT NOT NULL CHECK (state IN ('announced','received','refunded')), fee_cents INTEGER NOT NULL DEFAULT 0,
  refund_cents INTEGER NOT NULL DEFAULT 0 CHECK (refund_cents >= 0),            -- kind refund: what comes back once the goods have arrived
  replacement_sku TEXT REFERENCES variants, replacement_from TEXT REFERENCES warehouses,
  difference_cents INTEGER NOT NULL DEFAULT 0,                                  -- kind exchange: what the new option costs more, or less
  announced_at TEXT NOT NULL, received_on TEXT, CHECK ((kind = 'exchange') = (replacement_sku IS NOT NULL))
) STRICT;
CREATE INDEX returns_by_item ON returns(item_id);
CREATE TABLE payments (
  payment_id TEXT PRIMARY KEY, order_id TEXT REFERENCES orders, sold_card TEXT REFERENCES gift_cards,
  payment_method_id TEXT REFERENCES payment_methods, gift_card_code TEXT REFERENCES gift_cards, kind TEXT NOT NULL CHECK (kind IN ('charge','refund')),
  amount_cents INTEGER NOT NULL CHECK (amount_cents <> 0),                      -- what the customer paid; negative: what came back
  posted_at TEXT NOT NULL, CHECK ((kind = 'charge') = (amount_cents > 0)),
  CHECK ((order_id IS NULL) <> (sold_card IS NULL)), CHECK ((payment_method_id IS NULL) <> (gift_card_code IS NULL)),
  CHECK (sold_card IS NULL OR gift_card_code IS NULL)
) STRICT;
CREATE INDEX payments_by_order ON payments(order_id);
CREATE INDEX payments_by_card ON payments(gift_card_code);
CREATE TABLE basket_items (
  customer_id TEXT NOT NULL REFERENCES customers, sku TEXT NOT NULL REFERENCES variants, quantity INTEGER NOT NULL CHECK (quantity BETWEEN 1 AND 20), PRIMARY KEY (customer_id, sku)
) STRICT;
CREATE TABLE stock_alerts (
  alert_id TEXT PRIMARY KEY, customer_id TEXT NOT NULL REFERENCES customers, sku TEXT NOT NULL REFERENCES variants,
  state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting','sent')), requested_at TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX one_alert ON stock_alerts(customer_id, sku) WHERE state = 'waiting';
CREATE TABLE emails (
  email_id TEXT PRIMARY KEY, customer_id TEXT NOT NULL REFERENCES customers, subject TEXT NOT NULL, body TEXT NOT NULL, sent_at TEXT NOT NULL
) STRICT;

CREATE TRIGGER gift_card_follows_payments AFTER INSERT ON payments WHEN NEW.gift_card_code IS NOT NULL
BEGIN UPDATE gift_cards SET balance_cents = balance_cents - NEW.amount_cents WHERE gift_card_code = NEW.gift_card_code; END;

-- Where an option would be sent from: the warehouse that has most of it.
CREATE VIEW sourcing AS
SELECT k.sku, k.warehouse_id, k.available FROM stock k WHERE NOT EXISTS (SELECT 1 FROM stock o WHERE o.sku = k.sku
  AND (o.available > k.available OR (o.available = k.available AND o.warehouse_id < k.warehouse_id)));
-- What a basket comes to, for each way of sending it, with and without each voucher of the customer.
CREATE VIEW basket_quotes AS
SELECT b.customer_id, s.shipping, v.voucher_code, b.items_cents, b.bulky,
  CASE s.shipping WHEN 'express' THEN 990 ELSE CASE WHEN b.items_cents >= l.free_shipping_from_cents THEN 0 ELSE 490 END END + b.bulky * 1990 AS shipping_cents,
  coalesce(v.amount_cents, 0) AS voucher_cents, coalesce(v.min_order_cents, 0) AS min_order_cents,
  b.items_cents - coalesce(v.amount_cents, 0) + b.bulky * 1990
  + CASE s.shipping WHEN 'express' THEN 990 ELSE CASE WHEN b.items_cents >= l.free_shipping_from_cents THEN 0 ELSE 490 END END AS total_cents
FROM (SELECT b.customer_id, sum(b.quantity * v.price_cents) AS items_cents, max(p.bulky) AS bulky FROM basket_items b JOIN variants v USING (sku) JOIN products p USING (product_id) GROUP BY b.customer_id) b
  JOIN customers c USING (customer_id) JOIN levels l USING (level) JOIN (SELECT 'standard' AS shipping UNION ALL SELECT 'express') s
  JOIN (SELECT customer_id, voucher_code, amount_cents, min_order_cents FROM vouchers WHERE used_on IS NULL
    UNION ALL SELECT customer_id, NULL, NULL, NULL FROM customers) v ON v.customer_id = b.customer_id;
-- What is still with the card and the gift card that paid an order.
CREATE VIEW order_funds AS
SELECT o.order_id,
  (SELECT p.payment_method_id FROM payments p WHERE p.order_id = o.order_id AND p.payment_method_id IS NOT NULL ORDER BY p.payment_id LIMIT 1) AS payment_method_id,
  (SELECT p.gift_card_code FROM payments p WHERE p.order_id = o.order_id AND p.gift_card_code IS NOT NULL ORDER BY p.payment_id LIMIT 1) AS gift_card_code,
  (SELECT coalesce(sum(p.amount_cents), 0) FROM payments p WHERE p.order_id = o.order_id AND p.payment_method_id IS NOT NULL) AS card_cents,
  (SELECT coalesce(sum(p.amount_cents), 0) FROM payments p WHERE p.order_id = o.order_id AND p.gift_card_code IS NOT NULL) AS gift_cents
FROM orders o;
-- To where money for an order goes back, in words.
CREATE VIEW refund_targets AS
SELECT f.order_id, coalesce(m.label, '') || CASE WHEN m.label IS NOT NULL AND f.gift_card_code IS NOT NULL THEN ' and ' ELSE '' END
  || coalesce('gift card ' || f.gift_card_code, '') AS paid_with FROM order_funds f LEFT JOIN payment_methods m USING (payment_method_id);
-- Every line that was ever ordered, as people ask for it.
CREATE VIEW purchases AS
SELECT i.item_id, i.order_id, o.customer_id, i.shipment_id, i.sku, p.product_id, p.name AS product, p.kind, v.colour, v.size, i.quantity, i.price_cents,
  i.quantity * i.price_cents - i.voucher_cents - i.credited_cents AS paid_cents, i.credited_cents, i.price_cents - i.credited_cents / i.quantity AS unit_cents, v.price_cents AS price_today_cents, p.bulky, p.returnable,
  substr(o.placed_at, 1, 10) AS ordered_on, h.delivered_on, h.expected_on, h.service, h.state AS shipment_state,
  i.quantity - (SELECT coalesce(sum(r.quantity), 0) FROM returns r WHERE r.item_id = i.item_id) AS returnable_quantity,
  CASE WHEN i.state = 'cancelled' THEN 'cancelled' ELSE coalesce((SELECT CASE r.kind WHEN 'exchange' THEN 'exchanged' ELSE CASE r.state WHEN 'announced' THEN 'return announced' ELSE 'returned' END END
    FROM returns r WHERE r.item_id = i.item_id ORDER BY r.return_id DESC LIMIT 1), h.state) END AS state
FROM order_items i JOIN orders o USING (order_id) JOIN shipments h USING (shipment_id) JOIN variants v USING (sku) JOIN products p USING (product_id);
-- What cancelling a line gives back; with the last line of an order its shipping comes back, too.
CREATE VIEW cancellations AS
SELECT i.item_id, i.order_id, i.quantity * i.price_cents - i.voucher_cents - i.credited_cents
  + CASE WHEN 1 = (SELECT count(*) FROM order_items x WHERE x.order_id = i.order_id AND x.state = 'open') THEN o.shipping_cents ELSE 0 END AS refund_cents
FROM order_items i JOIN orders o USING (order_id) WHERE i.state = 'open';
-- What a return gives back, for each quantity and reason.
CREATE VIEW return_quotes AS
SELECT i.item_id, i.order_id, n.value AS quantity, w.value AS reason,
  CASE WHEN w.value IN ('faulty','damaged_in_transit','wrong_item') THEN 0 WHEN p.bulky THEN l.collection_fee_cents ELSE l.return_fee_cents END AS fee_cents,
  max(0, n.value * i.price_cents - ((i.voucher_cents + i.credited_cents) * n.value + i.quantity - 1) / i.quantity
    - CASE WHEN w.value IN ('faulty','damaged_in_transit','wrong_item') THEN 0 WHEN p.bulky THEN l.collection_fee_cents ELSE l.return_fee_cents END) AS refund_cents
FROM order_items i JOIN orders o USING (order_id) JOIN customers c USING (customer_id) JOIN levels l USING (level) JOIN variants v USING (sku) JOIN products p USING (product_id)
  JOIN json_each('[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]') n ON n.value <= i.quantity
  JOIN json_each('["changed_mind","wrong_size","faulty","damaged_in_transit","wrong_item"]') w;
-- Slots of the vans with the places that are left.
CREATE VIEW open_slots AS
SELECT s.slot_id, s.warehouse_id, s.day, s.starts, s.ends, s.capacity - (SELECT count(*) FROM shipments h WHERE h.slot_id = s.slot_id AND h.state <> 'cancelled') AS places_left FROM slots s;
