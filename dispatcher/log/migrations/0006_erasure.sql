-- Erasures that are under way: a restart goes on with them. The row, and with it the name, goes when all is done.
CREATE TABLE erasure (
    market_id text NOT NULL REFERENCES market,
    person_id text NOT NULL,
    pseudonym text NOT NULL,
    -- Events that were rewritten; absent until the log names the person no more.
    events bigint,
    PRIMARY KEY (market_id, person_id)
);
