-- The tables of the sample subscribers. A real service has its own.

-- ── Statistics ──
CREATE SCHEMA IF NOT EXISTS analytics;
CREATE TABLE analytics.daily_count (
  day     date   NOT NULL,   -- UTC
  subject text   NOT NULL,
  count   bigint NOT NULL,
  PRIMARY KEY (day, subject)
);
CREATE TABLE analytics.active_user (
  day     date NOT NULL,
  user_id text NOT NULL,
  PRIMARY KEY (day, user_id)
);
-- Days past the retention keep only the number of their users.
CREATE TABLE analytics.past_active_users (
  day   date   PRIMARY KEY,
  users bigint NOT NULL
);
CREATE VIEW analytics.daily_active_users AS
  SELECT day, sum(users)::bigint AS users
  FROM (SELECT day, count(*) AS users FROM analytics.active_user GROUP BY day UNION ALL SELECT day, users FROM analytics.past_active_users) AS counted
  GROUP BY day;

-- ── Security ──
CREATE SCHEMA IF NOT EXISTS security;
CREATE TABLE security.device (
  user_id    text        NOT NULL,
  family     text        NOT NULL,   -- of the user agent
  network    text        NOT NULL,
  first_seen timestamptz NOT NULL,
  last_seen  timestamptz NOT NULL,   -- what was not seen for a time is pruned
  PRIMARY KEY (user_id, family, network)
);
-- Only the last login of each user from each address, so that a flood of logins costs the same for each one.
CREATE TABLE security.last_login (
  ip      text        NOT NULL,
  user_id text        NOT NULL,
  at      timestamptz NOT NULL,
  PRIMARY KEY (ip, user_id)
);
CREATE INDEX last_login_by_ip ON security.last_login (ip, at);
CREATE INDEX last_login_by_time ON security.last_login (at);
CREATE TABLE security.refresh (
  id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  user_id text        NOT NULL,
  at      timestamptz NOT NULL
);
CREATE INDEX refresh_by_user ON security.refresh (user_id, at);
CREATE INDEX refresh_by_time ON security.refresh (at);
CREATE TABLE security.login_failure (
  id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  user_id text        NOT NULL,   -- the address that was tried, where nobody has it
  at      timestamptz NOT NULL
);
CREATE INDEX login_failure_by_user ON security.login_failure (user_id, at);
CREATE INDEX login_failure_by_time ON security.login_failure (at);

-- The outbox of the alerts: an alert commits with the finding and is published afterwards.
CREATE TABLE security.alert (
  id           uuid PRIMARY KEY,
  kind         text        NOT NULL,
  about        text        NOT NULL,   -- the user or address that it concerns
  at           timestamptz NOT NULL,
  payload      bytea       NOT NULL,
  published_at timestamptz,
  skipped_at   timestamptz             -- too large for the server; would block all later alerts
);
CREATE INDEX alert_about ON security.alert (kind, about, at);
CREATE INDEX alert_unpublished ON security.alert (id) WHERE published_at IS NULL AND skipped_at IS NULL;
