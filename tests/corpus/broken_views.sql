-- Views that cannot be used any more: mariadb-dump ends with exit code 2 at the first of them. They are left out, with
-- their definitions in the manifest, and everything else comes back.
CREATE TABLE t (id INT PRIMARY KEY, v INT);
INSERT INTO t VALUES (1, 1);
CREATE TABLE gone (id INT, `x``y` INT);
CREATE TABLE slimmed (id INT, taken INT);
DELIMITER //
CREATE FUNCTION gone_too(a INT) RETURNS INT DETERMINISTIC RETURN a//
DELIMITER ;
CREATE VIEW good AS SELECT id FROM t;
CREATE VIEW no_such_table AS SELECT id FROM gone;
CREATE VIEW `over``it` AS SELECT id FROM no_such_table;
CREATE VIEW no_such_column AS SELECT taken FROM slimmed;
CREATE VIEW no_such_function AS SELECT gone_too(id) FROM t;
CREATE DEFINER=nobody@nowhere SQL SECURITY DEFINER VIEW no_such_account AS SELECT id FROM t;
CREATE VIEW z_good AS SELECT id FROM good;
DROP TABLE gone;
ALTER TABLE slimmed DROP COLUMN taken;
DROP FUNCTION gone_too;
