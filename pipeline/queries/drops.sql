-- Rejected rows: whose fault it was, which filter dropped them, how the episodes had ended, and one of each to look at.
SELECT
    coalesce(attribution, '(not recorded)') AS attribution,
    drop_reason,
    status,
    stop_reason,
    count(*) AS rows,
    count(*) FILTER (len(mistakes) > 0) AS with_planted_mistake,
    min(episode_id) AS for_example
FROM rejected
GROUP BY ALL
ORDER BY rows DESC, attribution, drop_reason, status, stop_reason
