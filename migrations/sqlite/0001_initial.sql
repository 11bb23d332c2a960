-- Every moment is a number of microseconds since 1970 in UTC; a moment that is
-- unknown is that of the year 1 where a column is sorted by, else NULL.
-- Nouns are 'c' (credential), 'b' (blind credential) and 's' (service).
-- Lists and objects are JSON texts.
--
-- Tables with rows of a kilobyte are ordinary rowid tables: kept in the order of
-- a random text key they would be several times slower to write and to page
-- through. WITHOUT ROWID stands only where a row is nothing but its key.

-- All revisions of everything. The keys "<id>-<revision>" of this table and the
-- ids of table current are one key space; whoever writes to one looks into the
-- other.
CREATE TABLE history (
  number            INTEGER PRIMARY KEY,
  noun              TEXT    NOT NULL,
  id                TEXT    NOT NULL,
  revision          INTEGER NOT NULL,
  modified          INTEGER NOT NULL,
  modified_by       TEXT    NOT NULL,
  enabled           INTEGER NOT NULL,
  name              TEXT,              -- not of services
  metadata          TEXT,
  documentation     TEXT,
  key_names         TEXT,
  tags              TEXT,
  last_decrypted    INTEGER,
  last_rotation     INTEGER,
  account           TEXT,
  credentials       TEXT,
  blind_credentials TEXT,
  cipher_type       TEXT,
  cipher_version    INTEGER,
  data_key          BLOB,              -- of blind credentials a JSON text
  credential_pairs  TEXT               -- sealed; last, so that lists need not read past it
) STRICT;

CREATE UNIQUE INDEX history_key ON history (id, revision);
CREATE INDEX history_modified ON history (noun, modified, id, revision);

-- The current revision of each thing: which row of history it is, the head that
-- stands outside history, and what lists and searches sort and look by.
CREATE TABLE current (
  number   INTEGER PRIMARY KEY,
  noun     TEXT    NOT NULL,
  id       TEXT    NOT NULL,
  revision INTEGER NOT NULL,
  content  INTEGER NOT NULL,   -- history.number
  modified INTEGER NOT NULL,
  rotated  INTEGER NOT NULL,   -- last rotation
  author   TEXT    NOT NULL,   -- modified by
  enabled  INTEGER NOT NULL,
  folded   TEXT    NOT NULL,   -- the name in lower case
  sought   TEXT    NOT NULL,   -- name, key names and tags in lower case, each between two 0x1F
  digest   INTEGER NOT NULL,   -- of what searches, claims and mappings depend on
  claim    BLOB,               -- SHA-256 of the name, if this is who holds its claim
  stages   TEXT,               -- of the head
  accessed INTEGER             -- of the head
) STRICT;

CREATE UNIQUE INDEX current_id ON current (id);
CREATE UNIQUE INDEX current_claim ON current (noun, claim) WHERE claim IS NOT NULL;
CREATE INDEX current_modified ON current (noun, modified, id);
CREATE INDEX current_folded ON current (noun, folded, id);
CREATE INDEX current_rotated ON current (noun, rotated, id);
CREATE INDEX current_author ON current (author);
CREATE INDEX current_disabled ON current (enabled) WHERE enabled = 0;

-- Parts of names, key names and tags, by three characters. It keeps no positions
-- and no copy of the text: whoever looks here checks what he finds against
-- current.sought. Writing it costs as much as all the rest of a write without
-- its flush, so it is touched only when that text changes, which an update of
-- values does not.
CREATE VIRTUAL TABLE current_text USING fts5 (
  sought, content = 'current', content_rowid = 'number',
  tokenize = 'trigram case_sensitive 1', detail = none, columnsize = 0
);

-- Exact key names ('k' before the name) and tags ('t' before the tag).
CREATE TABLE label (
  label  TEXT    NOT NULL,
  number INTEGER NOT NULL,     -- current.number
  PRIMARY KEY (label, number)
) STRICT, WITHOUT ROWID;

-- Which service maps what. A mapping that once stood keeps its row in
-- mapping_version until its credential is deleted, so that versions count on.
CREATE TABLE mapping (
  credential TEXT NOT NULL,
  service    TEXT NOT NULL,
  PRIMARY KEY (credential, service)
) STRICT, WITHOUT ROWID;

CREATE TABLE mapping_version (
  credential TEXT    NOT NULL PRIMARY KEY,
  version    INTEGER NOT NULL,
  services   INTEGER NOT NULL, -- how many
  modified   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Everything without history.
CREATE TABLE document (
  number   INTEGER PRIMARY KEY,
  kind     TEXT    NOT NULL,
  id       TEXT    NOT NULL,
  version  INTEGER NOT NULL,
  body     TEXT    NOT NULL,
  modified INTEGER NOT NULL,
  expires  INTEGER
) STRICT;

CREATE UNIQUE INDEX document_key ON document (kind, id);
CREATE INDEX document_modified ON document (kind, modified, id);
CREATE INDEX document_expires ON document (expires) WHERE expires IS NOT NULL;

-- The permanent archive, a key space of its own: the same rows, but nothing in
-- it is claimed, mapped or searched.
CREATE TABLE archive_history (
  number            INTEGER PRIMARY KEY,
  noun              TEXT    NOT NULL,
  id                TEXT    NOT NULL,
  revision          INTEGER NOT NULL,
  modified          INTEGER NOT NULL,
  modified_by       TEXT    NOT NULL,
  enabled           INTEGER NOT NULL,
  name              TEXT,
  metadata          TEXT,
  documentation     TEXT,
  key_names         TEXT,
  tags              TEXT,
  last_decrypted    INTEGER,
  last_rotation     INTEGER,
  account           TEXT,
  credentials       TEXT,
  blind_credentials TEXT,
  cipher_type       TEXT,
  cipher_version    INTEGER,
  data_key          BLOB,
  credential_pairs  TEXT
) STRICT;

CREATE UNIQUE INDEX archive_history_key ON archive_history (id, revision);
CREATE INDEX archive_history_modified ON archive_history (noun, modified, id, revision);

CREATE TABLE archive_current (
  number   INTEGER PRIMARY KEY,
  noun     TEXT    NOT NULL,
  id       TEXT    NOT NULL,
  revision INTEGER NOT NULL,
  content  INTEGER NOT NULL,
  modified INTEGER NOT NULL,
  stages   TEXT,
  accessed INTEGER
) STRICT;

CREATE UNIQUE INDEX archive_current_id ON archive_current (id);
CREATE INDEX archive_current_modified ON archive_current (noun, modified, id);

-- One row that is rewritten to learn whether the store takes writes.
CREATE TABLE probe (
  at INTEGER NOT NULL
) STRICT;

INSERT INTO probe (at) VALUES (0);
