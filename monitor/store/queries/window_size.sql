-- How much of the table a window is: decides between rates.sql and rates_of_window.sql.
SELECT
    (
        SELECT count() FROM arrivals
        WHERE arrived_at >= {since:DateTime64(6, 'UTC')} AND arrived_at < {until:DateTime64(6, 'UTC')}
    ) AS arrived,
    (SELECT count() FROM verdict_rows) AS stored
