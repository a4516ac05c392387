-- A journal as schema version 1 wrote it: one lease in the middle of its work, one that ended.
CREATE TABLE machine (
    kind TEXT NOT NULL, id BLOB NOT NULL, seq INTEGER NOT NULL, state BLOB NOT NULL, ended INTEGER NOT NULL,
    PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE TABLE input (
    kind TEXT NOT NULL, id BLOB NOT NULL, seq INTEGER NOT NULL, once BLOB, body BLOB NOT NULL,
    PRIMARY KEY (kind, id, seq)) WITHOUT ROWID;
CREATE TABLE effect (
    eid BLOB NOT NULL UNIQUE, kind TEXT NOT NULL, id BLOB NOT NULL, seq INTEGER NOT NULL, body BLOB NOT NULL,
    status INTEGER NOT NULL, note TEXT NOT NULL);
CREATE INDEX effect_by_machine ON effect (kind, id);
CREATE INDEX effect_pending ON effect (status) WHERE status = 0;
INSERT INTO machine VALUES ('lease', x'01', 1, CAST('running' AS BLOB), 0), ('lease', x'02', 0, CAST('gone' AS BLOB), 1);
INSERT INTO input VALUES
    ('lease', x'01', 0, CAST('tx-1' AS BLOB), CAST('opened' AS BLOB)),
    ('lease', x'01', 1, NULL, CAST('started' AS BLOB)),
    ('lease', x'02', 0, CAST('tx-2' AS BLOB), CAST('opened' AS BLOB));
INSERT INTO effect VALUES
    (x'aa', 'lease', x'01', 0, CAST('start' AS BLOB), 1, ''),
    (x'bb', 'lease', x'01', 1, CAST('post result' AS BLOB), 0, '');
PRAGMA user_version = 1;
