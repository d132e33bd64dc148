-- Channels that a week's report was delivered to, or that refused it for good.
SELECT DISTINCT toString(channel) AS channel
FROM report_deliveries
WHERE fleet = {fleet:String} AND week = {week:String} AND time_zone = {zone:String}
ORDER BY channel
