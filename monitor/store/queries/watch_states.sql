-- The checkpoints of a fleet, without their states, the one that goes furthest first.
SELECT slot, position, toString(version) AS version, written_at, length(state) AS size_bytes
FROM watch_states FINAL
WHERE fleet = {fleet:String}
ORDER BY position DESC, written_at DESC
