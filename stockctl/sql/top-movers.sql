-- top-movers: The latest quote of each symbol, ranked by its move against the previous close.
-- by: percent or change (in currency)
-- direction: up (only rises), down (only falls) or both (whatever their sign)
-- limit: how many symbols at most, 0 for all
WITH newest_first AS (
    SELECT
        symbol,
        "timestamp",
        price,
        previous_close,
        row_number() OVER (PARTITION BY symbol ORDER BY "timestamp" DESC) AS age
    FROM stock_data_table
),
moves AS (
    SELECT
        symbol,
        "timestamp",
        price,
        previous_close,
        round(price - previous_close, 8) AS price_change,
        round((price - previous_close) / previous_close * 100, 8) AS change_percent
    FROM newest_first
    WHERE age = 1 AND previous_close IS NOT NULL
),
measured AS (
    SELECT
        moves.*,
        abs(CASE measures.measure WHEN 'percent' THEN change_percent ELSE price_change END) AS size
    FROM moves
    CROSS JOIN (VALUES ('percent'), ('change')) AS measures (measure)
    WHERE measures.measure = ?
),
wanted AS (
    SELECT measured.*, row_number() OVER (ORDER BY size DESC, symbol) AS place
    FROM measured
    CROSS JOIN (VALUES ('up', 1), ('down', -1), ('both', 0)) AS directions (direction, sign)
    WHERE directions.direction = ? AND (sign = 0 OR sign * (price - previous_close) > 0)
)
SELECT symbol, "timestamp", price, previous_close, price_change, change_percent
FROM wanted
WHERE place <= coalesce(nullif(?, 0), place)
ORDER BY place
