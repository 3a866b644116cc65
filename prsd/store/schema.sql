-- The daemon's database. Times are seconds since the epoch; states are the words of prsd.core.vocabulary.State.
-- The table of facts is the truth; jobs and steps are summaries of it, written in the same transactions.

-- Submitted jobs; the number grows with the order of submission.
CREATE TABLE jobs (
    number       INTEGER PRIMARY KEY,
    name         TEXT NOT NULL UNIQUE,
    request_id   TEXT UNIQUE,            -- NULL: the client sent none
    display_name TEXT NOT NULL,
    notices      TEXT NOT NULL,          -- JSON list of texts
    created_at   REAL NOT NULL,
    state        TEXT NOT NULL,
    reason       TEXT NOT NULL,
    started_at   REAL,
    ended_at     REAL                    -- NULL: a restart folds the job's facts
);

-- A job's pipeline as it was planned, apart from its row so that lists do not read it.
CREATE TABLE documents (
    job   INTEGER PRIMARY KEY REFERENCES jobs (number),
    body  BLOB NOT NULL,                 -- JSON text
    crc32 INTEGER NOT NULL
);

-- Steps in the order of the pipeline, with what a list shows of them; see rows.StepCounts for the counts.
CREATE TABLE steps (
    number          INTEGER PRIMARY KEY,
    job             INTEGER NOT NULL REFERENCES jobs (number),
    name            TEXT NOT NULL,
    terms           TEXT NOT NULL,       -- JSON of StepTerms
    state           TEXT NOT NULL,
    reason          TEXT NOT NULL,
    started_at      REAL,
    ended_at        REAL,
    division_ended  INTEGER NOT NULL,
    divided         INTEGER NOT NULL,
    succeeded       INTEGER NOT NULL,
    empty           INTEGER NOT NULL,
    failed          INTEGER NOT NULL,
    retried         INTEGER NOT NULL,
    short           INTEGER NOT NULL,
    items_total     INTEGER NOT NULL,
    items_succeeded INTEGER NOT NULL,
    items_failed    INTEGER NOT NULL,
    UNIQUE (job, name)
);

-- What agents are told of a step: a serialized StepDefinition.
CREATE TABLE definitions (
    step  INTEGER PRIMARY KEY REFERENCES steps (number),
    body  BLOB NOT NULL,
    crc32 INTEGER NOT NULL
);

-- The log. Numbers have no gap; the checksum covers the row and, through the row before, all rows before (see chain.py).
CREATE TABLE facts (
    number      INTEGER PRIMARY KEY,
    job         INTEGER REFERENCES jobs (number),   -- NULL: a fact of the daemon itself
    step        INTEGER REFERENCES steps (number),
    kind        INTEGER NOT NULL,                   -- see kinds.py
    first       INTEGER,                            -- the (first) mini-batch that the fact is about
    recorded_at REAL NOT NULL,
    body        BLOB NOT NULL,                      -- see codec.py
    checksum    INTEGER NOT NULL
);

-- Finds what queries ask of a step: results and failures in the order of mini-batches.
CREATE INDEX facts_of_step ON facts (step, kind, first) WHERE step IS NOT NULL;

-- The number and checksum of the last fact: without it a lost tail of the log would look like a shorter log.
CREATE TABLE head (
    only     INTEGER PRIMARY KEY CHECK (only = 1),
    number   INTEGER NOT NULL,
    checksum INTEGER NOT NULL
);

INSERT INTO head VALUES (1, 0, 0);
