-- What the sample subscribers keep. A real service has its own.
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
CREATE VIEW analytics.daily_active_users AS SELECT day, count(*) AS users FROM analytics.active_user GROUP BY day;

CREATE SCHEMA IF NOT EXISTS security;
CREATE TABLE security.device (
  user_id    text        NOT NULL,
  family     text        NOT NULL,   -- of the user agent
  network    text        NOT NULL,
  first_seen timestamptz NOT NULL,
  PRIMARY KEY (user_id, family, network)
);
CREATE TABLE security.login (
  id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  ip      text        NOT NULL,
  user_id text        NOT NULL,
  at      timestamptz NOT NULL
);
CREATE INDEX login_by_ip ON security.login (ip, at);
CREATE INDEX login_by_time ON security.login (at);
CREATE TABLE security.refresh (
  id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  user_id text        NOT NULL,
  at      timestamptz NOT NULL
);
CREATE INDEX refresh_by_user ON security.refresh (user_id, at);
CREATE INDEX refresh_by_time ON security.refresh (at);

-- The outbox of the alerts: committed with what was found out, published afterwards.
CREATE TABLE security.alert (
  id           uuid PRIMARY KEY,
  kind         text        NOT NULL,
  about        text        NOT NULL,   -- the user or the address that it was raised for
  at           timestamptz NOT NULL,
  payload      bytea       NOT NULL,
  published_at timestamptz
);
CREATE INDEX alert_about ON security.alert (kind, about, at);
CREATE INDEX alert_unpublished ON security.alert (id) WHERE published_at IS NULL;
