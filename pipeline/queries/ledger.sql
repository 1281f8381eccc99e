-- When things happened and what they cost, command by command: the first of each event, how often, and the last.
SELECT
    command,
    event,
    count(*) AS times,
    round(min(wall_seconds), 2) AS first_after_s,
    round(max(wall_seconds), 2) AS last_after_s,
    round(max(cpu_seconds), 2) AS cpu_s,
    sum("count") AS counted
FROM ledger
GROUP BY command, event
ORDER BY command, first_after_s, event
