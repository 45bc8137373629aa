/*!999999 CREATE TABLE a ( */ DROP DATABASE x /*!999999 ) */;
CREATE TABLE a (x int) /* /*! */ ; CREATE DATABASE marker; -- */ ;
INSERT INTO `mysql`.`user` VALUES (1);
CREATE TABLE `a` (x int) ENGINE=FEDERATED DATA DIRECTORY='/tmp' UNION=(`b`,`c`);
SET @@global.general_log=1, sql_mode='ANSI_QUOTES,NO_BACKSLASH_ESCAPES';
SELECT 1 INTO OUTFILE '/tmp/x';
PREPARE s FROM 'DROP DATABASE x';
