-- Calls by tool: how often each was called, refused, wrote, or met a fault.
SELECT
    domain,
    name AS tool,
    actor,
    count(*) AS calls,
    count(DISTINCT episode_id) AS episodes,
    round(avg(ok::INTEGER), 3) AS ok,
    count(*) FILTER (wrote) AS writes,
    count(*) FILTER (fault IS NOT NULL) AS faults,
    mode(error) FILTER (error IS NOT NULL) AS commonest_error
FROM calls
GROUP BY domain, name, actor
ORDER BY domain, calls DESC, tool
