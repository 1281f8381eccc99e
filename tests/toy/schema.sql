CREATE TABLE members (
  member_id TEXT PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE,
  fines_cents INTEGER NOT NULL DEFAULT 0 CHECK (fines_cents >= 0)
) STRICT;
CREATE TABLE books (
  book_id TEXT PRIMARY KEY, title TEXT NOT NULL UNIQUE, author TEXT NOT NULL, shelf TEXT NOT NULL,
  copies INTEGER NOT NULL CHECK (copies > 0), copies_free INTEGER NOT NULL CHECK (copies_free >= 0)
) STRICT;
CREATE TABLE loans (
  loan_id TEXT PRIMARY KEY, member_id TEXT NOT NULL REFERENCES members, book_id TEXT NOT NULL REFERENCES books,
  due_on TEXT NOT NULL, renewals INTEGER NOT NULL DEFAULT 0, status TEXT NOT NULL CHECK (status IN ('active', 'returned')),
  borrowed_at TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX one_active_loan ON loans (member_id, book_id) WHERE status = 'active';
CREATE TABLE holds (
  hold_id TEXT PRIMARY KEY, member_id TEXT NOT NULL REFERENCES members, book_id TEXT NOT NULL REFERENCES books,
  pickup_by TEXT NOT NULL, status TEXT NOT NULL CHECK (status IN ('waiting', 'cancelled')), created_at TEXT NOT NULL
) STRICT;
CREATE TABLE notes (
  note_id TEXT PRIMARY KEY, member_id TEXT NOT NULL REFERENCES members, loan_id TEXT REFERENCES loans,
  body TEXT NOT NULL, sent_at TEXT NOT NULL
) STRICT;
CREATE TABLE apps (
  member_id TEXT PRIMARY KEY REFERENCES members, signed_in INTEGER NOT NULL CHECK (signed_in IN (0, 1)),
  refreshed_on TEXT NOT NULL
) STRICT;
CREATE TRIGGER at_most_four BEFORE INSERT ON loans WHEN NEW.status = 'active'
BEGIN
  SELECT RAISE(ABORT, 'The member has four books on loan already.')
  WHERE (SELECT count(*) FROM loans WHERE member_id = NEW.member_id AND status = 'active') >= 4;
END;
CREATE TRIGGER lent AFTER INSERT ON loans WHEN NEW.status = 'active'
BEGIN
  UPDATE books SET copies_free = copies_free - 1 WHERE book_id = NEW.book_id;
END;
CREATE VIEW open_loans AS SELECT l.*, b.title, b.author FROM loans l JOIN books b USING (book_id) WHERE l.status = 'active';
