-- The tables of one market are followed from the log's first event again.
WITH
    jobs AS (DELETE FROM job WHERE market_id = $1),
    history AS (DELETE FROM job_history WHERE market_id = $1),
    pay AS (DELETE FROM pay_line WHERE market_id = $1),
    phases AS (DELETE FROM courier_phase WHERE market_id = $1),
    ratings AS (DELETE FROM rating WHERE market_id = $1),
    decisions AS (DELETE FROM decision WHERE market_id = $1),
    reviews AS (DELETE FROM review WHERE market_id = $1),
    opinions AS (DELETE FROM review_opinion WHERE market_id = $1),
    accesses AS (DELETE FROM access WHERE market_id = $1)
UPDATE projection SET sequence = 0 WHERE market_id = $1
