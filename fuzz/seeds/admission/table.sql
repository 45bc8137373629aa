  `n` varchar(50) DEFAULT NULL,
  `b` blob DEFAULT NULL,
  `f` float DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `n` (`n`)
) ENGINE=InnoDB AUTO_INCREMENT=5 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT='-- Table structure for table `zz`';
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `a`
--

/*!40000 ALTER TABLE `a` DISABLE KEYS */;
INSERT INTO `a` (`id`, `n`, `b`, `f`) VALUES (1,'x\'y\"z\\ \n--\n-- Table structure',0x00FF,16777200),
(2,'한글 😀',NULL,1.5),
(3,'-- DUMP COMPLETED ON 2026',NULL,-0.0000001),
(4,'),(\"`','',0);
/*!40000 ALTER TABLE `a` ENABLE KEYS */;
/*!50003 SET @saved_cs_client      = @@character_set_client */ ;
/*!50003 SET @saved_cs_results     = @@character_set_results */ ;
/*!50003 SET @saved_col_connection = @@collation_connection */ ;
/*!50003 SET character_set_client  = utf8mb4 */ ;
/*!50003 SET character_set_results = utf8mb4 */ ;
/*!50003 SET collation_connection  = utf8mb4_general_ci */ ;
/*!50003 SET @saved_sql_mode       = @@sql_mode */ ;
