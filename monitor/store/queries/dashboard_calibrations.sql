-- The calibrations of a fleet, each version as it stands, with the signed record, the newest versions first.
SELECT model, version, toString(state) AS stage, at, signed
FROM calibrations
WHERE fleet = {fleet:String}
ORDER BY model, version DESC
LIMIT 20 BY model
LIMIT {limit:UInt32}
