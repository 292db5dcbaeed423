-- Who looked at whose data by office. The reader's name is on the log alone.
CREATE TABLE access (
    market_id text NOT NULL,
    sequence bigint NOT NULL,
    time timestamptz NOT NULL,
    role text NOT NULL,
    method text NOT NULL,
    subject_id text NOT NULL,
    PRIMARY KEY (market_id, sequence)
);
CREATE INDEX access_by_subject ON access (market_id, subject_id, sequence);
