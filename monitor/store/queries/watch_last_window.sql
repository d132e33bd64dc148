-- Where the last window ends; no row where there is none.
SELECT max(ends_at) AS ends_at FROM watch_windows
WHERE fleet = {fleet:String} AND is_total
HAVING count() > 0
