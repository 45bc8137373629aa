-- Names that were written with their database, as HeidiSQL writes them: the server keeps the text, and so the dump has
-- it too. A copy under another name must not go back to the original.
CREATE TABLE t (id INT PRIMARY KEY, v INT);
INSERT INTO t VALUES (1, 1);
DELIMITER //
CREATE TRIGGER `corpus_qualified_names`.`both` BEFORE INSERT ON `corpus_qualified_names`.`t` FOR EACH ROW SET NEW.v = NEW.v + 1//
CREATE TRIGGER `only_table` BEFORE UPDATE ON `corpus_qualified_names`.`t` FOR EACH ROW SET NEW.v = 5//
CREATE TRIGGER corpus_qualified_names.unquoted AFTER INSERT ON corpus_qualified_names.t FOR EACH ROW SET @a = 1//
CREATE TRIGGER `only_trigger` AFTER DELETE ON t FOR EACH ROW SET @a = (SELECT MAX(id) FROM corpus_qualified_names.t)//
CREATE PROCEDURE `corpus_qualified_names`.`p`() SELECT * FROM corpus_qualified_names.t//
CREATE FUNCTION corpus_qualified_names.f() RETURNS INT READS SQL DATA RETURN (SELECT COUNT(*) FROM corpus_qualified_names.t)//
CREATE EVENT corpus_qualified_names.e ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' DO DELETE FROM corpus_qualified_names.t//
SET sql_mode = 'ANSI_QUOTES'//
CREATE TRIGGER "corpus_qualified_names"."ansi" AFTER UPDATE ON "corpus_qualified_names"."t" FOR EACH ROW SET @a = 1//
SET sql_mode = ''//
DELIMITER ;
CREATE VIEW corpus_qualified_names.v AS SELECT corpus_qualified_names.t.id, corpus_qualified_names.f() AS n FROM corpus_qualified_names.t;
