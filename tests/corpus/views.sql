-- Views whose names say nothing of their order: over views that sort after them, with CHECK OPTION (error 1368), over
-- functions, with recursion, under accounts that do not exist.
CREATE TABLE t (id INT PRIMARY KEY, v INT, s VARCHAR(50));
INSERT INTO t VALUES (1, 1, 'a'), (2, 20, 'b;c'), (3, 300, NULL);
DELIMITER //
CREATE FUNCTION twice(a INT) RETURNS INT DETERMINISTIC RETURN a * 2//
CREATE FUNCTION counted() RETURNS INT READS SQL DATA RETURN (SELECT COUNT(*) FROM t)//
DELIMITER ;
CREATE VIEW z AS SELECT id, v, s FROM t WHERE v > 0;
CREATE VIEW m AS SELECT id, v FROM z WITH CASCADED CHECK OPTION;
CREATE VIEW a AS SELECT id FROM m WITH LOCAL CHECK OPTION;
CREATE VIEW aa AS SELECT a.id, zz.n FROM a JOIN (SELECT 1 AS n) zz;
CREATE VIEW by_function AS SELECT twice(id) AS twice, counted() AS n, corpus_views.twice(v) AS again FROM z;
CREATE VIEW a_over_function AS SELECT twice FROM by_function WHERE twice(twice) > 2;
CREATE VIEW `recursive` AS WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT n FROM r;
CREATE VIEW common AS WITH z AS (SELECT 5 AS five) SELECT five FROM z;
CREATE ALGORITHM=TEMPTABLE SQL SECURITY INVOKER VIEW temptable AS SELECT v, COUNT(*) AS `COUNT(*)` FROM t GROUP BY v HAVING COUNT(*) > 0;
CREATE ALGORITHM=MERGE DEFINER=`gone account`@`10.%` SQL SECURITY INVOKER VIEW orphan AS SELECT id FROM t;
CREATE DEFINER=`it's "gone"`@`` SQL SECURITY INVOKER VIEW orphan_two AS SELECT id FROM orphan;
CREATE VIEW windows AS SELECT id, ROW_NUMBER() OVER (PARTITION BY v ORDER BY id DESC) AS `row`, LAG(v) OVER w AS before_it FROM t WINDOW w AS (ORDER BY id);
CREATE VIEW unioned AS (SELECT id FROM t ORDER BY v LIMIT 1) UNION ALL SELECT id FROM a EXCEPT SELECT 99 INTERSECT SELECT 98;
CREATE VIEW literals AS SELECT 'it''s; \\ -- `x` /* */' AS `lit"er'al`, "q" AS q, 0x00ff AS h, _latin1'\xe4' AS l, b'101' AS b, N'n' AS n, TIMESTAMP'2020-01-01 00:00:00' AS ts, TRUE AS yes, NULL AS nothing, '한글 😀' AS `한글`;
CREATE VIEW no_table AS SELECT 1, 'Name_exp_1', 2;
CREATE VIEW `v``quoted; view` (`c``1`, `c"2`) AS SELECT id, s FROM z;
CREATE VIEW `SELECT` AS SELECT `v``quoted; view`.`c``1` AS `FROM` FROM `v``quoted; view`;
CREATE VIEW elsewhere AS SELECT user, COUNT(*) AS n FROM information_schema.processlist GROUP BY user;
CREATE VIEW star AS SELECT * FROM t LEFT JOIN m USING (id, v) NATURAL JOIN z;
CREATE VIEW wide AS SELECT seq AS n FROM seq_1_to_10;
-- A view stood here when the one over it was made; what it stands on changed since.
CREATE VIEW v2 AS SELECT 1 AS x;
CREATE VIEW v1 AS SELECT id AS x FROM t;
CREATE OR REPLACE VIEW v0 AS SELECT x FROM v2;
CREATE OR REPLACE VIEW v2 AS SELECT x FROM v1;
SET sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT';
CREATE VIEW piped AS SELECT "s" || 'x' AS "pi""ped" FROM t;
SET sql_mode = '';
-- A text in which the names of other views stand.
CREATE VIEW b_named AS SELECT '`zzz`' AS a UNION SELECT 'from `zzz`';
CREATE VIEW zzz AS SELECT a FROM b_named;
