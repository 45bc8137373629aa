-- History that goes by transactions: mariadb-dump fails at it under --dump-history, and so that of no table is dumped;
-- the backup warns. What is there now comes back.
CREATE TABLE transactions (id INT PRIMARY KEY, v INT, s BIGINT UNSIGNED GENERATED ALWAYS AS ROW START, e BIGINT UNSIGNED GENERATED ALWAYS AS ROW END,
  PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING;
INSERT INTO transactions (id, v) VALUES (1, 1), (2, 2);
UPDATE transactions SET v = 3 WHERE id = 1;
CREATE TABLE plain (id INT PRIMARY KEY) WITH SYSTEM VERSIONING;
INSERT INTO plain VALUES (1), (2);
DELETE FROM plain WHERE id = 1;
