-- The frozen reference of each layer of a series, in base64, in the layers' order: those of the first write.
SELECT id AS layer, content
FROM audit_states
WHERE fleet = {fleet:String} AND target = {series:String} AND kind = 'references'
  AND write_id = (
      SELECT argMin(write_id, (written_at, write_id)) FROM audit_states
      WHERE fleet = {fleet:String} AND target = {series:String} AND kind = 'references'
  )
ORDER BY number
