-- The draws of an audit, in base64.
SELECT content
FROM audit_states
WHERE fleet = {fleet:String} AND target = {target:String} AND kind = 'audit' AND id = {id:String} AND content != ''
ORDER BY number, written_at, write_id
LIMIT 1
