-- FLOAT columns: mariadb-dump prints six digits. The rows here need no more, so that they come back; the backup warns.
CREATE TABLE measured (id INT PRIMARY KEY, f FLOAT, fu FLOAT(7,3) UNSIGNED, g FLOAT NOT NULL DEFAULT 0.5);
INSERT INTO measured VALUES (1, 0.1, 1.5, -1.5e30), (2, NULL, NULL, 0), (3, 123456, 1234.5, 1e-30);
CREATE TABLE `float``s` (`f f` FLOAT);
