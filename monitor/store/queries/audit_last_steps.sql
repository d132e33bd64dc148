-- The last step of each target of a fleet, as it stands: of several writes of one step the first.
SELECT target, number, toString(kind) AS what, id, series, at, state, record
FROM audit_states
WHERE fleet = {fleet:String} AND kind != 'references'
ORDER BY target, number DESC, written_at, write_id
LIMIT 1 BY target
