-- What lists and the home page ask for: whether any service maps a row, and when
-- a person saw pairs that have not changed since, which makes them due.
ALTER TABLE current ADD COLUMN mapped INTEGER NOT NULL DEFAULT 0; -- 1: table mapping names it
ALTER TABLE current ADD COLUMN seen INTEGER; -- last decrypted, if that was after the last rotation

UPDATE current SET mapped = 1 WHERE id IN (SELECT credential FROM mapping);
UPDATE current SET seen = h.last_decrypted FROM history h
  WHERE h.number = current.content AND h.last_decrypted > coalesce(h.last_rotation, -62135596800000000);

CREATE INDEX current_mapped ON current (noun, mapped, enabled);
CREATE INDEX current_seen ON current (seen, rotated) WHERE seen IS NOT NULL;
CREATE INDEX current_unrotated ON current (noun) WHERE noun = 'c' AND (revision = 1 OR rotated = -62135596800000000);
