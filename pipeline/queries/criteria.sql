-- Criteria of the rubrics: how often each was met, missed, or stands unscored.
SELECT
    name AS criterion,
    "by",
    count(*) AS rows,
    count(*) FILTER (passed) AS met,
    count(*) FILTER (NOT passed) AS missed,
    count(*) FILTER (passed IS NULL) AS unscored,
    round(avg(score), 3) AS mean_score
FROM criteria
GROUP BY name, "by"
ORDER BY missed DESC, criterion
