-- One step of a target, as it stands: of several writes the first.
SELECT number, toString(kind) AS what, id, series, at, state, record
FROM audit_states
WHERE fleet = {fleet:String} AND target = {target:String} AND number = {number:UInt32} AND kind != 'references'
ORDER BY written_at, write_id
LIMIT 1
