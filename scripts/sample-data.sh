#!/usr/bin/env bash
# sample-data.sh - make a FileWallBall database of any size, the same one every time.
#
# Why: demos, tests and benchmarks need a database that looks like the file
# sharing service these tools were made for: Korean names, emoji, quotes and
# backslashes, JSON, binary columns, blobs, foreign keys, views over views, a
# trigger, routines and an event. Every value is computed from the row's number
# and the seed, by the server itself, so two runs give the same rows to the byte.
set -euo pipefail

PROG=${0##*/}
MIN_ROWS=100
BATCH=5000000       # rows a statement; the first one into an empty table is loaded in bulk
# Sizes in the dump that fwb-dump takes (--hex-blob --complete-insert), as measured:
BYTES_A_ROW=1020    # of files, with all the rows that hang on it
BYTES_FIXED=100000  # projects, settings, structure
BYTES_BLOBS=9000000 # the larger blobs
unset MYSQL_HOST MYSQL_TCP_PORT MYSQL_UNIX_PORT MYSQL_PWD

usage() {
  cat <<USAGE
Usage: $PROG (--defaults-file CNF | --socket SOCKET) [-B DB]
       [--rows N | --size SIZE] [--seed S] [--blobs yes|no] [--drop]

Creates the FileWallBall schema in a MariaDB server and fills it with generated
rows: the same seed and size give the same rows, byte for byte.

  --defaults-file CNF  how to reach the server: a my.cnf with a [client] group
                       (default: \$FWB_DEFAULTS_FILE, see sandbox.sh env)
  --socket SOCKET      reach it over this socket instead, as root
  -B, --database DB    the database to make (default: filewallball_db)
  --rows N             rows of the table files, at least $MIN_ROWS (default: 1000); each
                       brings about 3 views, 2 downloads and 1/20 thumbnail
  --size SIZE          as many rows as make a dump of about SIZE: 100M, 1G, 4G
  --seed S             a number; another one gives other rows (default: 1)
  --blobs yes|no       add four larger blobs, 64 KiB to 3 MiB (default: yes)
  --drop               drop DB first if it exists; without this, a database
                       that holds anything is refused
  -h, --help           show this
USAGE
}

# fail MESSAGE [HINT] [EXIT-CODE]
fail() {
  printf '%s: error: %s\n' "$PROG" "$1" >&2
  if [[ -n ${2:-} ]]; then printf 'hint: %s\n' "$2" >&2; fi
  exit "${3:-1}"
}

parse_arguments() {
  CNF='' SOCKET='' DB=filewallball_db ROWS='' SIZE='' SEED=1 BLOBS=yes DROP=no
  while [[ $# -gt 0 ]]; do
    case $1 in
      -h | --help) usage && exit 0 ;;
      --drop) DROP=yes && shift && continue ;;
      --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
    esac
    [[ $# -ge 2 && -n $2 || $1 != -* ]] || fail "unknown argument '$1', or its value is missing" "see $PROG --help" 2
    case $1 in
      --defaults-file) CNF=$2 ;;
      --socket) SOCKET=$2 ;;
      -B | --database) DB=$2 ;;
      --rows) ROWS=$2 ;;
      --size) SIZE=$2 ;;
      --seed) SEED=$2 ;;
      --blobs) BLOBS=$2 ;;
      *) fail "unknown argument '$1'" "see $PROG --help" 2 ;;
    esac
    shift 2
  done
  [[ -z $ROWS || -z $SIZE ]] || fail '--rows and --size exclude each other' "see $PROG --help" 2
  [[ -z $CNF || -z $SOCKET ]] || fail '--defaults-file and --socket exclude each other' "see $PROG --help" 2
  [[ ! ${DB,,} =~ ^(mysql|sys|information_schema|performance_schema)$ ]] || fail "$DB belongs to the server" 'give -B another name' 2
  [[ $SEED =~ ^[0-9]{1,18}$ ]] || fail "not a seed: '$SEED'" 'give a whole number' 2
  [[ $BLOBS == yes || $BLOBS == no ]] || fail "--blobs is yes or no, not '$BLOBS'" "see $PROG --help" 2
  if [[ -n $SIZE ]]; then ROWS=$(rows_for_size); fi
  ROWS=${ROWS:-1000}
  [[ $ROWS =~ ^[1-9][0-9]{0,8}$ && $ROWS -ge $MIN_ROWS ]] ||
    fail "not a number of rows: '$ROWS'" "give a whole number from $MIN_ROWS up" 2

  # The server is always named: this script drops databases.
  CNF=${CNF:-${FWB_DEFAULTS_FILE:-}}
  if [[ -n $SOCKET ]]; then
    CLIENT=(mariadb --no-defaults --protocol=socket --socket="$SOCKET" --user=root)
  else
    [[ -n $CNF ]] || fail 'which server?' 'give --defaults-file or --socket; a sandbox of your own: scripts/sandbox.sh start' 2
    [[ -r $CNF ]] || fail "cannot read $CNF" 'give the path of a my.cnf with a [client] group'
    CLIENT=(mariadb --defaults-file="$CNF")
  fi
  CLIENT+=(--batch --skip-column-names --default-character-set=utf8mb4)
}

rows_for_size() {
  [[ $SIZE =~ ^([1-9][0-9]{0,5})([KMG])i?B?$ ]] || fail "not a size: '$SIZE'" 'like 100M, 1G or 4G' 2
  local -A unit=([K]=1024 [M]=1048576 [G]=1073741824)
  local bytes=$((BASH_REMATCH[1] * ${unit[${BASH_REMATCH[2]}]} - BYTES_FIXED)) rows
  if [[ $BLOBS == yes ]]; then bytes=$((bytes - BYTES_BLOBS)); fi
  rows=$((bytes / BYTES_A_ROW))
  [[ $rows -ge $MIN_ROWS ]] || fail "$SIZE is too small" 'give a larger --size, or --rows, or --blobs no' 2
  printf '%s\n' "$rows"
}

# ---- The SQL. It goes to the client's stdin, in one session. -------------------

# In what follows, SEQ is the sequence engine's table of this batch and #tag# a
# number under 2^32 computed from the seed, the tag and the row. CRC32 alone is
# linear (two tags would differ by a constant), hence the MD5 inside.
expand() {
  sed -E -e "s/#([a-z0-9]+)#/CRC32(MD5(CONCAT(@seed, ':\1:', seq)))/g" -e "s/\bSEQ\b/$1/g"
}

# fill COUNT <TEMPLATE: the statement of one batch, for every batch.
fill() {
  local template first last
  template=$(cat)
  for ((first = 1; first <= $1; first += BATCH)); do
    last=$((first + BATCH - 1 < $1 ? first + BATCH - 1 : $1))
    expand "seq_${first}_to_$last" <<<"$template"
  done
}

session() {
  local name=${DB//\`/\`\`}
  if [[ $DROP == yes ]]; then printf '%s\n' "DROP DATABASE IF EXISTS \`$name\`;"; fi
  # The checks hold by construction, and only without them are rows loaded in bulk.
  cat <<SQL
SET NAMES utf8mb4 COLLATE utf8mb4_unicode_ci;
SET time_zone = '+00:00', sql_mode = 'STRICT_TRANS_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO';
SET default_storage_engine = InnoDB, unique_checks = 0, foreign_key_checks = 0, group_concat_max_len = 67108864;
SET @seed = '$SEED', @files = $ROWS, @base = TIMESTAMP'2024-01-01 00:00:00.000000';
CREATE DATABASE IF NOT EXISTS \`$name\`;
ALTER DATABASE \`$name\` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
USE \`$name\`;
SQL
}

schema() {
  cat <<'SQL'
CREATE TABLE projects (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, slug VARCHAR(64) NOT NULL,
  name VARCHAR(200) NOT NULL COMMENT '프로젝트 이름', description TEXT NULL,
  quota_bytes BIGINT UNSIGNED NOT NULL DEFAULT 10737418240, is_active TINYINT(1) NOT NULL DEFAULT 1,
  settings JSON NOT NULL, created_at DATETIME(6) NOT NULL,
  updated_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, UNIQUE KEY uq_projects_slug (slug)
);
CREATE TABLE files (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL, project_id INT UNSIGNED NOT NULL,
  original_name VARCHAR(255) NOT NULL, extension VARCHAR(16) AS (LOWER(SUBSTRING_INDEX(original_name, '.', -1))) VIRTUAL,
  mime_type VARCHAR(100) NOT NULL DEFAULT 'application/octet-stream',
  size BIGINT UNSIGNED NOT NULL, monthly_cost DECIMAL(12,4) NOT NULL DEFAULT 0, sha256 BINARY(32) NOT NULL,
  metadata JSON NULL, description TEXT NULL, created_at DATETIME(6) NOT NULL, deleted_at DATETIME(6) NULL,
  UNIQUE KEY uq_files_uuid (uuid), KEY ix_files_project_created (project_id, created_at), KEY ix_files_mime_type (mime_type),
  CONSTRAINT fk_files_project FOREIGN KEY (project_id) REFERENCES projects (id)
) COMMENT='올린 파일; it''s `files` -- not a comment /* nor this';
CREATE TABLE shares (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, file_id BIGINT UNSIGNED NOT NULL, token CHAR(40) NOT NULL,
  visibility ENUM('private','link','public') NOT NULL DEFAULT 'link', permissions SET('view','download','comment','edit') NOT NULL DEFAULT 'view',
  password_hash VARBINARY(60) NULL, expires_at DATETIME NULL, created_at DATETIME(6) NOT NULL,
  UNIQUE KEY uq_shares_token (token), KEY ix_shares_expires (expires_at), CONSTRAINT fk_shares_file FOREIGN KEY (file_id) REFERENCES files (id) ON DELETE CASCADE
);
CREATE TABLE file_views (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, file_id BIGINT UNSIGNED NOT NULL,
  ip INET6 NULL, user_agent VARCHAR(255) NULL, viewed_at DATETIME(6) NOT NULL,
  KEY ix_file_views_file_viewed (file_id, viewed_at), CONSTRAINT fk_file_views_file FOREIGN KEY (file_id) REFERENCES files (id) ON DELETE CASCADE
);
CREATE TABLE file_downloads (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, file_id BIGINT UNSIGNED NOT NULL, share_id BIGINT UNSIGNED NULL,
  ip VARBINARY(16) NOT NULL, user_agent VARCHAR(255) NULL, bytes_sent BIGINT UNSIGNED NOT NULL,
  outcome ENUM('complete','aborted','denied') NOT NULL DEFAULT 'complete', downloaded_at DATETIME(6) NOT NULL,
  KEY ix_file_downloads_file (file_id), KEY ix_file_downloads_at (downloaded_at),
  CONSTRAINT fk_file_downloads_file FOREIGN KEY (file_id) REFERENCES files (id) ON DELETE CASCADE,
  CONSTRAINT fk_file_downloads_share FOREIGN KEY (share_id) REFERENCES shares (id) ON DELETE SET NULL
);
CREATE TABLE download_stats (
  day DATE NOT NULL PRIMARY KEY, downloads BIGINT UNSIGNED NOT NULL DEFAULT 0, bytes_sent BIGINT UNSIGNED NOT NULL DEFAULT 0
) COMMENT='kept by the trigger on file_downloads';
CREATE TABLE file_thumbnails (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, file_id BIGINT UNSIGNED NOT NULL,
  width SMALLINT UNSIGNED NOT NULL, height SMALLINT UNSIGNED NOT NULL, data LONGBLOB NOT NULL,
  KEY ix_file_thumbnails_file (file_id), CONSTRAINT fk_file_thumbnails_file FOREIGN KEY (file_id) REFERENCES files (id) ON DELETE CASCADE
);
CREATE TABLE system_settings (name VARCHAR(64) NOT NULL PRIMARY KEY, value TEXT NULL, updated_at DATETIME NOT NULL);
-- Values that look like parts of a dump: nothing that reads one may be fooled.
INSERT INTO system_settings VALUES
  ('site_name', '파일월볼 📁 "FileWallBall"', @base), ('max_upload_bytes', '1073741824', @base),
  ('motd', 'line one\nline two\r\n\ttabbed \\ back\\\\slash', @base), ('empty', '', @base), ('unset', NULL, @base),
  ('quotes', 'it''s "quoted" `here` \\'' ; -- no comment /* none */ # none', @base), ('control', 'nul \0 sub \Z end', @base),
  ('looks_done', '\n-- Dump completed on 2025-07-25 17:02:15\n', @base), ('looks_delimited', '\nDELIMITER ;;\n', @base),
  ('looks_table', '\n--\n-- Table structure for table `files`\n--\nDROP TABLE `files`;\n', @base);
SQL
}

rows() {
  fill 300 <<'SQL'
INSERT INTO projects SELECT seq, CONCAT('project-', seq),
  CONCAT(ELT(1 + #p1# MOD 6, '서울 마케팅팀', '디자인 시안 🎨', '회계 ''24 결산', 'R&D "실험" 자료', 'C:\\공유\\백업', '한국어 문서 보관소'), ' ', seq),
  IF(#p2# MOD 3 = 0, NULL, CONCAT('첫째 줄\n둘째 줄: ', MD5(CONCAT(@seed, seq)), ' 🚀')), (1 + #p3# MOD 64) << 30, #p4# MOD 10 > 0,
  JSON_OBJECT('언어', 'ko', 'retention_days', #p5# MOD 365, 'path', CONCAT('\\\\nas\\', seq)),
  @base + INTERVAL seq HOUR, @base + INTERVAL seq DAY FROM SEQ;
SQL
  fill "$ROWS" <<'SQL'
INSERT INTO files (id, uuid, project_id, original_name, mime_type, size, monthly_cost, sha256, metadata, description, created_at, deleted_at)
SELECT seq, INSERT(INSERT(INSERT(INSERT(MD5(CONCAT(@seed, ':uuid:', seq)), 9, 0, '-'), 14, 0, '-'), 19, 0, '-'), 24, 0, '-'), 1 + #f1# MOD 300,
  CONCAT(ELT(1 + #f2# MOD 8, '보고서', '회의록 "최종"', '여행 사진 📷', 'it''s mine', 'C:\\temp\\자료', '계약서(수정)', 'budget; DROP', '발표 자료'), ' ', seq,
    ELT(1 + #f3# MOD 5, '.pdf', '.JPG', '.hwp', '.tar.gz', '.xlsx')),
  ELT(1 + #f3# MOD 5, 'application/pdf', 'image/jpeg', 'application/x-hwp', 'application/gzip', 'application/vnd.ms-excel'),
  #f4#, #f4# DIV 1000 / 10000, UNHEX(SHA2(CONCAT(@seed, ':file:', seq), 256)),
  IF(#f5# MOD 5 = 0, NULL, JSON_OBJECT('pages', #f5# MOD 400, 'tags', JSON_ARRAY('공유', ELT(1 + #f2# MOD 3, '중요', 'a\\b', 'say "hi"')))),
  IF(#f6# MOD 4 > 0, NULL, CONCAT('설명 ', seq, ': 작년 자료를 정리해서 올립니다. 😀')),
  @base + INTERVAL seq * 37 SECOND + INTERVAL #f6# MOD 1000000 MICROSECOND,
  IF(#f7# MOD 20 > 0, NULL, @base + INTERVAL seq * 37 + 86400 SECOND) FROM SEQ;
SQL
  fill $((ROWS / 10)) <<'SQL'
INSERT INTO shares SELECT seq, 1 + #s1# MOD @files, SHA1(CONCAT(@seed, ':share:', seq)), 1 + #s2# MOD 3, #s3# MOD 16,
  IF(#s2# MOD 4 > 0, NULL, UNHEX(SHA2(CONCAT(@seed, ':pw:', seq), 384))), IF(#s3# MOD 3 = 0, NULL, @base + INTERVAL #s1# MOD 63072000 SECOND),
  @base + INTERVAL seq * 370 SECOND FROM SEQ;
SQL
  # A file is viewed and downloaded soon after it came: neighbours in the index.
  fill $((ROWS * 25 / 8)) <<'SQL'
INSERT INTO file_views SELECT seq, 1 + (seq * 8 DIV 25 + #v1# MOD 1000) MOD @files,
  IF(#v1# MOD 8 = 0, NULL, IF(#v1# MOD 3 = 0, INET6_NTOA(UNHEX(MD5(seq))), CONCAT('::ffff:', INET_NTOA(#v1#)))),
  ELT(#v1# DIV 8 MOD 5, 'Mozilla/5.0 (Windows NT 10.0) Chrome/126.0', 'Mozilla/5.0 (iPhone; ko-KR) Safari/604.1', 'KakaoTalk 10.8 "인앱"', 'curl/8.5.0'),
  @base + INTERVAL seq * 11 SECOND + INTERVAL #v1# MOD 999983 MICROSECOND FROM SEQ;
SQL
  fill $((ROWS * 15 / 8)) <<'SQL'
INSERT INTO file_downloads SELECT seq, 1 + (seq * 8 DIV 15 + #d1# MOD 1000) MOD @files, IF(#d1# MOD 7 > 0, NULL, 1 + #d1# DIV 7 MOD (@files DIV 10)),
  UNHEX(IF(#d1# MOD 3 = 0, MD5(seq), LPAD(HEX(#d1#), 8, '0'))),
  ELT(#d1# DIV 8 MOD 5, 'Mozilla/5.0 (Windows NT 10.0) Chrome/126.0', 'Mozilla/5.0 (iPhone; ko-KR) Safari/604.1', 'FileWallBall''s 앱/2.1', 'Wget/1.21'),
  #d1#, IF(#d1# MOD 16 > 1, 1, 2 + #d1# MOD 16), @base + INTERVAL seq * 19 SECOND + INTERVAL #d1# MOD 999983 MICROSECOND FROM SEQ;
SQL
  expand seq_0_to_127 <<'SQL'
INSERT INTO download_stats SELECT DATE(downloaded_at), COUNT(*), SUM(bytes_sent) FROM file_downloads GROUP BY 1 ORDER BY 1;
-- 256 pieces of 4 KiB that do not compress, as pictures do not: thumbnails are cut from them.
CREATE TEMPORARY TABLE pieces (id INT PRIMARY KEY, data BLOB) SELECT p.seq AS id,
  UNHEX(GROUP_CONCAT(SHA2(CONCAT(@seed, ':piece:', p.seq, ':', s.seq), 256) ORDER BY s.seq SEPARATOR '')) AS data
  FROM seq_0_to_255 p JOIN SEQ s GROUP BY p.seq;
SQL
  fill $((ROWS / 20)) <<'SQL'
INSERT INTO file_thumbnails SELECT seq, 1 + #t1# MOD @files, 64 << #t1# MOD 3, 64 << #t1# DIV 4 MOD 3,
  CONCAT(0xFFD8FFE000104A464946, UNHEX(MD5(CONCAT(@seed, ':thumb:', seq))), SUBSTR(data, 1 + #t2# MOD 1024, 512 + #t3# MOD 2560), 0xFFD9)
  FROM SEQ JOIN pieces ON pieces.id = #t4# MOD 256;
SQL
  if [[ $BLOBS == yes ]]; then
    # 16, 64, 256 and 768 pieces: the last makes a statement of over 6 MiB.
    expand '' <<'SQL'
INSERT INTO file_thumbnails SELECT @files DIV 20 + n.seq, n.seq, 4000, 3000,
  GROUP_CONCAT(data ORDER BY r.seq, MD5(CONCAT(@seed, n.seq, r.seq, id)) SEPARATOR '')
  FROM seq_1_to_4 n JOIN seq_1_to_3 r JOIN pieces ON id < ELT(n.seq, 16, 64, 256, 256) AND (n.seq = 4 OR r.seq = 1) GROUP BY n.seq;
SQL
  fi
}

# After the rows: the trigger would fire for each of them.
objects() {
  cat <<'SQL'
SET unique_checks = 1, foreign_key_checks = 1;
CREATE VIEW active_files AS SELECT f.id, f.uuid, f.original_name, f.size, f.created_at, p.id AS project_id, p.name AS project_name
  FROM files f JOIN projects p ON p.id = f.project_id WHERE f.deleted_at IS NULL AND p.is_active = 1;
DELIMITER ;;
CREATE FUNCTION human_size(bytes BIGINT UNSIGNED) RETURNS VARCHAR(32) CHARSET utf8mb4 DETERMINISTIC NO SQL
COMMENT '크기를 읽기 쉽게; bytes, e.g. "1.5 GiB"' BEGIN
  -- a comment; with a semicolon and a quote: it's
  IF bytes < 1048576 THEN RETURN CONCAT(bytes, ' B'); END IF;
  RETURN IF(bytes < 1073741824, CONCAT(ROUND(bytes / 1048576, 1), ' MiB'), CONCAT(ROUND(bytes / 1073741824, 1), ' GiB'));
END;;
CREATE PROCEDURE expire_shares(IN before_time DATETIME, OUT expired INT) MODIFIES SQL DATA
BEGIN DELETE FROM shares WHERE expires_at < before_time; SET expired = ROW_COUNT(); END;;
CREATE TRIGGER file_downloads_count AFTER INSERT ON file_downloads FOR EACH ROW
  INSERT INTO download_stats VALUES (DATE(NEW.downloaded_at), 1, NEW.bytes_sent)
    ON DUPLICATE KEY UPDATE downloads = downloads + 1, bytes_sent = bytes_sent + NEW.bytes_sent;;
-- Far in the future: an event that fires would make two runs differ.
CREATE EVENT expire_shares_daily ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01 03:00:00' ON COMPLETION PRESERVE ENABLE
COMMENT '만료된 공유를 지운다' DO BEGIN CALL expire_shares(NOW(), @expired); END;;
DELIMITER ;
CREATE VIEW project_summary AS SELECT project_id, project_name, COUNT(*) AS files, human_size(SUM(size)) AS total
  FROM active_files GROUP BY project_id, project_name;
SQL
}

# ---- The run ----------------------------------------------------------------

parse_arguments "$@"
command -v mariadb >/dev/null || fail 'mariadb is not installed' 'run scripts/bootstrap.sh'

LITERAL=${DB//\\/\\\\}
LITERAL="'${LITERAL//\'/\'\'}'"
HELD=$("${CLIENT[@]}" <<SQL
SELECT (SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = $LITERAL)
     + (SELECT COUNT(*) FROM information_schema.routines WHERE routine_schema = $LITERAL)
     + (SELECT COUNT(*) FROM information_schema.events WHERE event_schema = $LITERAL);
SQL
) || fail 'cannot ask the server; its reason is above' 'is it running? scripts/sandbox.sh status'
if [[ $HELD -gt 0 && $DROP == no ]]; then
  fail "database $DB already holds $HELD objects" 'give --drop to drop it first, or -B for another name'
fi

STARTED=$SECONDS
{ session && schema && rows && objects; } | "${CLIENT[@]}" || fail "filling $DB failed half way; the reason is above" 'run it again with --drop'
if [[ $BLOBS == yes ]]; then LARGER=4; else LARGER=0; fi
printf 'sample-data: %s: %d files, %d views, %d downloads, %d thumbnails, seed %s, in %d s\n' "$DB" "$ROWS" \
  $((ROWS * 25 / 8)) $((ROWS * 15 / 8)) $((ROWS / 20 + LARGER)) "$SEED" $((SECONDS - STARTED)) >&2
