-- One row a market. The epoch names its one writer: who takes over raises it, and the one before can write no more.
CREATE TABLE market (
    market_id text PRIMARY KEY,
    epoch bigint NOT NULL,
    last_sequence bigint NOT NULL DEFAULT 0
);

-- The log: gig.v1.Event, serialized.
CREATE TABLE event (
    market_id text NOT NULL REFERENCES market,
    sequence bigint NOT NULL,
    time timestamptz NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (market_id, sequence)
);

-- The market (gig.v1.MarketSnapshot) and its measures (JSON) at one sequence, each compressed by zlib.
CREATE TABLE snapshot (
    market_id text NOT NULL REFERENCES market,
    sequence bigint NOT NULL,
    body bytea NOT NULL,
    measures bytea NOT NULL,
    PRIMARY KEY (market_id, sequence)
);
