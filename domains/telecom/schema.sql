-- The network and what is sold. Amounts are in pence, data in whole GB of a plan or MB of use.
CREATE TABLE areas (
  area TEXT PRIMARY KEY, coverage TEXT NOT NULL CHECK (coverage IN ('good','fair','poor')), five_g INTEGER NOT NULL CHECK (five_g IN (0,1))
) STRICT;
CREATE TABLE outages (
  outage_id TEXT PRIMARY KEY, area TEXT NOT NULL REFERENCES areas, affects TEXT NOT NULL CHECK (affects IN ('all services','mobile data')),
  cause TEXT NOT NULL, started_on TEXT NOT NULL, expected_on TEXT NOT NULL, ended_on TEXT, full_days INTEGER NOT NULL CHECK (full_days >= 0)
) STRICT;
CREATE TABLE countries (
  country TEXT PRIMARY KEY, zone TEXT NOT NULL CHECK (zone IN ('home','Europe','World','Remote')), operator TEXT NOT NULL,
  mb_cents INTEGER NOT NULL CHECK (mb_cents >= 0), call_cents INTEGER NOT NULL CHECK (call_cents >= 0)   -- without a pass: a MB, a minute
) STRICT;
CREATE TABLE plans (
  plan_id TEXT PRIMARY KEY, plan TEXT NOT NULL UNIQUE, monthly_cents INTEGER NOT NULL UNIQUE CHECK (monthly_cents > 0),
  data_gb INTEGER NOT NULL CHECK (data_gb > 0), five_g INTEGER NOT NULL CHECK (five_g IN (0,1)), on_sale INTEGER NOT NULL CHECK (on_sale IN (0,1))
) STRICT;
CREATE TABLE packs (pack TEXT PRIMARY KEY, gb INTEGER NOT NULL CHECK (gb > 0), price_cents INTEGER NOT NULL UNIQUE CHECK (price_cents > 0)) STRICT;
CREATE TABLE passes (
  pass TEXT PRIMARY KEY, zone TEXT NOT NULL CHECK (zone IN ('Europe','World')), days INTEGER NOT NULL CHECK (days > 0), gb INTEGER NOT NULL,
  price_cents INTEGER NOT NULL UNIQUE CHECK (price_cents > 0)
) STRICT;

-- Customers and their lines. A line has at most one SIM in use and one phone.
CREATE TABLE customers (
  customer_id TEXT PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE, address TEXT NOT NULL,
  autopay_method_id TEXT REFERENCES payment_methods(payment_method_id)
) STRICT;
CREATE TABLE payment_methods (
  payment_method_id TEXT PRIMARY KEY, customer_id TEXT NOT NULL REFERENCES customers, brand TEXT NOT NULL, last4 TEXT NOT NULL,
  expires TEXT NOT NULL CHECK (length(expires) = 7), UNIQUE (customer_id, last4)
) STRICT;
CREATE TABLE lines (
  line_id TEXT PRIMARY KEY, customer_id TEXT NOT NULL REFERENCES customers, phone_number TEXT NOT NULL UNIQUE, label TEXT NOT NULL,
  child INTEGER NOT NULL CHECK (child IN (0,1)), plan_id TEXT NOT NULL REFERENCES plans,
  status TEXT NOT NULL CHECK (status IN ('active','suspended')), suspended_for TEXT CHECK (suspended_for IN ('unpaid','lost')),
  area TEXT NOT NULL REFERENCES areas, started_on TEXT NOT NULL, term_ends_on TEXT NOT NULL,                -- term: the minimum term
  data_used_mb INTEGER NOT NULL CHECK (data_used_mb >= 0), extra_mb INTEGER NOT NULL DEFAULT 0 CHECK (extra_mb >= 0),
  roaming INTEGER NOT NULL CHECK (roaming IN (0,1)), wifi_calling INTEGER NOT NULL CHECK (wifi_calling IN (0,1)),
  content_filter INTEGER NOT NULL CHECK (content_filter IN (0,1)), premium_bar INTEGER NOT NULL CHECK (premium_bar IN (0,1)),
  spend_cap_cents INTEGER NOT NULL CHECK (spend_cap_cents >= 0),
  registered INTEGER NOT NULL DEFAULT 1 CHECK (registered IN (0,1)),                                        -- the phone has found the network since the line was last opened
  UNIQUE (customer_id, label), CHECK ((status = 'suspended') = (suspended_for IS NOT NULL))
) STRICT;
CREATE TABLE line_events (
  line_event_id TEXT PRIMARY KEY, line_id TEXT NOT NULL REFERENCES lines, event TEXT NOT NULL CHECK (event IN ('suspended','opened')),
  reason TEXT NOT NULL CHECK (reason IN ('unpaid','lost')), happened_on TEXT NOT NULL
) STRICT;
CREATE TABLE sims (
  sim_id TEXT PRIMARY KEY, line_id TEXT NOT NULL REFERENCES lines, kind TEXT NOT NULL CHECK (kind IN ('plastic','esim')),
  status TEXT NOT NULL CHECK (status IN ('active','sent','blocked')), puk TEXT NOT NULL, issued_on TEXT NOT NULL, activated_on TEXT,
  sent_to TEXT NOT NULL, CHECK (status <> 'active' OR activated_on IS NOT NULL)
) STRICT;
CREATE INDEX sims_by_line ON sims(line_id);
CREATE UNIQUE INDEX one_sim_in_use ON sims(line_id) WHERE status = 'active';
-- The phone in the customer's hand: nobody at the desk can see or touch it.
CREATE TABLE phones (
  line_id TEXT PRIMARY KEY REFERENCES lines, model TEXT NOT NULL, country TEXT NOT NULL REFERENCES countries, sim_id TEXT NOT NULL REFERENCES sims,
  sim_seated INTEGER NOT NULL CHECK (sim_seated IN (0,1)), airplane_mode INTEGER NOT NULL CHECK (airplane_mode IN (0,1)),
  mobile_data INTEGER NOT NULL CHECK (mobile_data IN (0,1)), data_roaming INTEGER NOT NULL CHECK (data_roaming IN (0,1)),
  network_mode TEXT NOT NULL CHECK (network_mode IN ('Automatic','4G','3G','2G')), apn TEXT NOT NULL,
  wifi_calling INTEGER NOT NULL CHECK (wifi_calling IN (0,1)), vpn INTEGER NOT NULL CHECK (vpn IN (0,1))
) STRICT;

-- Bills. What is bought goes onto the draft, which is issued on the first of the next month.
CREATE TABLE bills (
  bill_id TEXT PRIMARY KEY, customer_id TEXT NOT NULL REFERENCES customers, status TEXT NOT NULL CHECK (status IN ('draft','open','paid')),
  issued_on TEXT NOT NULL, due_on TEXT NOT NULL, amount_cents INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX bills_by_customer ON bills(customer_id);
CREATE UNIQUE INDEX one_draft ON bills(customer_id) WHERE status = 'draft';
CREATE TABLE bill_items (
  item_id TEXT PRIMARY KEY, bill_id TEXT NOT NULL REFERENCES bills, line_id TEXT NOT NULL REFERENCES lines,
  kind TEXT NOT NULL CHECK (kind IN ('plan','plan change','top-up','roaming pass','roaming use','premium calls','credit')),
  description TEXT NOT NULL, amount_cents INTEGER NOT NULL CHECK (amount_cents <> 0), added_on TEXT NOT NULL,
  pass_order_id TEXT UNIQUE REFERENCES pass_orders,
  CHECK ((kind = 'credit') = (amount_cents < 0))
) STRICT;
CREATE INDEX items_by_bill ON bill_items(bill_id);
CREATE TRIGGER charged AFTER INSERT ON bill_items BEGIN
  UPDATE bills SET amount_cents = amount_cents + NEW.amount_cents WHERE bill_id = NEW.bill_id;
END;
CREATE TRIGGER taken_off AFTER DELETE ON bill_items BEGIN
  UPDATE bills SET amount_cents = amount_cents - OLD.amount_cents WHERE bill_id = OLD.bill_id;
END;
CREATE TRIGGER recharged AFTER UPDATE OF amount_cents ON bill_items BEGIN
  UPDATE bills SET amount_cents = amount_cents - OLD.amount_cents + NEW.amount_cents WHERE bill_id = NEW.bill_id;
END;
CREATE TABLE removals (                                                           -- what was taken off a draft, and how often it stood there
  removal_id TEXT PRIMARY KEY, item_id TEXT NOT NULL, line_id TEXT NOT NULL REFERENCES lines, description TEXT NOT NULL, amount_cents INTEGER NOT NULL,
  added_on TEXT NOT NULL, times INTEGER NOT NULL, removed_on TEXT NOT NULL
) STRICT;
CREATE TABLE payments (
  payment_id TEXT PRIMARY KEY, bill_id TEXT NOT NULL UNIQUE REFERENCES bills, payment_method_id TEXT NOT NULL REFERENCES payment_methods,
  amount_cents INTEGER NOT NULL CHECK (amount_cents > 0), paid_on TEXT NOT NULL
) STRICT;
CREATE TABLE extensions (
  extension_id TEXT PRIMARY KEY, bill_id TEXT NOT NULL REFERENCES bills, from_due TEXT NOT NULL, to_due TEXT NOT NULL, granted_on TEXT NOT NULL
) STRICT;
CREATE TABLE credits (
  credit_id TEXT PRIMARY KEY, line_id TEXT NOT NULL REFERENCES lines, item_id TEXT NOT NULL UNIQUE REFERENCES bill_items,
  reason TEXT NOT NULL CHECK (reason IN ('outage','wrong charge')), outage_id TEXT REFERENCES outages, charge_id TEXT UNIQUE REFERENCES bill_items(item_id),
  amount_cents INTEGER NOT NULL CHECK (amount_cents > 0),
  given_on TEXT NOT NULL, CHECK ((reason = 'outage') = (outage_id IS NOT NULL)), CHECK ((reason = 'wrong charge') = (charge_id IS NOT NULL))
) STRICT;

-- What is bought, changed, ported and reported.
CREATE TABLE topups (
  topup_id TEXT PRIMARY KEY, line_id TEXT NOT NULL REFERENCES lines, pack TEXT NOT NULL REFERENCES packs, bought_on TEXT NOT NULL, cycle_ends_on TEXT NOT NULL
) STRICT;
CREATE TABLE pass_orders (
  pass_order_id TEXT PRIMARY KEY, line_id TEXT NOT NULL REFERENCES lines, pass TEXT NOT NULL REFERENCES passes, country TEXT NOT NULL REFERENCES countries,
  starts_on TEXT NOT NULL, ends_on TEXT NOT NULL, status TEXT NOT NULL CHECK (status IN ('booked','cancelled')), CHECK (ends_on >= starts_on)
) STRICT;
CREATE TABLE plan_changes (
  plan_change_id TEXT PRIMARY KEY, line_id TEXT NOT NULL REFERENCES lines, from_plan_id TEXT NOT NULL REFERENCES plans(plan_id), to_plan_id TEXT NOT NULL REFERENCES plans(plan_id),
  starts_on TEXT NOT NULL, status TEXT NOT NULL CHECK (status IN ('done','scheduled','cancelled')), CHECK (from_plan_id <> to_plan_id)
) STRICT;
CREATE UNIQUE INDEX one_change_ahead ON plan_changes(line_id) WHERE status = 'scheduled';
CREATE TABLE ports (
  port_id TEXT PRIMARY KEY, line_id TEXT NOT NULL REFERENCES lines, direction TEXT NOT NULL CHECK (direction IN ('in','out')), number TEXT NOT NULL,
  code TEXT NOT NULL, other_network TEXT, on_date TEXT NOT NULL, status TEXT NOT NULL CHECK (status IN ('code issued','booked','done','cancelled'))
) STRICT;
CREATE TABLE tickets (
  ticket_id TEXT PRIMARY KEY, line_id TEXT NOT NULL REFERENCES lines, topic TEXT NOT NULL CHECK (topic IN ('coverage','dropped calls','slow data','missing texts')),
  details TEXT NOT NULL, status TEXT NOT NULL CHECK (status IN ('open','closed')), opened_on TEXT NOT NULL
) STRICT;

-- What a phone gets of the network, from everything that can stand in its way.
CREATE VIEW reception AS
SELECT l.line_id, l.phone_number, l.customer_id, p.model, p.country, p.sim_seated, p.airplane_mode, p.mobile_data, p.data_roaming, p.network_mode, p.apn, p.vpn,
  p.wifi_calling AS phone_wifi_calling, l.wifi_calling AS line_wifi_calling, l.roaming, l.status, l.registered, s.kind AS sim_kind, s.status AS sim_status, a.coverage,
  c.zone = 'home' AS at_home, c.operator,
  l.data_used_mb >= g.data_gb * 1000 + l.extra_mb AS slowed,
  coalesce((SELECT max(CASE o.affects WHEN 'all services' THEN 2 ELSE 1 END) FROM outages o WHERE o.area = l.area AND o.ended_on IS NULL), 0) AS outage,
  CASE p.network_mode WHEN 'Automatic' THEN CASE WHEN c.zone = 'home' AND g.five_g AND a.five_g THEN '5G' ELSE '4G' END ELSE p.network_mode END AS generation
FROM lines l JOIN phones p USING (line_id) JOIN sims s ON s.sim_id = p.sim_id JOIN plans g USING (plan_id) JOIN areas a USING (area) JOIN countries c USING (country);
CREATE VIEW connection AS
SELECT r.*, CASE WHEN airplane_mode THEN 'Airplane mode' WHEN NOT sim_seated THEN 'No SIM' WHEN sim_status <> 'active' THEN 'SIM not valid'
  WHEN status = 'suspended' THEN 'Emergency calls only' WHEN NOT registered THEN 'Searching for network'
  WHEN at_home AND outage = 2 THEN 'No service' WHEN NOT at_home AND NOT roaming THEN 'No service' ELSE operator || ' ' || generation END AS network
FROM reception r;
CREATE VIEW data_speed AS
SELECT n.*, network = operator || ' ' || generation AS in_service,
  CASE WHEN network <> operator || ' ' || generation OR NOT mobile_data OR apn NOT IN ('web.larkfield.example', 'internet') OR (at_home AND outage = 1) OR (NOT at_home AND NOT data_roaming) THEN 0
  WHEN generation = '2G' THEN 90 WHEN slowed THEN 500 WHEN vpn THEN 800 WHEN generation = '3G' THEN 3000
  WHEN generation = '4G' THEN spread('speed ' || line_id, 24, 58) * 1000 ELSE spread('speed ' || line_id, 120, 310) * 1000 END AS kbps
FROM connection n;
CREATE VIEW owners AS
  SELECT customer_id AS id, customer_id FROM customers UNION ALL SELECT line_id, customer_id FROM lines UNION ALL SELECT phone_number, customer_id FROM lines
  UNION ALL SELECT bill_id, customer_id FROM bills UNION ALL SELECT i.item_id, b.customer_id FROM bill_items i JOIN bills b USING (bill_id)
  UNION ALL SELECT payment_method_id, customer_id FROM payment_methods UNION ALL SELECT s.sim_id, l.customer_id FROM sims s JOIN lines l USING (line_id)
  UNION ALL SELECT o.pass_order_id, l.customer_id FROM pass_orders o JOIN lines l USING (line_id);
CREATE VIEW extras AS
  SELECT i.line_id, sum(i.amount_cents) AS extras_cents FROM bill_items i JOIN bills b USING (bill_id) WHERE b.status = 'draft' AND i.kind IN ('top-up','roaming pass','roaming use','premium calls') GROUP BY i.line_id;
CREATE VIEW same_charge AS                                                        -- how often one and the same charge stands on its bill
  SELECT i.item_id, (SELECT count(*) FROM bill_items o WHERE o.bill_id = i.bill_id AND o.line_id = i.line_id AND o.kind = i.kind AND o.description = i.description AND o.added_on = i.added_on) AS times FROM bill_items i;
