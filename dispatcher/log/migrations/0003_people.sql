-- What the tables below show is followed from the log anew, and snapshots before them lack what they need.
DELETE FROM snapshot;
UPDATE projection SET sequence = 0;
TRUNCATE job, job_history;
DROP TABLE pay_line;

ALTER TABLE job ADD COLUMN courier_id text NOT NULL;
CREATE INDEX job_by_courier ON job (market_id, courier_id, entered) WHERE courier_id <> '';

-- Every amount that a courier or a reviewer was paid, with its arithmetic.
CREATE TABLE pay_line (
    market_id text NOT NULL,
    sequence bigint NOT NULL,
    leg smallint NOT NULL,
    time timestamptz NOT NULL,
    worker_id text NOT NULL,
    job_id text NOT NULL,
    review_id text NOT NULL,
    kind smallint NOT NULL,
    minor_units bigint NOT NULL,
    currency_code text NOT NULL,
    rule text NOT NULL,
    PRIMARY KEY (market_id, sequence, leg)
);
CREATE INDEX pay_line_by_worker ON pay_line (market_id, worker_id, time);

-- When a courier's time began to go into what: 0 offline, 1 waiting, 2 to the pickup, 3 waiting there, 4 with a job.
CREATE TABLE courier_phase (
    market_id text NOT NULL,
    courier_id text NOT NULL,
    sequence bigint NOT NULL,
    time timestamptz NOT NULL,
    phase smallint NOT NULL,
    PRIMARY KEY (market_id, courier_id, sequence)
);

-- Each rating as it stands: gig.v1.Rating, serialized.
CREATE TABLE rating (
    market_id text NOT NULL,
    job_id text NOT NULL,
    rater smallint NOT NULL,
    rater_id text NOT NULL,
    rated_id text NOT NULL,
    sequence bigint NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (market_id, job_id, rater)
);
CREATE INDEX rating_by_rated ON rating (market_id, rated_id, sequence);
CREATE INDEX rating_by_rater ON rating (market_id, rater_id, sequence);

-- Who was decided about, by which event: the event itself explains it.
CREATE TABLE decision (
    market_id text NOT NULL,
    sequence bigint NOT NULL,
    person_id text NOT NULL,
    decision_id text NOT NULL,
    kind smallint NOT NULL,
    job_id text NOT NULL,
    PRIMARY KEY (market_id, person_id, sequence, decision_id)
);
CREATE INDEX decision_by_id ON decision (market_id, decision_id, sequence);

-- Each review as it stands: gig.v1.Review, serialized.
CREATE TABLE review (
    market_id text NOT NULL,
    review_id text NOT NULL,
    subject_id text NOT NULL,
    decision_id text NOT NULL,
    opened bigint NOT NULL,
    sequence bigint NOT NULL,
    decided boolean NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (market_id, review_id)
);
CREATE INDEX review_by_decision ON review (market_id, decision_id);
CREATE INDEX review_by_subject ON review (market_id, subject_id, opened);

-- Reviews as their reviewers' work.
CREATE TABLE review_opinion (
    market_id text NOT NULL,
    sequence bigint NOT NULL,
    reviewer_id text NOT NULL,
    review_id text NOT NULL,
    time timestamptz NOT NULL,
    spent interval NOT NULL,
    outcome smallint NOT NULL,
    PRIMARY KEY (market_id, sequence)
);
CREATE INDEX review_opinion_by_reviewer ON review_opinion (market_id, reviewer_id, time);
