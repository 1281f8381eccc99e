-- Tiers and customers. The limit of a day is for payments to others; a customer's own accounts do not count.
CREATE TABLE tiers (
  tier TEXT PRIMARY KEY CHECK (tier IN ('classic','plus','premier')), rank INTEGER NOT NULL UNIQUE,
  top_transfer_limit_cents INTEGER NOT NULL, top_card_limit_cents INTEGER NOT NULL, top_overdraft_cents INTEGER NOT NULL
) STRICT;
CREATE TABLE customers (
  customer_id TEXT PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE, phone TEXT NOT NULL, address TEXT NOT NULL,
  tier TEXT NOT NULL REFERENCES tiers, transfer_limit_cents INTEGER NOT NULL CHECK (transfer_limit_cents >= 0)
) STRICT;

-- Accounts and what moved on them. A balance is the opening balance and every posted transaction since.
CREATE TABLE accounts (
  account_id TEXT PRIMARY KEY, customer_id TEXT NOT NULL REFERENCES customers,
  kind TEXT NOT NULL CHECK (kind IN ('current','savings')), name TEXT NOT NULL,
  sort_code TEXT NOT NULL, account_number TEXT NOT NULL UNIQUE,
  opening_cents INTEGER NOT NULL DEFAULT 0, balance_cents INTEGER NOT NULL DEFAULT 0,
  overdraft_cents INTEGER NOT NULL DEFAULT 0 CHECK (overdraft_cents >= 0),
  UNIQUE (customer_id, name), CHECK (kind = 'current' OR overdraft_cents = 0), CHECK (balance_cents >= -overdraft_cents)
) STRICT;
CREATE TABLE merchants (merchant TEXT PRIMARY KEY, category TEXT NOT NULL, low INTEGER NOT NULL, high INTEGER NOT NULL CHECK (high >= low)) STRICT;
CREATE TABLE payees (
  payee_id TEXT PRIMARY KEY, customer_id TEXT NOT NULL REFERENCES customers, name TEXT NOT NULL,
  sort_code TEXT NOT NULL, account_number TEXT NOT NULL, added_on TEXT NOT NULL,
  UNIQUE (customer_id, sort_code, account_number)
) STRICT;
CREATE TABLE transfers (
  transfer_id TEXT PRIMARY KEY, from_account_id TEXT NOT NULL REFERENCES accounts(account_id),
  to_account_id TEXT REFERENCES accounts(account_id), payee_id TEXT REFERENCES payees,
  amount_cents INTEGER NOT NULL CHECK (amount_cents > 0), reference TEXT, made_at TEXT NOT NULL,
  CHECK ((to_account_id IS NULL) <> (payee_id IS NULL)), CHECK (to_account_id <> from_account_id)
) STRICT;
CREATE INDEX transfers_by_account ON transfers(from_account_id);
CREATE TABLE cards (
  card_id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts, last4 TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('active','frozen','lost','ordered')),
  frozen_by TEXT CHECK (frozen_by IN ('customer','security team')), lost_on TEXT,
  daily_limit_cents INTEGER NOT NULL CHECK (daily_limit_cents >= 0), expires TEXT NOT NULL,
  replaces TEXT UNIQUE REFERENCES cards(card_id), CHECK (status <> 'frozen' OR frozen_by IS NOT NULL)  -- frozen_by stays: who froze it last
) STRICT;
CREATE TABLE transactions (
  transaction_id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts,
  kind TEXT NOT NULL CHECK (kind IN ('card','fee','refund','salary','transfer','direct_debit','standing_order','interest')),
  amount_cents INTEGER NOT NULL CHECK (amount_cents <> 0), counterparty TEXT NOT NULL, category TEXT NOT NULL,
  card_id TEXT REFERENCES cards, transfer_id TEXT REFERENCES transfers, posted_on TEXT NOT NULL,
  CHECK ((kind = 'card') = (card_id IS NOT NULL)), CHECK ((kind = 'transfer') = (transfer_id IS NOT NULL))
) STRICT;
CREATE INDEX transactions_by_account ON transactions(account_id, posted_on);
CREATE INDEX transactions_by_transfer ON transactions(transfer_id);
-- Every movement is posted to its account's balance, and none is taken back.
CREATE TRIGGER posted AFTER INSERT ON transactions BEGIN
  UPDATE accounts SET balance_cents = balance_cents + NEW.amount_cents WHERE account_id = NEW.account_id;
END;

-- What goes out by itself.
CREATE TABLE standing_orders (
  standing_order_id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts,
  payee_id TEXT REFERENCES payees, to_account_id TEXT REFERENCES accounts(account_id),
  amount_cents INTEGER NOT NULL CHECK (amount_cents > 0), day_of_month INTEGER NOT NULL CHECK (day_of_month BETWEEN 1 AND 28),
  next_on TEXT NOT NULL, reference TEXT, status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active','cancelled')),
  CHECK ((to_account_id IS NULL) <> (payee_id IS NULL)), CHECK (to_account_id <> account_id)
) STRICT;
CREATE TABLE direct_debits (
  mandate_id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts, originator TEXT NOT NULL, service TEXT NOT NULL,
  amount_cents INTEGER NOT NULL CHECK (amount_cents > 0), next_on TEXT NOT NULL,
  status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active','cancelled'))
) STRICT;

-- Every change of an arranged overdraft.
CREATE TABLE overdraft_changes (
  change_id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts, from_cents INTEGER NOT NULL, to_cents INTEGER NOT NULL, changed_on TEXT NOT NULL
) STRICT;

-- What went wrong, and what was given back.
CREATE TABLE disputes (
  dispute_id TEXT PRIMARY KEY, transaction_id TEXT NOT NULL UNIQUE REFERENCES transactions,
  reason TEXT NOT NULL CHECK (reason IN ('not_recognised','goods_not_received','wrong_amount','charged_twice')),
  evidence TEXT NOT NULL, status TEXT NOT NULL CHECK (status IN ('opened','with the merchant','won','lost')),
  opened_on TEXT NOT NULL, decision_by TEXT NOT NULL
) STRICT;
CREATE TABLE fee_refunds (
  fee_refund_id TEXT PRIMARY KEY, fee_transaction_id TEXT NOT NULL UNIQUE REFERENCES transactions(transaction_id),
  credit_transaction_id TEXT NOT NULL UNIQUE REFERENCES transactions(transaction_id),
  reason TEXT NOT NULL CHECK (reason IN ('goodwill','bank_error')), refunded_on TEXT NOT NULL
) STRICT;

-- Plans, journeys, notes and mail.
CREATE TABLE savings_goals (
  goal_id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts, name TEXT NOT NULL,
  target_cents INTEGER NOT NULL CHECK (target_cents > 0), target_on TEXT NOT NULL,
  status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active','closed'))
) STRICT;
CREATE UNIQUE INDEX one_goal_each ON savings_goals(account_id) WHERE status = 'active';
CREATE TABLE travel_notices (
  notice_id TEXT PRIMARY KEY, customer_id TEXT NOT NULL REFERENCES customers, country TEXT NOT NULL,
  from_on TEXT NOT NULL, to_on TEXT NOT NULL, status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active','cancelled')),
  CHECK (to_on >= from_on)
) STRICT;
CREATE TABLE notes (
  note_id TEXT PRIMARY KEY, customer_id TEXT NOT NULL REFERENCES customers, payee_id TEXT REFERENCES payees,
  topic TEXT NOT NULL CHECK (topic IN ('call-back made','call-back requested','remark')), author TEXT NOT NULL, body TEXT NOT NULL, noted_at TEXT NOT NULL
) STRICT;
CREATE TABLE statements_sent (
  statement_id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts, from_on TEXT NOT NULL, to_on TEXT NOT NULL,
  channel TEXT NOT NULL CHECK (channel IN ('post','email')), sent_to TEXT NOT NULL, sent_at TEXT NOT NULL
) STRICT;
CREATE TABLE messages (
  message_id TEXT PRIMARY KEY, customer_id TEXT NOT NULL REFERENCES customers, subject TEXT NOT NULL, body TEXT NOT NULL, sent_at TEXT NOT NULL
) STRICT;

-- Whose a thing is, by its id.
CREATE VIEW owners AS
  SELECT customer_id AS id, customer_id FROM customers UNION ALL SELECT account_id, customer_id FROM accounts
  UNION ALL SELECT payee_id, customer_id FROM payees UNION ALL SELECT notice_id, customer_id FROM travel_notices
  UNION ALL SELECT x.card_id, a.customer_id FROM cards x JOIN accounts a USING (account_id)
  UNION ALL SELECT x.transaction_id, a.customer_id FROM transactions x JOIN accounts a USING (account_id)
  UNION ALL SELECT x.standing_order_id, a.customer_id FROM standing_orders x JOIN accounts a USING (account_id)
  UNION ALL SELECT x.mandate_id, a.customer_id FROM direct_debits x JOIN accounts a USING (account_id)
  UNION ALL SELECT x.goal_id, a.customer_id FROM savings_goals x JOIN accounts a USING (account_id);
-- What was sent to others today, of each customer's limit.
CREATE VIEW sent_by_day AS
  SELECT a.customer_id, substr(t.made_at, 1, 10) AS day, sum(t.amount_cents) AS sent_cents
  FROM transfers t JOIN accounts a ON a.account_id = t.from_account_id WHERE t.payee_id IS NOT NULL GROUP BY 1, 2;
