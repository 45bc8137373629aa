-- Foreign keys in every direction: round in circles, to the table itself, to tables that sort after, to other columns
-- than the key, in other collations, and rows that do not obey them.
CREATE TABLE z_parent (id INT PRIMARY KEY, code VARCHAR(10) COLLATE utf8mb4_bin, a INT, b INT, UNIQUE (code), KEY (a, b));
CREATE TABLE a_child (id INT PRIMARY KEY, parent INT, code VARCHAR(10) COLLATE utf8mb4_bin, a INT, b INT,
  CONSTRAINT `odd``name; -- x` FOREIGN KEY (parent) REFERENCES z_parent (id) ON DELETE CASCADE ON UPDATE SET NULL,
  CONSTRAINT 제약 FOREIGN KEY (code) REFERENCES z_parent (code) ON UPDATE CASCADE ON DELETE RESTRICT,
  FOREIGN KEY (a, b) REFERENCES z_parent (a, b) ON DELETE NO ACTION);
INSERT INTO z_parent VALUES (1, 'Ä', 1, 2), (2, 'ä', 3, 4);
INSERT INTO a_child VALUES (1, 1, 'ä', 1, 2), (2, NULL, NULL, 3, NULL);
CREATE TABLE self (id INT PRIMARY KEY, parent INT, FOREIGN KEY (parent) REFERENCES self (id) ON DELETE CASCADE);
INSERT INTO self VALUES (1, NULL), (3, 1), (2, 3);
UPDATE self SET parent = 2 WHERE id = 1;
CREATE TABLE ring_a (id INT PRIMARY KEY, o INT);
CREATE TABLE ring_b (id INT PRIMARY KEY, o INT, FOREIGN KEY (o) REFERENCES ring_a (id));
CREATE TABLE ring_c (id INT PRIMARY KEY, o INT, FOREIGN KEY (o) REFERENCES ring_b (id));
ALTER TABLE ring_a ADD FOREIGN KEY (o) REFERENCES ring_c (id);
SET foreign_key_checks = 0;
INSERT INTO ring_a VALUES (1, 1), (2, 1);
INSERT INTO ring_b VALUES (1, 2);
INSERT INTO ring_c VALUES (1, 1);
CREATE TABLE lone (id INT PRIMARY KEY, o INT, FOREIGN KEY (o) REFERENCES z_parent (id));
INSERT INTO lone VALUES (1, 999);
CREATE TABLE dangling (id INT PRIMARY KEY, o INT, FOREIGN KEY (o) REFERENCES never_made (id));
INSERT INTO dangling VALUES (1, 1);
SET foreign_key_checks = 1;
CREATE TABLE qualified (id INT PRIMARY KEY, o INT, FOREIGN KEY (o) REFERENCES corpus_foreign_keys.z_parent (id));
INSERT INTO qualified VALUES (1, 2);
CREATE TABLE computed (id INT PRIMARY KEY, v INT AS (id * 2) PERSISTENT, KEY (v), FOREIGN KEY (id) REFERENCES z_parent (id) ON DELETE CASCADE);
INSERT INTO computed (id) VALUES (1);
