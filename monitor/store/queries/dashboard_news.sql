-- What changes when something new is there: the end of the last closed window, and how many rows are stored.
SELECT
    (SELECT max(ends_at) FROM watch_windows WHERE fleet = {fleet:String} AND is_total) AS windows_until,
    (SELECT sum(rows) FROM system.parts WHERE database = currentDatabase() AND active
        AND table IN ('verdict_rows', 'audit_rows', 'calibration_rows', 'quarter_rows')) AS stored
