-- Indexes: on parts of columns, descending, of words, over hashes, ignored, with comments.
CREATE TABLE indexed (id INT, t TEXT, u TEXT, b BLOB, v VARCHAR(500), n INT, m INT,
  PRIMARY KEY (id DESC), UNIQUE KEY `long` (t), UNIQUE KEY `long two` (b, n), KEY `pre``fix` (u(10), v(5)), KEY `down` (n DESC, m ASC), KEY hashed (n) USING HASH,
  KEY `ignored` (m) /*M!100600 IGNORED */, KEY 한글 (v(20)) COMMENT 'it''s; -- "commented"', FULLTEXT KEY words (t, v), FULLTEXT KEY `more words` (u));
INSERT INTO indexed VALUES (1, 'one two', 'u', x'00', 'v', 1, 2), (3, REPEAT('long ', 2000), NULL, NULL, NULL, NULL, NULL), (2, NULL, 'u', x'00', 'v', 2, 2), (-1, NULL, '', NULL, '', 0, 0);
CREATE TABLE long_key (a VARCHAR(700), b VARBINARY(2000), c VARCHAR(100) COLLATE utf8mb4_bin, UNIQUE (a, b) USING HASH, UNIQUE (c(3)), KEY (b(100)) KEY_BLOCK_SIZE=2);
INSERT INTO long_key VALUES ('a', x'00', 'abc1'), ('A ', x'01', 'ABC2');
CREATE TABLE many (a INT, b INT, c INT, d INT, e INT, f INT, UNIQUE (a, b, c, d, e, f), KEY (b, a), KEY (f, e, d, c, b, a), UNIQUE (b, c), KEY (a), KEY (b), KEY (c));
INSERT INTO many VALUES (1, 2, 3, 4, 5, 6), (NULL, NULL, NULL, NULL, NULL, NULL), (NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE parsed (id INT PRIMARY KEY, t TEXT, FULLTEXT (t)) ENGINE=Aria;
INSERT INTO parsed VALUES (1, 'some words');
CREATE TABLE two_billion (k1 BINARY(16), k2 CHAR(3) CHARACTER SET ascii, v INT, PRIMARY KEY (k1, k2), UNIQUE KEY k2 (k2, k1));
INSERT INTO two_billion VALUES (x'00112233445566778899aabbccddeeff', 'kor', 1);
