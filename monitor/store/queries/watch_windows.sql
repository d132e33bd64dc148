-- The windows that begin in [since, until), as they stand: of each beginning the first write. Totals come before cells.
SELECT
    begins_at, ends_at, is_total, messages, dead_letters, toString(tenant) AS tenant, toString(model) AS model,
    toString(category) AS category, toString(guard_name) AS guard_name, toString(guard_version) AS guard_version,
    toString(guard_prompt_hash) AS guard_prompt_hash, calibration_version, events, to_be_scored, answered, responded, refused,
    harmless, harmless_refused, harmful, harmful_refused, harmful_prompts, harmful_responses
FROM watch_windows AS w
WHERE w.fleet = {fleet:String}
  AND w.begins_at >= {since:DateTime64(6, 'UTC')} AND w.begins_at < {until:DateTime64(6, 'UTC')}
  AND (w.begins_at, w.write_id) IN
  (
      SELECT begins_at, argMin(write_id, (written_at, write_id)) FROM watch_windows
      WHERE fleet = {fleet:String} AND is_total
        AND begins_at >= {since:DateTime64(6, 'UTC')} AND begins_at < {until:DateTime64(6, 'UTC')}
      GROUP BY begins_at
  )
ORDER BY w.begins_at, w.is_total DESC, w.tenant, w.model, w.category, w.guard_name, w.guard_version, w.guard_prompt_hash,
    w.calibration_version
