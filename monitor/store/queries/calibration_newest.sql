-- The newest record of each model of a fleet, as it was signed: what the topic should hold.
SELECT model, signed
FROM calibrations
WHERE fleet = {fleet:String}
ORDER BY model, version DESC
LIMIT 1 BY model
