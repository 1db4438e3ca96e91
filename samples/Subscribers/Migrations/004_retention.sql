-- What is kept for a time only must say how old it is. When a known device was used last nobody noted: it counts from now on.
ALTER TABLE security.device ADD COLUMN last_seen timestamptz NOT NULL DEFAULT now();
ALTER TABLE security.device ALTER COLUMN last_seen DROP DEFAULT;

-- Of a day long past the number of its users is enough.
CREATE TABLE analytics.past_active_users (
  day   date   PRIMARY KEY,
  users bigint NOT NULL
);
CREATE OR REPLACE VIEW analytics.daily_active_users AS
  SELECT day, sum(users)::bigint AS users
  FROM (SELECT day, count(*) AS users FROM analytics.active_user GROUP BY day UNION ALL SELECT day, users FROM analytics.past_active_users) AS counted
  GROUP BY day;
