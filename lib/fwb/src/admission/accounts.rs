//! Which statements an artifact of accounts may hold: those that [`Statement`] writes, about accounts that the artifact makes,
//! and nothing else.

use std::collections::BTreeMap;

use super::name_of;
use crate::error::{Error, Result};
use crate::scan::{Head, QuoteMode, Statement as Scanned};
use crate::server::accounts::{Account, AccountName, NONE_OF_OURS, Statement, parse_account_statement};

/// What an artifact of accounts begins with: its texts are UTF-8, and backslashes escape in them.
pub(crate) const HEADER: [&str; 2] =
    ["/*!40101 SET NAMES utf8mb4 */", "/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='' */"];
/// What it ends with.
pub(crate) const TRAILER: &str = "/*!40101 SET SQL_MODE=@OLD_SQL_MODE */";

/// The judge of an artifact of accounts, which keeps what it has read.
#[derive(Debug, Default)]
pub(crate) struct AccountsAdmission {
    name: String,
    /// How many statements of [`HEADER`] have come.
    begun: usize,
    /// The first statement that [`AccountsAdmission::observe_all`] has refused.
    refused: Option<Error>,
    /// The accounts that are made, with what they are given.
    pub(crate) accounts: BTreeMap<AccountName, Account>,
}

impl AccountsAdmission {
    /// `name` is the artifact's, for messages.
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Takes note of a statement.
    ///
    /// # Errors
    /// It is one that no artifact of accounts has.
    pub(crate) fn observe(&mut self, statement: &Scanned<'_>) -> Result<()> {
        self.take(statement).map_err(|why| Error::Inadmissible {
            name: self.name.clone(),
            statement: first_words(statement),
            offset: statement.offset,
            why,
        })
    }

    /// As [`AccountsAdmission::observe`], for those who read on whatever comes.
    pub(crate) fn observe_all(&mut self, statement: &Scanned<'_>) {
        if self.refused.is_none() {
            self.refused = self.observe(statement).err();
        }
    }

    /// What [`AccountsAdmission::observe_all`] has refused first.
    pub(crate) fn take_refusal(&mut self) -> Option<Error> {
        self.refused.take()
    }

    fn take(&mut self, statement: &Scanned<'_>) -> Result<(), String> {
        if let Some(irregular) = statement.irregular {
            return Err(irregular.into());
        }
        if statement.truncated {
            return Err("it is too long to be examined".into());
        }
        let text = statement.text.trim_ascii();
        if HEADER.get(self.begun).is_some_and(|header| header.as_bytes() == text) {
            self.begun += 1;
            return Ok(());
        }
        if self.begun < HEADER.len() {
            return Err("it stands before the settings under which such an artifact is read".into());
        }
        if text == TRAILER.as_bytes() {
            // Whatever comes after it would be read in another way.
            self.begun = HEADER.len() + 1;
            return Ok(());
        }
        if self.begun > HEADER.len() || statement.mode.quotes() != QuoteMode::default() {
            return Err("it stands after the end of the accounts".into());
        }
        if matches!(statement.head, Head::Empty) {
            return Err(NONE_OF_OURS.into());
        }
        self.fold(parse_account_statement(text)?)
    }

    fn fold(&mut self, statement: Statement) -> Result<(), String> {
        const TWICE: &str = "it says something for the second time";
        let about = statement.about().clone();
        if about.is_of_the_server() {
            return Err("it is about an account that the server has for itself".into());
        }
        match statement {
            Statement::CreateUser(name, identity) => {
                let made = Account::new(name, Some(identity));
                self.accounts.insert(about, made).map_or(Ok(()), |_| Err(TWICE.into()))
            }
            Statement::CreateRole(name) => {
                self.accounts.insert(about, Account::new(name, None)).map_or(Ok(()), |_| Err(TWICE.into()))
            }
            other => {
                if about.is_public() {
                    let public = || Account::new(about.clone(), None);
                    self.accounts.entry(about.clone()).or_insert_with(public);
                }
                let Some(account) = self.accounts.get_mut(&about) else {
                    return Err("it is about an account that the artifact does not make".into());
                };
                if account.add(other) { Ok(()) } else { Err(TWICE.into()) }
            }
        }
    }
}

/// The first words of a statement, without what may be a secret.
fn first_words(statement: &Scanned<'_>) -> String {
    let words = name_of(statement);
    words.split(" IDENTIFIED").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::Feed;

    fn judged(sql: &str) -> Result<AccountsAdmission> {
        let mut admission = AccountsAdmission::new("x.sql");
        let mut feed = Feed::new();
        let mut observer = |statement: &Scanned<'_>| admission.observe(statement);
        feed.push(sql.as_bytes(), &mut observer)?;
        feed.finish(&mut observer)?;
        Ok(admission)
    }

    fn whole(body: &str) -> String {
        format!("{};\n{};\n{body}{TRAILER};\n-- Dump completed\n", HEADER[0], HEADER[1])
    }

    #[test]
    fn a_whole_artifact_becomes_accounts() {
        let body = "CREATE USER IF NOT EXISTS `a`@`%` IDENTIFIED VIA x USING 'y';\nCREATE ROLE IF NOT EXISTS `r`;\nGRANT SELECT ON `d`.* TO `r`;\n\
                    GRANT SELECT ON `d`.* TO PUBLIC;\nGRANT `r` TO `a`@`%`;\nSET DEFAULT ROLE `r` FOR `a`@`%`;\n";
        let accounts = judged(&whole(body)).unwrap().accounts;
        let names: Vec<String> = accounts.keys().map(ToString::to_string).collect();
        assert_eq!(names, ["PUBLIC", "a@%", "r"]);
        assert_eq!(accounts[&AccountName::account("a", "%")].default_roles.len(), 1);
    }

    #[test]
    fn what_is_smuggled_in_is_refused_and_its_secrets_are_not_told() {
        let user = "CREATE USER IF NOT EXISTS `a`@`%` IDENTIFIED VIA x USING 'hash';\n";
        for sql in [
            user.to_owned(),
            whole(&format!("{user}{user}")),
            whole("GRANT SELECT ON `d`.* TO `root`@`localhost`;\n"),
            whole(&format!("{user}GRANT SELECT ON `d`.* TO `b`@`%`;\n")),
            whole(&format!("{user}SET SQL_MODE='ANSI_QUOTES';\n")),
            whole("CREATE USER IF NOT EXISTS `mysql.sys`@`localhost` IDENTIFIED VIA x;\n"),
            whole(&format!("{user}/*!50000 DROP USER root@localhost */;\n")),
            whole(&format!("{user}DROP USER root@localhost;\n")),
            whole("CREATE USER IF NOT EXISTS `a`@`%` IDENTIFIED BY 'hash';\n"),
            format!("{}{user}", whole("")),
            whole("DELIMITER $$\nCREATE ROLE IF NOT EXISTS `r`$$\nDELIMITER ;\nDROP ROLE `r`;\n"),
        ] {
            let error = judged(&sql).unwrap_err().to_string();
            assert!(error.contains("x.sql is refused") && !error.contains("hash"), "{sql}: {error}");
        }
    }
}
