//! A small database like FileWallBall's, with everything in it that a backup can lose.

/// SQL for an empty database: tables with foreign keys and Korean text, binary columns, a trigger, a function, a
/// procedure, an event, and a view over a view. 3 projects, 40 files, 120 views, 3 settings.
pub(crate) fn sample() -> &'static str {
    SAMPLE
}

const SAMPLE: &str = r"
CREATE TABLE projects (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, name VARCHAR(200) NOT NULL COMMENT '프로젝트 이름',
  settings JSON NULL, UNIQUE KEY uq_projects_name (name)
) COMMENT='what `files` belong to; it''s -- no comment /* nor this';
CREATE TABLE files (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, project_id INT UNSIGNED NOT NULL,
  original_name VARCHAR(255) NOT NULL, size BIGINT UNSIGNED NOT NULL, sha256 BINARY(32) NOT NULL,
  cost DECIMAL(12,4) NULL, created_at DATETIME(6) NOT NULL, views INT NOT NULL DEFAULT 0,
  KEY ix_files_project (project_id), CONSTRAINT fk_files_project FOREIGN KEY (project_id) REFERENCES projects (id)
);
CREATE TABLE file_views (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, file_id BIGINT UNSIGNED NOT NULL, ip VARBINARY(16) NULL,
  CONSTRAINT fk_file_views_file FOREIGN KEY (file_id) REFERENCES files (id) ON DELETE CASCADE
);
CREATE TABLE settings (name VARCHAR(64) NOT NULL PRIMARY KEY, value LONGBLOB NULL);
CREATE TABLE shares (id INT NOT NULL PRIMARY KEY, token CHAR(40) NOT NULL);
INSERT INTO projects VALUES (1, '서울 마케팅팀', JSON_OBJECT('언어', 'ko')), (2, 'R&D \'실험\' 📁', NULL), (3, 'C:\\공유\\백업', '[]');
INSERT INTO files (id, project_id, original_name, size, sha256, cost, created_at)
  SELECT seq, 1 + seq MOD 3, CONCAT(ELT(1 + seq MOD 4, '보고서', 'it''s mine', '여행 사진 📷', 'budget; DROP'), ' ', seq, '.pdf'),
  seq * 1000003, UNHEX(SHA2(seq, 256)), IF(seq MOD 5, seq / 7, NULL), '2025-07-25 17:02:06.123456' + INTERVAL seq SECOND
  FROM seq_1_to_40;
INSERT INTO file_views SELECT seq, 1 + seq MOD 40, UNHEX(LPAD(HEX(seq * 7919), 8, '0')) FROM seq_1_to_120;
INSERT INTO settings VALUES ('looks_done', '\n-- Dump completed on 2025-07-25 17:02:15\n'),
  ('looks_table', '\n--\n-- Table structure for table `files`\n--\nDROP TABLE `files`;\n'), ('binary', 0x00FF0A275C22001A);
CREATE VIEW big_files AS SELECT id, original_name, size FROM files WHERE size > 20000000;
CREATE VIEW big_names AS SELECT original_name FROM big_files;
DELIMITER ;;
CREATE FUNCTION human_size(bytes BIGINT UNSIGNED) RETURNS VARCHAR(32) CHARSET utf8mb4 DETERMINISTIC NO SQL
BEGIN -- a comment; with a semicolon: it's
  RETURN IF(bytes < 1048576, CONCAT(bytes, ' B'), CONCAT(ROUND(bytes / 1048576, 1), ' MiB'));
END;;
CREATE PROCEDURE forget_views(IN before_id BIGINT) MODIFIES SQL DATA
BEGIN DELETE FROM file_views WHERE id < before_id; END;;
CREATE TRIGGER file_views_count AFTER INSERT ON file_views FOR EACH ROW
  UPDATE files SET views = views + 1 WHERE id = NEW.file_id;;
CREATE EVENT forget_daily ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01 03:00:00' ON COMPLETION PRESERVE ENABLE
COMMENT '오래된 조회를 지운다' DO BEGIN CALL forget_views(10); END;;
DELIMITER ;
";
