-- Events that were delivered again and again and never answered: one of them may be what takes the process down. They are
-- tried one after the other, so that those who were only there when it happened are not blamed with it.
ALTER TABLE watchword.parked_event ADD COLUMN suspect boolean NOT NULL DEFAULT false;
