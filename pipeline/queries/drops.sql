-- Rejected rows: which filter dropped them, how the episodes had ended, and one of each to look at.
SELECT
    drop_reason,
    status,
    stop_reason,
    count(*) AS rows,
    count(*) FILTER (len(mistakes) > 0) AS with_planted_mistake,
    min(episode_id) AS for_example
FROM rejected
GROUP BY drop_reason, status, stop_reason
ORDER BY rows DESC, drop_reason, status, stop_reason
