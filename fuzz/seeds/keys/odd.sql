CREATE TABLE `a``b` (`x` int, `y` text, `add` int, PRIMARY KEY (`x`), FULLTEXT KEY `f` (`y`), KEY `alter` (`add`)) ENGINE=InnoDB;
CREATE TABLE `t` (`x` int NOT NULL, PRIMARY KEY (`x`), KEY `z` (`x`) /*!80000 INVISIBLE */) ENGINE=InnoDB PARTITION BY HASH (`x`);
