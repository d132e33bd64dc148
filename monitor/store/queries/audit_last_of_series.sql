-- The last step of a series that holds draws: the newest audit that another can be compared with.
SELECT number, toString(kind) AS what, id, series, at, state, record
FROM audit_states
WHERE fleet = {fleet:String} AND target = {target:String} AND series = {series:String} AND kind = 'audit' AND content != ''
ORDER BY number DESC, written_at, write_id
LIMIT 1
