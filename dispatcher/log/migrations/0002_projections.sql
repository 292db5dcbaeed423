-- How far the projections below have followed the log.
CREATE TABLE projection (
    market_id text PRIMARY KEY REFERENCES market,
    sequence bigint NOT NULL
);

-- Each job as it stands: gig.v1.Job, serialized, and what it is looked up by.
CREATE TABLE job (
    market_id text NOT NULL,
    job_id text NOT NULL,
    client_id text NOT NULL,
    state smallint NOT NULL,
    -- Order of entry: the sequence of the job's first event.
    entered bigint NOT NULL,
    sequence bigint NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (market_id, job_id)
);

CREATE INDEX job_by_client ON job (market_id, client_id, entered DESC);

-- What happened to each job, in order.
CREATE TABLE job_history (
    market_id text NOT NULL,
    job_id text NOT NULL,
    sequence bigint NOT NULL,
    time timestamptz NOT NULL,
    kind text NOT NULL,
    PRIMARY KEY (market_id, job_id, sequence)
);

-- Every amount that a courier was paid.
CREATE TABLE pay_line (
    market_id text NOT NULL,
    sequence bigint NOT NULL,
    leg smallint NOT NULL,
    time timestamptz NOT NULL,
    courier_id text NOT NULL,
    job_id text NOT NULL,
    kind smallint NOT NULL,
    minor_units bigint NOT NULL,
    currency_code text NOT NULL,
    PRIMARY KEY (market_id, sequence, leg)
);

CREATE INDEX pay_line_by_courier ON pay_line (market_id, courier_id, time);
