-- Since version 3: what decides whether a step may be taken over instead of run, see prsd.reuse.keys.
CREATE TABLE reuse_keys (
    step  INTEGER PRIMARY KEY REFERENCES steps (number),
    name  TEXT NOT NULL,                 -- the step's, as in steps: finds earlier steps of the same name
    key   TEXT NOT NULL,                 -- a digest of the parts
    own   INTEGER NOT NULL,              -- 0: the step was taken over itself, another one ran
    body  BLOB NOT NULL,                 -- JSON object of the parts
    crc32 INTEGER NOT NULL
);

CREATE INDEX reuse_keys_by_key ON reuse_keys (key, step);
CREATE INDEX reuse_keys_by_name ON reuse_keys (name, step);
