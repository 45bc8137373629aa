-- Application-time periods: PERIOD FOR and WITHOUT OVERLAPS, alone and beside system time.
CREATE TABLE valid (id INT, s DATE, e DATE, PERIOD FOR validity (s, e), PRIMARY KEY (id, validity WITHOUT OVERLAPS));
INSERT INTO valid VALUES (1, '2020-01-01', '2021-01-01'), (1, '2021-01-01', '2022-01-01'), (2, '0001-01-01', '9999-12-31');
DELETE FROM valid FOR PORTION OF validity FROM '2020-03-01' TO '2020-04-01';
CREATE TABLE `odd period` (id INT PRIMARY KEY, `s``1` DATETIME(6) NOT NULL, `e;1` DATETIME(6) NOT NULL, PERIOD FOR `p``;` (`s``1`, `e;1`),
  UNIQUE KEY `u` (id, `p``;` WITHOUT OVERLAPS));
INSERT INTO `odd period` VALUES (1, '2020-01-01 00:00:00.000001', '2020-01-01 00:00:00.000002'), (2, '2020-01-01 00:00:00.000002', '2021-01-01');
CREATE TABLE both_times (id INT, v INT, s DATE, e DATE, PERIOD FOR validity (s, e), UNIQUE (id, validity WITHOUT OVERLAPS)) WITH SYSTEM VERSIONING;
INSERT INTO both_times VALUES (1, 1, '2020-01-01', '2021-01-01');
UPDATE both_times FOR PORTION OF validity FROM '2020-02-01' TO '2020-03-01' SET v = 2;
DELETE FROM both_times WHERE v = 2;
