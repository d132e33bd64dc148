-- Which of these audits have been made.
SELECT DISTINCT id
FROM audit_states
WHERE fleet = {fleet:String} AND kind = 'audit' AND has({ids:Array(String)}, id)
