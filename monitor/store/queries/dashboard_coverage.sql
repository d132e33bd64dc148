-- The closed windows that begin in [since, until), added up: what was read, refused as unreadable, and answered by the guard.
SELECT
    countIf(w.is_total)        AS windows,
    sum(w.messages)            AS messages,
    sum(w.dead_letters)        AS dead_letters,
    sum(w.events)              AS events,
    sum(w.to_be_scored)        AS to_be_scored,
    sum(w.answered)            AS answered
FROM watch_windows AS w
WHERE w.fleet = {fleet:String}
  AND w.begins_at >= {since:DateTime64(6, 'UTC')} AND w.begins_at < {until:DateTime64(6, 'UTC')}
  AND w.write_id IN
  (
      SELECT argMin(write_id, (written_at, write_id)) FROM watch_windows
      WHERE fleet = {fleet:String} AND is_total
        AND begins_at >= {since:DateTime64(6, 'UTC')} AND begins_at < {until:DateTime64(6, 'UTC')}
      GROUP BY begins_at
  )
