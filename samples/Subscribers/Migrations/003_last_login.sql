-- Of each user of an address the last login is enough: a flood then costs the same for each login, not more with each.
CREATE TABLE security.last_login (
  ip      text        NOT NULL,
  user_id text        NOT NULL,
  at      timestamptz NOT NULL,
  PRIMARY KEY (ip, user_id)
);
CREATE INDEX last_login_by_ip ON security.last_login (ip, at);
CREATE INDEX last_login_by_time ON security.last_login (at);
INSERT INTO security.last_login SELECT ip, user_id, max(at) FROM security.login GROUP BY ip, user_id;
DROP TABLE security.login;
