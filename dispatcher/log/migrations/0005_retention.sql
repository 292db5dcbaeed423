-- How far positions have been coarsened and expired, and where the log has each courier there: pairs of int64 in E7
-- degrees, latitudes first.
CREATE TABLE retention (
    market_id text NOT NULL REFERENCES market,
    stage text NOT NULL,
    sequence bigint NOT NULL,
    places bytea NOT NULL,
    PRIMARY KEY (market_id, stage)
);
