-- Nothing at all but the database itself, and its collation.
ALTER DATABASE CHARACTER SET euckr COLLATE euckr_bin;
