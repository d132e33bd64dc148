-- The state of one checkpoint, in base64.
SELECT state
FROM watch_states FINAL
WHERE fleet = {fleet:String} AND slot = {slot:UInt8} AND position = {position:DateTime64(6, 'UTC')}
