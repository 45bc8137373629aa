-- History that goes by transactions: mariadb-dump fails at it under --dump-history, and so that of no table is dumped.
-- Ours has that of all others, and warns. (Rows of such a table hold the server's own numbers, so there are none here.)
CREATE TABLE transactions (id INT PRIMARY KEY, v INT, s BIGINT UNSIGNED GENERATED ALWAYS AS ROW START, e BIGINT UNSIGNED GENERATED ALWAYS AS ROW END,
  PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING;
CREATE TABLE plain (id INT PRIMARY KEY) WITH SYSTEM VERSIONING;
INSERT INTO plain VALUES (1), (2);
DELETE FROM plain WHERE id = 1;
