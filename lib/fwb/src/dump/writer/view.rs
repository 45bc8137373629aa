//! Views: stand-ins of the same columns first, so that whatever needs a view finds one, and the definitions last.

use super::literal;

/// A view, as `SHOW CREATE VIEW` tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    /// Its name.
    pub(super) name: String,
    /// The session's `character_set_client`, which `text` is written in.
    pub(super) charset: String,
    /// The session's `collation_connection`.
    pub(super) collation: String,
    /// The `CREATE` statement.
    pub(super) text: Vec<u8>,
}

/// Writes a stand-in with these columns.
pub(super) fn stand_in(sql: &mut Vec<u8>, view: &str, columns: &[String]) {
    for what in ["TABLE", "VIEW"] {
        push(sql, &format!("DROP {what} IF EXISTS "));
        literal::name(sql, view);
        push(sql, ";\n");
    }
    push(
        sql,
        "SET @saved_cs_client     = @@character_set_client;\nSET character_set_client = utf8mb4;\nCREATE VIEW ",
    );
    literal::name(sql, view);
    push(sql, " AS SELECT");
    for (index, column) in columns.iter().enumerate() {
        push(sql, if index == 0 { "\n NULL AS " } else { ",\n NULL AS " });
        literal::name(sql, column);
    }
    push(sql, ";\nSET character_set_client = @saved_cs_client;\n");
}

/// Writes a view's definition, in the place of its stand-in.
pub(super) fn definition(sql: &mut Vec<u8>, view: &View) {
    push(sql, "DROP VIEW IF EXISTS ");
    literal::name(sql, &view.name);
    push(sql, ";\n");
    push(sql, "/*!50001 SET @saved_cs_client          = @@character_set_client */;\n");
    push(sql, "/*!50001 SET @saved_cs_results         = @@character_set_results */;\n");
    push(sql, "/*!50001 SET @saved_col_connection     = @@collation_connection */;\n");
    push(sql, &format!("/*!50001 SET character_set_client      = {} */;\n", view.charset));
    push(sql, &format!("/*!50001 SET character_set_results     = {} */;\n", view.charset));
    push(sql, &format!("/*!50001 SET collation_connection      = {} */;\n", view.collation));
    sql.extend_from_slice(&view.text);
    push(sql, ";\n");
    push(sql, "/*!50001 SET character_set_client      = @saved_cs_client */;\n");
    push(sql, "/*!50001 SET character_set_results     = @saved_cs_results */;\n");
    push(sql, "/*!50001 SET collation_connection      = @saved_col_connection */;\n");
}

fn push(sql: &mut Vec<u8>, text: &str) {
    sql.extend_from_slice(text.as_bytes());
}
