-- Which log this is; see lineage.py. The name is made with the file, so every copy of the file has it too.
CREATE TABLE lineage (
    only              INTEGER PRIMARY KEY CHECK (only = 1),
    name              TEXT NOT NULL,
    first_incarnation INTEGER NOT NULL,             -- tokens of earlier ones belong to another lineage
    behind            TEXT NOT NULL                 -- why no daemon may go on from this log; empty: one may
);

INSERT INTO lineage VALUES (1, lower(hex(randomblob(16))), 0, '');
