-- One audit, whole.
SELECT record
FROM audit_records FINAL
WHERE fleet = {fleet:String} AND id = {id:String}
