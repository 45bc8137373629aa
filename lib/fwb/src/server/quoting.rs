//! Names, texts and character sets as SQL of ours holds them.

/// A name quoted as an identifier.
pub(crate) fn quote_name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A string literal that means the same under every `sql_mode`.
pub(crate) fn quote_text(text: &str) -> String {
    if text.is_empty() { "''".into() } else { format!("_utf8mb4 0x{}", hex::encode(text)) }
}

/// Texts as string literals with commas between them: what stands in `IN (…)`.
pub(crate) fn quote_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    texts.into_iter().map(quote_text).collect::<Vec<_>>().join(", ")
}

/// ` CHARACTER SET … COLLATE …`, of what is known. A manifest may say anything: what is no bare word is left out.
pub(crate) fn charset_clause(charset: Option<&str>, collation: Option<&str>) -> String {
    let is_word = |text: &&str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let charset = charset.filter(is_word).map(|charset| format!(" CHARACTER SET {charset}"));
    let collation = collation.filter(is_word).map(|collation| format!(" COLLATE {collation}"));
    charset.unwrap_or_default() + &collation.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_cannot_become_statements() {
        assert_eq!(quote_name("a`; DROP"), "`a``; DROP`");
        assert_eq!(quote_text("a'b"), "_utf8mb4 0x612762");
        assert_eq!(quote_text(""), "''");
        assert_eq!(quote_texts(["a", ""]), "_utf8mb4 0x61, ''");
    }

    #[test]
    fn a_charset_is_a_word_or_nothing() {
        let both = charset_clause(Some("utf8mb4"), Some("utf8mb4_bin"));
        assert_eq!(both, " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin");
        assert_eq!(
            charset_clause(Some("utf8mb4; DROP DATABASE x"), Some("latin1_bin")),
            " COLLATE latin1_bin"
        );
        assert_eq!(charset_clause(None, Some("x COMMENT 'y'")), "");
    }
}
