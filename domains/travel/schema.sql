-- Places, carriers and the timetable. Times of the timetable are local to the airport.
CREATE TABLE airports (
  code TEXT PRIMARY KEY CHECK (length(code) = 3), name TEXT NOT NULL, city TEXT NOT NULL UNIQUE, country TEXT NOT NULL,
  utc_offset_min INTEGER NOT NULL CHECK (utc_offset_min BETWEEN -720 AND 840),  -- daylight saving time
  hotel_level_cents INTEGER NOT NULL CHECK (hotel_level_cents > 0),             -- a plain double room, a night
  table_level_pct INTEGER NOT NULL CHECK (table_level_pct > 0)                  -- restaurant prices against the average
) STRICT;
CREATE TABLE carriers (code TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, country TEXT NOT NULL) STRICT;
CREATE TABLE schedules (
  flight_no TEXT PRIMARY KEY, carrier TEXT NOT NULL REFERENCES carriers,
  origin TEXT NOT NULL REFERENCES airports, destination TEXT NOT NULL REFERENCES airports,
  departs TEXT NOT NULL, block_min INTEGER NOT NULL CHECK (block_min BETWEEN 30 AND 960),
  days TEXT NOT NULL,                                                           -- days of operation, 1 = Monday
  seats INTEGER NOT NULL CHECK (seats > 0),
  base_cents INTEGER NOT NULL CHECK (base_cents > 0), bag_cents INTEGER NOT NULL CHECK (bag_cents > 0),
  CHECK (origin <> destination)
) STRICT;
CREATE INDEX schedules_by_route ON schedules(origin, destination);
CREATE TABLE travel_days (
  day TEXT PRIMARY KEY, day_no TEXT NOT NULL CHECK (day_no IN ('1','2','3','4','5','6','7')),
  demand_pct INTEGER NOT NULL                                                   -- what the day does to fares
) STRICT;
CREATE TABLE fare_rules (
  fare TEXT PRIMARY KEY CHECK (fare IN ('light','standard','flex','business')), cabin TEXT NOT NULL, letter TEXT NOT NULL UNIQUE,
  multiplier_pct INTEGER NOT NULL, long_haul_pct INTEGER NOT NULL, checked_bags INTEGER NOT NULL,
  changeable INTEGER NOT NULL CHECK (changeable IN (0,1)), change_fee_cents INTEGER NOT NULL,
  refundable INTEGER NOT NULL CHECK (refundable IN (0,1)), cancel_fee_cents INTEGER NOT NULL
) STRICT;
CREATE TABLE disruptions (
  flight_no TEXT NOT NULL REFERENCES schedules, travel_date TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('delayed','cancelled')), delay_min INTEGER NOT NULL CHECK (delay_min >= 0), reason TEXT NOT NULL,
  PRIMARY KEY (flight_no, travel_date)
) STRICT;

-- Customers, their money, points, diary and mail.
CREATE TABLE tiers (
  tier TEXT PRIMARY KEY CHECK (tier IN ('blue','silver','gold')), rank INTEGER NOT NULL UNIQUE,
  goodwill_cents INTEGER NOT NULL, benefits TEXT NOT NULL
) STRICT;
CREATE TABLE customers (
  customer_id TEXT PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE, phone TEXT NOT NULL,
  home_airport TEXT NOT NULL REFERENCES airports, tier TEXT NOT NULL REFERENCES tiers,
  points INTEGER NOT NULL CHECK (points >= 0), opening_points INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE payment_methods (
  payment_method_id TEXT PRIMARY KEY, customer_id TEXT NOT NULL REFERENCES customers,
  kind TEXT NOT NULL CHECK (kind IN ('card','credit')), label TEXT NOT NULL, last4 TEXT, expires TEXT,
  balance_cents INTEGER CHECK (balance_cents >= 0), opening_cents INTEGER,
  CHECK ((kind = 'card') = (balance_cents IS NULL)), CHECK ((kind = 'card') = (last4 IS NOT NULL AND expires IS NOT NULL)),
  CHECK ((balance_cents IS NULL) = (opening_cents IS NULL)), UNIQUE (customer_id, last4)
) STRICT;
CREATE UNIQUE INDEX one_credit_each ON payment_methods(customer_id) WHERE kind = 'credit';
CREATE TABLE points_entries (
  entry_id TEXT PRIMARY KEY, customer_id TEXT NOT NULL REFERENCES customers, points INTEGER NOT NULL CHECK (points <> 0),
  reason TEXT NOT NULL, posted_at TEXT NOT NULL
) STRICT;
CREATE TABLE calendar_entries (
  entry_id TEXT PRIMARY KEY, customer_id TEXT NOT NULL REFERENCES customers, on_date TEXT NOT NULL,
  starts TEXT NOT NULL, ends TEXT, title TEXT NOT NULL, source TEXT NOT NULL CHECK (source IN ('personal','desk')),
  status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active','removed'))
) STRICT;
CREATE INDEX calendar_by_customer ON calendar_entries(customer_id, on_date);
CREATE TABLE mails (
  mail_id TEXT PRIMARY KEY, customer_id TEXT NOT NULL REFERENCES customers, subject TEXT NOT NULL, body TEXT NOT NULL, sent_at TEXT NOT NULL
) STRICT;
CREATE TABLE trips (                                                            -- the folder in which the desk files a journey
  trip_id TEXT PRIMARY KEY, customer_id TEXT NOT NULL REFERENCES customers, city TEXT NOT NULL REFERENCES airports(city),
  purpose TEXT NOT NULL CHECK (purpose IN ('leisure','business','family')), travellers INTEGER NOT NULL CHECK (travellers BETWEEN 1 AND 6),
  starts_on TEXT NOT NULL, ends_on TEXT NOT NULL, CHECK (ends_on > starts_on)
) STRICT;

-- Where to sleep, to eat and to listen.
CREATE TABLE stays (
  stay_id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, city TEXT NOT NULL REFERENCES airports(city), district TEXT NOT NULL,
  stars INTEGER NOT NULL CHECK (stars BETWEEN 2 AND 5), rating_tenths INTEGER NOT NULL CHECK (rating_tenths BETWEEN 60 AND 99)
) STRICT;
CREATE INDEX stays_by_city ON stays(city);
CREATE TABLE rooms (
  room_id TEXT PRIMARY KEY, stay_id TEXT NOT NULL REFERENCES stays, room TEXT NOT NULL,
  sleeps INTEGER NOT NULL CHECK (sleeps BETWEEN 1 AND 6), units INTEGER NOT NULL CHECK (units > 0)
) STRICT;
CREATE INDEX rooms_by_stay ON rooms(stay_id);
CREATE TABLE rates (
  rate_id TEXT PRIMARY KEY, room_id TEXT NOT NULL REFERENCES rooms, plan TEXT NOT NULL CHECK (plan IN ('flexible','non_refundable')),
  breakfast INTEGER NOT NULL CHECK (breakfast IN (0,1)), nightly_cents INTEGER NOT NULL CHECK (nightly_cents > 0)
) STRICT;
CREATE INDEX rates_by_room ON rates(room_id);
CREATE TABLE restaurants (
  restaurant_id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, city TEXT NOT NULL REFERENCES airports(city), district TEXT NOT NULL,
  cuisine TEXT NOT NULL, menu_cents INTEGER NOT NULL CHECK (menu_cents > 0),     -- a dinner for one, without drinks
  rating_tenths INTEGER NOT NULL, closed_on TEXT NOT NULL, seatings TEXT NOT NULL -- JSON list of HH:MM
) STRICT;
CREATE INDEX restaurants_by_city ON restaurants(city);
CREATE TABLE dining_tables (
  table_id TEXT PRIMARY KEY, restaurant_id TEXT NOT NULL REFERENCES restaurants, area TEXT NOT NULL, seats INTEGER NOT NULL CHECK (seats > 0)
) STRICT;
CREATE INDEX tables_by_restaurant ON dining_tables(restaurant_id);
CREATE TABLE venues (
  venue_id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, city TEXT NOT NULL REFERENCES airports(city), district TEXT NOT NULL,
  address TEXT NOT NULL, capacity INTEGER NOT NULL, getting_there TEXT NOT NULL
) STRICT;
CREATE TABLE events (
  event_id TEXT PRIMARY KEY, artist TEXT NOT NULL, tour TEXT NOT NULL, venue_id TEXT NOT NULL REFERENCES venues,
  on_date TEXT NOT NULL, doors TEXT NOT NULL, starts TEXT NOT NULL, CHECK (starts > doors),
  UNIQUE (venue_id, on_date), UNIQUE (artist, on_date)
) STRICT;
CREATE TABLE ticket_categories (
  category_id TEXT PRIMARY KEY, event_id TEXT NOT NULL REFERENCES events, section TEXT NOT NULL CHECK (section IN ('floor','upper','premium')),
  price_cents INTEGER NOT NULL CHECK (price_cents > 0), allocation INTEGER NOT NULL CHECK (allocation >= 0), UNIQUE (event_id, section)
) STRICT;

-- What customers have booked, and every movement of money for it.
CREATE TABLE flight_bookings (
  flight_booking_id TEXT PRIMARY KEY, customer_id TEXT NOT NULL REFERENCES customers,
  flight_no TEXT NOT NULL REFERENCES schedules, travel_date TEXT NOT NULL REFERENCES travel_days, fare TEXT NOT NULL REFERENCES fare_rules,
  passengers INTEGER NOT NULL CHECK (passengers BETWEEN 1 AND 9), extra_bags INTEGER NOT NULL DEFAULT 0 CHECK (extra_bags BETWEEN 0 AND 9),
  fare_cents INTEGER NOT NULL CHECK (fare_cents > 0),                           -- for one passenger
  fees_cents INTEGER NOT NULL DEFAULT 0, refunded_cents INTEGER NOT NULL DEFAULT 0 CHECK (refunded_cents >= 0),
  status TEXT NOT NULL CHECK (status IN ('booked','flown','cancelled')),
  payment_method_id TEXT NOT NULL REFERENCES payment_methods, booked_at TEXT NOT NULL
) STRICT;
CREATE INDEX flight_bookings_by_flight ON flight_bookings(flight_no, travel_date);
CREATE TABLE stay_bookings (
  stay_booking_id TEXT PRIMARY KEY, customer_id TEXT NOT NULL REFERENCES customers, rate_id TEXT NOT NULL REFERENCES rates,
  check_in TEXT NOT NULL, check_out TEXT NOT NULL, guests INTEGER NOT NULL CHECK (guests BETWEEN 1 AND 6),
  nightly_cents INTEGER NOT NULL CHECK (nightly_cents > 0), refunded_cents INTEGER NOT NULL DEFAULT 0 CHECK (refunded_cents >= 0),
  status TEXT NOT NULL CHECK (status IN ('booked','stayed','cancelled')),
  payment_method_id TEXT NOT NULL REFERENCES payment_methods, booked_at TEXT NOT NULL, CHECK (check_out > check_in)
) STRICT;
CREATE INDEX stay_bookings_by_rate ON stay_bookings(rate_id);
CREATE TABLE ticket_orders (
  order_id TEXT PRIMARY KEY, customer_id TEXT NOT NULL REFERENCES customers, category_id TEXT NOT NULL REFERENCES ticket_categories,
  quantity INTEGER NOT NULL CHECK (quantity BETWEEN 1 AND 9), price_cents INTEGER NOT NULL CHECK (price_cents > 0),
  payment_method_id TEXT NOT NULL REFERENCES payment_methods, ordered_at TEXT NOT NULL
) STRICT;
CREATE INDEX ticket_orders_by_category ON ticket_orders(category_id);
CREATE TABLE table_bookings (
  table_booking_id TEXT PRIMARY KEY, customer_id TEXT NOT NULL REFERENCES customers, table_id TEXT NOT NULL REFERENCES dining_tables,
  on_date TEXT NOT NULL, at_time TEXT NOT NULL, party_size INTEGER NOT NULL CHECK (party_size > 0),
  status TEXT NOT NULL CHECK (status IN ('booked','kept','cancelled')), booked_at TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX one_party_a_seating ON table_bookings(table_id, on_date, at_time) WHERE status <> 'cancelled';
CREATE TABLE payments (
  payment_id TEXT PRIMARY KEY, payment_method_id TEXT NOT NULL REFERENCES payment_methods,
  kind TEXT NOT NULL CHECK (kind IN ('charge','refund','points','goodwill')),
  amount_cents INTEGER NOT NULL CHECK (amount_cents <> 0),                       -- what the customer paid; negative: what came back
  flight_booking_id TEXT REFERENCES flight_bookings, stay_booking_id TEXT REFERENCES stay_bookings, order_id TEXT REFERENCES ticket_orders,
  posted_at TEXT NOT NULL,
  CHECK ((kind = 'charge') = (amount_cents > 0)),
  CHECK (kind NOT IN ('charge','refund') OR (flight_booking_id IS NOT NULL) + (stay_booking_id IS NOT NULL) + (order_id IS NOT NULL) = 1)
) STRICT;
CREATE INDEX payments_by_method ON payments(payment_method_id);
CREATE INDEX payments_by_flight ON payments(flight_booking_id);
CREATE INDEX payments_by_stay ON payments(stay_booking_id);
CREATE INDEX payments_by_order ON payments(order_id);

-- Nobody is in two places: a customer's trips do not overlap.
CREATE TRIGGER one_trip_at_a_time BEFORE INSERT ON trips
BEGIN SELECT RAISE(ABORT, 'the customer is already away then') WHERE EXISTS (SELECT 1 FROM trips t WHERE t.customer_id = NEW.customer_id
  AND t.starts_on <= NEW.ends_on AND NEW.starts_on <= t.ends_on); END;
CREATE TRIGGER no_trip_home BEFORE INSERT ON trips
BEGIN SELECT RAISE(ABORT, 'the customer lives there') WHERE EXISTS (SELECT 1 FROM customers c JOIN airports a ON a.code = c.home_airport
  WHERE c.customer_id = NEW.customer_id AND a.city = NEW.city); END;
-- A tour plays each city once, so that "the show in Lisbon" is one show.
CREATE TRIGGER one_show_a_city BEFORE INSERT ON events
BEGIN SELECT RAISE(ABORT, 'the tour already plays this city') WHERE EXISTS (SELECT 1 FROM events e JOIN venues v USING (venue_id)
  WHERE e.artist = NEW.artist AND v.city = (SELECT city FROM venues WHERE venue_id = NEW.venue_id)); END;
CREATE TRIGGER credit_is_not_overdrawn BEFORE INSERT ON payments
BEGIN SELECT RAISE(ABORT, 'The travel credit does not cover this amount.') WHERE EXISTS (SELECT 1 FROM payment_methods m
  WHERE m.payment_method_id = NEW.payment_method_id AND m.kind = 'credit' AND m.balance_cents < NEW.amount_cents); END;
CREATE TRIGGER credit_follows_payments AFTER INSERT ON payments
BEGIN UPDATE payment_methods SET balance_cents = balance_cents - NEW.amount_cents
  WHERE payment_method_id = NEW.payment_method_id AND kind = 'credit'; END;

-- Every flight of every day in the sales window: the timetable unrolled, with its seats.
CREATE VIEW flights AS
SELECT s.flight_no || '/' || d.day AS flight_id, s.flight_no, d.day AS travel_date, c.name AS carrier, s.origin, s.destination,
  d.day || ' ' || s.departs AS departs_at,
  add_minutes(d.day || ' ' || s.departs, s.block_min + b.utc_offset_min - a.utc_offset_min) AS arrives_at,
  s.block_min AS duration_min, s.bag_cents, s.base_cents, d.demand_pct,
  s.seats - spread('sold ' || s.flight_no || d.day, s.seats * 11 / 20, s.seats) - (SELECT coalesce(sum(f.passengers), 0) FROM flight_bookings f
    WHERE f.flight_no = s.flight_no AND f.travel_date = d.day AND f.status <> 'cancelled') AS seats_left
FROM schedules s JOIN travel_days d ON instr(s.days, d.day_no) > 0 JOIN carriers c ON c.code = s.carrier
  JOIN airports a ON a.code = s.origin JOIN airports b ON b.code = s.destination;
-- What a seat costs under each fare; the fare code is good for this flight and fare alone.
CREATE VIEW fares AS
SELECT f.flight_id, f.flight_no, f.carrier, f.travel_date, f.origin, f.destination, f.departs_at, f.arrives_at, f.duration_min, f.seats_left, r.fare, r.cabin,
  r.letter || substr(f.flight_no, 1, 2) || spread('code ' || f.flight_id || r.fare, 10000, 99999) AS fare_code,
  f.base_cents * (r.multiplier_pct + (f.duration_min > 360) * r.long_haul_pct) / 100
    * (100 + f.demand_pct + spread('fare ' || f.flight_id, -14, 26)) / 10000 * 100 AS fare_cents
FROM flights f CROSS JOIN fare_rules r;
-- What a flight booking gives back when it is cancelled.
CREATE VIEW flight_refunds AS
SELECT b.flight_booking_id, b.passengers * b.fare_cents + b.extra_bags * s.bag_cents + b.fees_cents - b.refunded_cents AS paid_cents,
  CASE WHEN r.refundable THEN max(0, b.passengers * (b.fare_cents - r.cancel_fee_cents) + b.extra_bags * s.bag_cents) ELSE 0 END AS refund_cents
FROM flight_bookings b JOIN schedules s USING (flight_no) JOIN fare_rules r USING (fare);
-- How many units of each room are taken is asked with a period; this is who holds what.
CREATE VIEW room_nights AS
SELECT b.stay_booking_id, r.room_id, b.check_in, b.check_out FROM stay_bookings b JOIN rates r USING (rate_id) WHERE b.status <> 'cancelled';
