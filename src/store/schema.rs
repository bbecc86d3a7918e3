//! The journal's tables, all of them on this page, and the way from an older schema to this one. Holds no data and opens nothing.
//!
//! A file is ours by its `application_id`; `user_version` counts the migrations it has seen. A case is a few facts that are
//! written once and never changed, and `pending`, which says what is still to do for it. So a step writes few pages, and
//! what recovery has to go on with is one small table. The checks are also what a look over the file finds rotten numbers and words
//! by; so whatever passes them can be read. Times are milliseconds since 1970, as the device's clock had them, and order
//! nothing: `cases.seq` and `reviews.resolution` do.

use rusqlite::Connection;

/// "SKTJ": this file is a journal of sokutou.
pub const APPLICATION_ID: i32 = 0x534b_544a;
/// The schema that `MIGRATIONS` leads to.
pub const VERSION: i32 = MIGRATIONS.len() as i32;

/// Each leads from the schema of its index to the next. A released one is never edited: old files have run it.
const MIGRATIONS: [&str; 2] = ["
    -- One row. `id` tells this journal from the one before it, whose cases had the same numbers.
    CREATE TABLE journal (
        id TEXT NOT NULL,
        exported_through INTEGER NOT NULL,  -- the last reviews.resolution that an export took
        exported_at INTEGER,
        sessions INTEGER NOT NULL           -- starts of daemons
    ) STRICT;
    INSERT INTO journal VALUES (lower(hex(randomblob(4))), 0, NULL, 0);

    -- received: what was asked.
    CREATE TABLE cases (
        seq INTEGER PRIMARY KEY,
        client TEXT NOT NULL,
        request TEXT NOT NULL,
        task TEXT NOT NULL,                 -- empty: the student's own choice, until it has answered
        question TEXT,                      -- null: let go to save space
        digest BLOB NOT NULL,               -- of task and question, so that a request id used for another question is noticed
        wants_rationale INTEGER NOT NULL CHECK (wants_rationale IN (0, 1)),
        route BLOB NOT NULL,
        source TEXT NOT NULL,
        expires_after INTEGER CHECK (expires_after >= 0),  -- milliseconds
        received_at INTEGER NOT NULL,
        UNIQUE (client, request)
    ) STRICT;

    CREATE TABLE students (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        version TEXT NOT NULL,
        serial INTEGER NOT NULL CHECK (serial BETWEEN 0 AND 4294967295),
        sha256 TEXT NOT NULL,
        UNIQUE (sha256, name, version, serial)
    ) STRICT;

    -- inferred: what became of it. Revision 0 of the reply.
    CREATE TABLE outcomes (
        seq INTEGER PRIMARY KEY REFERENCES cases,
        kind TEXT NOT NULL CHECK (kind IN ('answered', 'expired', 'failed')),
        at INTEGER NOT NULL,
        failure TEXT,
        student INTEGER REFERENCES students,
        answer TEXT,
        label TEXT,
        code INTEGER CHECK (code BETWEEN 0 AND 65535),
        confidence REAL CHECK (confidence BETWEEN 0 AND 1),
        band TEXT CHECK (band IN ('high', 'medium', 'low')),
        reason TEXT CHECK (reason IN ('out_of_scope', 'unsure', 'thinking_failed', 'no_answer')),  -- null: answered
        mode TEXT CHECK (mode IN ('answer_first', 'think_first')),
        tokens INTEGER CHECK (tokens BETWEEN 0 AND 4294967295),
        time_to_answer INTEGER CHECK (time_to_answer >= 0),  -- microseconds
        CHECK (kind != 'failed' OR failure NOT NULL),
        CHECK (kind != 'answered' OR (student NOT NULL AND answer NOT NULL AND label NOT NULL AND confidence NOT NULL
            AND band NOT NULL AND mode NOT NULL AND tokens NOT NULL AND time_to_answer NOT NULL))
    ) STRICT;

    CREATE TABLE rationales (
        seq INTEGER PRIMARY KEY REFERENCES cases,
        text TEXT NOT NULL,
        agrees INTEGER CHECK (agrees IN (0, 1)),
        strength REAL CHECK (strength BETWEEN 0 AND 1),
        CHECK ((agrees IS NULL) = (strength IS NULL))
    ) STRICT;

    -- The n-th review of a case is the n-th revision of its reply.
    CREATE TABLE reviews (
        seq INTEGER NOT NULL REFERENCES cases,
        number INTEGER NOT NULL CHECK (number BETWEEN 1 AND 4294967295),
        why TEXT NOT NULL CHECK (why IN ('out_of_scope', 'unsure', 'thinking_failed', 'no_answer', 'audit', 'disagreement',
            'asked')),
        opened_at INTEGER NOT NULL,
        claimed_by TEXT,
        claimed_at INTEGER,
        resolution INTEGER,                 -- grows over all cases; null: open
        verdict TEXT CHECK (verdict IN ('right', 'wrong', 'unclear')),
        correction TEXT,
        reviewer TEXT,
        reviewed_at INTEGER,
        PRIMARY KEY (seq, number),
        CHECK ((resolution IS NULL) = (verdict IS NULL) AND (resolution IS NULL) = (reviewed_at IS NULL)),
        CHECK ((claimed_by IS NULL) = (claimed_at IS NULL)),
        CHECK ((verdict IS 'wrong') = (correction IS NOT NULL))
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX reviews_open ON reviews (seq) WHERE resolution IS NULL;
    CREATE UNIQUE INDEX reviews_resolved ON reviews (resolution) WHERE resolution NOT NULL;

    -- What is still to do: answer (the student), reply (deliver this revision), explain (the student), rationale (deliver it).
    CREATE TABLE pending (
        what TEXT NOT NULL CHECK (what IN ('answer', 'reply', 'explain', 'rationale')),
        seq INTEGER NOT NULL,               -- of cases; no key to it, whose check would read the whole table for each case dropped
        revision INTEGER NOT NULL CHECK (revision BETWEEN 0 AND 4294967295),
        PRIMARY KEY (what, seq)
    ) STRICT, WITHOUT ROWID;

    -- What was let go of, and why.
    CREATE TABLE dropped (
        why TEXT PRIMARY KEY,
        count INTEGER NOT NULL CHECK (count > 0),
        first_at INTEGER NOT NULL,
        last_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
", "
    -- More reasons, and what exactly they name. SQLite changes a check only with its table.
    ALTER TABLE outcomes RENAME TO outcomes_1;
    CREATE TABLE outcomes (
        seq INTEGER PRIMARY KEY REFERENCES cases,
        kind TEXT NOT NULL CHECK (kind IN ('answered', 'expired', 'failed')),
        at INTEGER NOT NULL,
        failure TEXT,
        student INTEGER REFERENCES students,
        answer TEXT,
        label TEXT,
        code INTEGER CHECK (code BETWEEN 0 AND 65535),
        confidence REAL CHECK (confidence BETWEEN 0 AND 1),
        band TEXT CHECK (band IN ('high', 'medium', 'low')),
        reason TEXT CHECK (reason IN ('unsure', 'out_of_scope', 'thinking_failed', 'no_answer', 'contradiction', 'missing_reading',
            'unknown_reading', 'double_reading', 'foreign_unit', 'bad_quality', 'negated', 'out_of_range', 'ambiguous_number',
            'unreadable_reading', 'wrong_count', 'too_fine')),  -- null: answered
        detail TEXT,                        -- what exactly the reason names
        mode TEXT CHECK (mode IN ('answer_first', 'think_first')),
        tokens INTEGER CHECK (tokens BETWEEN 0 AND 4294967295),
        time_to_answer INTEGER CHECK (time_to_answer >= 0),  -- microseconds
        CHECK (kind != 'failed' OR failure NOT NULL),
        CHECK (kind != 'answered' OR (student NOT NULL AND answer NOT NULL AND label NOT NULL AND confidence NOT NULL
            AND band NOT NULL AND mode NOT NULL AND tokens NOT NULL AND time_to_answer NOT NULL))
    ) STRICT;
    INSERT INTO outcomes SELECT seq, kind, at, failure, student, answer, label, code, confidence, band, reason, NULL, mode,
        tokens, time_to_answer FROM outcomes_1;
    DROP TABLE outcomes_1;

    DROP INDEX reviews_open;
    DROP INDEX reviews_resolved;
    ALTER TABLE reviews RENAME TO reviews_1;
    CREATE TABLE reviews (
        seq INTEGER NOT NULL REFERENCES cases,
        number INTEGER NOT NULL CHECK (number BETWEEN 1 AND 4294967295),
        why TEXT NOT NULL CHECK (why IN ('unsure', 'out_of_scope', 'thinking_failed', 'no_answer', 'contradiction', 'missing_reading',
            'unknown_reading', 'double_reading', 'foreign_unit', 'bad_quality', 'negated', 'out_of_range', 'ambiguous_number',
            'unreadable_reading', 'wrong_count', 'too_fine', 'audit', 'disagreement', 'asked')),
        opened_at INTEGER NOT NULL,
        claimed_by TEXT,
        claimed_at INTEGER,
        resolution INTEGER,                 -- grows over all cases; null: open
        verdict TEXT CHECK (verdict IN ('right', 'wrong', 'unclear')),
        correction TEXT,
        reviewer TEXT,
        reviewed_at INTEGER,
        PRIMARY KEY (seq, number),
        CHECK ((resolution IS NULL) = (verdict IS NULL) AND (resolution IS NULL) = (reviewed_at IS NULL)),
        CHECK ((claimed_by IS NULL) = (claimed_at IS NULL)),
        CHECK ((verdict IS 'wrong') = (correction IS NOT NULL))
    ) STRICT, WITHOUT ROWID;
    INSERT INTO reviews SELECT * FROM reviews_1;
    DROP TABLE reviews_1;
    CREATE UNIQUE INDEX reviews_open ON reviews (seq) WHERE resolution IS NULL;
    CREATE UNIQUE INDEX reviews_resolved ON reviews (resolution) WHERE resolution NOT NULL;

    -- Answers whose reasons are to be looked at when the model has nothing else to do.
    CREATE TABLE checks (seq INTEGER PRIMARY KEY) STRICT;

    -- Topics at which the broker may retain a status of this gateway, under its name or one before it.
    CREATE TABLE statuses (topic TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
"];

/// Brings the schema from `version` to ours in one transaction. A file without a schema has version 0.
pub fn migrate(connection: &mut Connection, version: usize) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for migration in MIGRATIONS.iter().skip(version) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

/// Whether the tables and indexes are those that the migrations make up to `version`, by their text.
pub fn is_whole(connection: &Connection, version: usize) -> rusqlite::Result<bool> {
    let expected = Connection::open_in_memory()?;
    for migration in MIGRATIONS.iter().take(version) {
        expected.execute_batch(migration)?;
    }
    Ok(texts(connection)? == texts(&expected)?)
}

fn texts(connection: &Connection) -> rusqlite::Result<Vec<(String, Option<String>)>> {
    let mut statement =
        connection.prepare("SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%' ORDER BY name")?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}
