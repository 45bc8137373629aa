-- `;;` where mariadb-dump itself writes `;;` as its delimiter: in texts, comments and quoted names of bodies.
CREATE TABLE t (id INT PRIMARY KEY, `c;;d` TEXT DEFAULT ';;') COMMENT=';;';
INSERT INTO t VALUES (1, ';;'), (2, '\n;;\n');
DELIMITER $$
CREATE PROCEDURE in_text() BEGIN SELECT ';;', "x;;"; SELECT ';
;
;;'; END$$
CREATE PROCEDURE `in;;name`(`a;;` INT) SELECT `a;;` AS `;;`$$
CREATE FUNCTION in_comment() RETURNS TEXT DETERMINISTIC COMMENT ';; and ;' BEGIN -- ;; here
 # and ;; here
 /* and ;; here */ RETURN ';;$$'; END$$
CREATE TRIGGER in_trigger BEFORE INSERT ON t FOR EACH ROW SET NEW.`c;;d` = ';;'$$
CREATE TRIGGER `tri;;gger` BEFORE UPDATE ON t FOR EACH ROW SET @a = 1$$
DELIMITER ;
CREATE VIEW v AS SELECT ';;' AS `a;;b` FROM t;
