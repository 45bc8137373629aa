-- Sequences of every kind and state, and tables that take defaults from them: mariadb-dump locks the table while it
-- fills it, and then the sequence behind its default may not be read (error 1100).
CREATE SEQUENCE plain;
CREATE SEQUENCE used_up START WITH 1 MAXVALUE 3 NOCACHE;
SELECT NEXTVAL(used_up), NEXTVAL(used_up), NEXTVAL(used_up);
CREATE SEQUENCE down START WITH 100 INCREMENT BY -7 MINVALUE -100 MAXVALUE 100 CACHE 3;
SELECT NEXTVAL(down), NEXTVAL(down);
CREATE SEQUENCE round_and_round START WITH 8 MINVALUE 1 MAXVALUE 10 CYCLE NOCACHE;
SELECT NEXTVAL(round_and_round), NEXTVAL(round_and_round), NEXTVAL(round_and_round), NEXTVAL(round_and_round);
CREATE SEQUENCE round_cached START WITH 3 MINVALUE 1 MAXVALUE 4 INCREMENT BY 2 CYCLE CACHE 2;
SELECT NEXTVAL(round_cached), NEXTVAL(round_cached);
CREATE SEQUENCE by_server INCREMENT BY 0;
SELECT NEXTVAL(by_server);
CREATE SEQUENCE widest MINVALUE -9223372036854775807 MAXVALUE 9223372036854775806 START WITH -9223372036854775807 CACHE 1;
SELECT NEXTVAL(widest);
CREATE SEQUENCE `set``back 시퀀스` START WITH 50;
SELECT SETVAL(`set``back 시퀀스`, 70, 0), NEXTVAL(`set``back 시퀀스`);
CREATE SEQUENCE restarted COMMENT 'it''s; -- Sequence structure for `plain`' ENGINE=MyISAM;
SELECT NEXTVAL(restarted);
ALTER SEQUENCE restarted RESTART 1000;
-- The tables' names sort before and after the sequences'.
CREATE TABLE a_first (id BIGINT NOT NULL DEFAULT NEXTVAL(plain) PRIMARY KEY, v VARCHAR(20));
INSERT INTO a_first (v) VALUES ('one'), ('two'), ('three');
CREATE TABLE z_last (id BIGINT NOT NULL DEFAULT (NEXT VALUE FOR corpus_sequences.down) PRIMARY KEY,
  w BIGINT DEFAULT (NEXTVAL(corpus_sequences.`set``back 시퀀스`) * 2 + NEXTVAL(plain)), x BIGINT DEFAULT LASTVAL(plain));
INSERT INTO z_last (x) VALUES (0), (1);
CREATE TABLE m_mode (id BIGINT DEFAULT (PREVIOUS VALUE FOR plain));
INSERT INTO m_mode VALUES (7);
CREATE SEQUENCE `se``q;uence`;
CREATE SEQUENCE `se
quence`;
CREATE TABLE `from odd sequence` (id INT DEFAULT NEXTVAL(`se``q;uence`), j INT DEFAULT NEXTVAL(`se
quence`));
INSERT INTO `from odd sequence` VALUES (), ();
CREATE SEQUENCE set_below START WITH 50;
ALTER SEQUENCE set_below RESTART 5;
CREATE SEQUENCE set_above START WITH -50 INCREMENT BY -5 MINVALUE -100 MAXVALUE 100;
ALTER SEQUENCE set_above RESTART 75;
