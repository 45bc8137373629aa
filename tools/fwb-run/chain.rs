//! Chains of tools as plain values: what runs after what, and what each stage reads. The same value is executed and printed.

use std::ffi::{OsStr, OsString};

use fwb::{DatabaseChoice, Error, Exclude, NamePattern, Result, TablePattern};

/// A chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chain {
    /// Its name, as records have it.
    pub(crate) name: String,
    /// Its stages, in the order in which they run.
    pub(crate) stages: Vec<Stage>,
}

/// One stage: a program with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stage {
    /// Its name, as records have it.
    pub(crate) name: String,
    /// The program.
    pub(crate) program: String,
    /// Its arguments.
    pub(crate) args: Vec<OsString>,
    /// The stage whose output it reads.
    pub(crate) input: Option<String>,
    /// The stages that must have ended well before.
    pub(crate) after: Vec<String>,
    /// Whether a damaged backup that it finds (exit 3) is a failure to tell, and no reason to stop.
    pub(crate) goes_on_after_damage: bool,
    /// Whether what it has printed is handed on although it failed: some of several databases were dumped.
    pub(crate) hands_on_a_part: bool,
    /// The directory that must be there, where it writes to one: a volume that was not mounted is not made.
    pub(crate) needs: Option<std::path::PathBuf>,
}

/// What the usual chains work on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Subject {
    /// The store, where the command line names it; else the tools read it from the environment.
    pub(crate) store: Option<OsString>,
    /// The databases.
    pub(crate) databases: DatabaseChoice,
    /// What is left out of the dumps.
    pub(crate) exclude: Exclude,
    /// The server's name.
    pub(crate) server_id: Option<String>,
    /// A second store.
    pub(crate) copy_to: Option<OsString>,
    /// The directory that the second store is.
    pub(crate) copy_dir: Option<std::path::PathBuf>,
    /// Retention of the copies, in days.
    pub(crate) copy_keep_days: Option<u32>,
    /// Whether a drill proves the log too.
    pub(crate) proves_log: bool,
    /// Whether a drill restores to a moment of the last day too.
    pub(crate) reaches_any_moment: bool,
}

impl Stage {
    fn new(name: &str, program: &str) -> Self {
        Self {
            name: name.into(),
            program: program.into(),
            args: Vec::new(),
            input: None,
            after: Vec::new(),
            goes_on_after_damage: false,
            hands_on_a_part: false,
            needs: None,
        }
    }

    fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// `--NAME=VALUE`, where there is a value.
    fn option(self, name: &str, value: Option<&OsStr>) -> Self {
        let Some(value) = value else { return self };
        let mut arg = OsString::from(format!("--{name}="));
        arg.push(value);
        self.arg(arg)
    }

    /// The same for each of these values.
    fn options<'v>(self, name: &str, values: impl Iterator<Item = &'v str>) -> Self {
        values.fold(self, |stage, value| stage.option(name, Some(OsStr::new(value))))
    }

    /// It reads what another one has printed, and so comes after it.
    fn reading(self, stage: &str) -> Self {
        Self { input: Some(stage.into()), ..self.after(stage) }
    }

    fn after(mut self, stage: &str) -> Self {
        self.after.push(stage.into());
        self
    }
}

impl Subject {
    /// The backup of the night. Its proof comes before its copy, and a night that has added nothing deletes nothing; nor does one in
    /// which a database failed, whose others are proved and copied all the same. A copy that fails is told, and the store's own
    /// retention goes on.
    pub(crate) fn backup(&self) -> Chain {
        let dump = Stage { hands_on_a_part: true, ..Stage::new("dump", "fwb-dump") }
            .option("store", self.store.as_deref())
            .options("database", self.databases.wanted.iter().map(NamePattern::as_str))
            .options("exclude-database", self.databases.excluded.iter().map(NamePattern::as_str))
            .options("exclude-table", self.exclude.tables.iter().map(TablePattern::as_str))
            .options("exclude-data", self.exclude.rows.iter().map(TablePattern::as_str))
            .option("server-id", self.server_id.as_deref().map(OsStr::new));
        let mut stages = vec![dump, Stage::new("verify", "fwb-verify").reading("dump")];
        stages.extend(self.copying("verify"));
        stages.push(self.listing("ls").after("verify").after("dump"));
        stages.push(Stage::new("prune", "fwb-prune").reading("ls"));
        stages.extend(self.pruning_copies().into_iter().map(|stage| stage.after("dump")));
        Chain { name: "backup".into(), stages }
    }

    /// The newest backup, proved or not: that an older one restores is no comfort where the newest does not. Then, where that is
    /// wanted, that the backup before it and the log between them make it, and that one moment of the last day can be reached. The
    /// one of these two does not wait for the other.
    pub(crate) fn drill(&self) -> Chain {
        let ls = Stage { goes_on_after_damage: false, ..self.listing("ls").arg("--latest") };
        let verify = Stage::new("verify", "fwb-verify").arg("--level").arg("drill").reading("ls");
        let log = Stage::new("prove-log", "fwb-verify").arg("--level").arg("chain").reading("verify");
        let moment = Stage::new("any-moment", "fwb-verify").arg("--level").arg("moment").reading("verify");
        let stages = [ls, verify].into_iter().chain(self.proves_log.then_some(log));
        let stages = stages.chain(self.reaches_any_moment.then_some(moment));
        Chain { name: "drill".into(), stages: stages.collect() }
    }

    /// Every backup that the second store lacks: what a night could not copy, a later one makes up for.
    pub(crate) fn copy(&self) -> Chain {
        let mut stages = vec![self.listing("ls")];
        stages.extend(self.copying("ls"));
        stages.extend(self.pruning_copies());
        Chain { name: "copy".into(), stages }
    }

    /// Retention alone.
    pub(crate) fn prune(&self) -> Chain {
        let prune = Stage::new("prune", "fwb-prune").reading("ls");
        Chain { name: "prune".into(), stages: vec![self.listing("ls"), prune] }
    }

    fn listing(&self, name: &str) -> Stage {
        let ls = Stage { goes_on_after_damage: true, ..Stage::new(name, "fwb-ls") };
        let ls = if name == "ls" { ls.option("store", self.store.as_deref()) } else { ls };
        ls.options("database", self.databases.wanted.iter().map(NamePattern::as_str))
            .option("server-id", self.server_id.as_deref().map(OsStr::new))
    }

    /// Others may copy to the same store at this hour, so its lock is waited for.
    fn copying(&self, input: &str) -> Option<Stage> {
        let copy = Stage { needs: self.copy_dir.clone(), ..Stage::new("copy", "fwb-copy") };
        let to = self.copy_to.as_deref()?;
        Some(copy.option("to", Some(to)).arg("--lock-wait").reading(input))
    }

    /// Without a policy of their own the copies stay.
    fn pruning_copies(&self) -> Vec<Stage> {
        let (Some(to), Some(days)) = (self.copy_to.as_deref(), self.copy_keep_days) else {
            return Vec::new();
        };
        let ls = self.listing("copy-ls").option("store", Some(to)).after("copy");
        let prune = Stage::new("copy-prune", "fwb-prune").option("store", Some(to));
        let prune = prune.option("keep-days", Some(OsStr::new(&days.to_string()))).arg("--lock-wait");
        vec![ls, prune.reading("copy-ls")]
    }
}

impl Chain {
    /// A chain of one's own: commands with `|` between those of which one reads what the other prints, and `&&` between those of
    /// which one comes after the other.
    ///
    /// # Errors
    /// A usage error where it is none.
    pub(crate) fn parse(name: &str, line: &str) -> Result<Self> {
        let refused = |problem: &str| Error::Usage {
            message: format!("{problem} in the chain {name}"),
            hint: Some(
                "for instance: fwb-run NAME 'fwb-dump -B shop | fwb-verify && fwb-ls | fwb-prune'".into(),
            ),
        };
        let words = words(line).ok_or_else(|| refused("a quote is not closed"))?;
        let mut chain = Self { name: name.into(), stages: Vec::new() };
        let mut joint = None;
        for command in words.chunk_by(|a, b| !a.is_link() && !b.is_link()) {
            match command {
                [Word::Link(next)] if joint.is_none() && !chain.stages.is_empty() => joint = Some(*next),
                [Word::Link(_)] => return Err(refused("a command is missing")),
                [Word::Text(program), rest @ ..] => {
                    chain.add(program, rest, joint.take());
                }
                _ => {}
            }
        }
        if joint.is_some() || chain.stages.is_empty() {
            return Err(refused("a command is missing"));
        }
        Ok(chain)
    }

    fn add(&mut self, program: &str, rest: &[Word], link: Option<Link>) {
        let base = program.rsplit('/').next().unwrap_or(program);
        let base = base.strip_prefix("fwb-").unwrap_or(base);
        let alike = self.stages.iter().filter(|stage| stage.name.split('#').next() == Some(base)).count();
        let name = if alike == 0 { base.to_owned() } else { format!("{base}#{}", alike + 1) };
        let stage = rest.iter().fold(Stage::new(&name, program), |stage, word| match word {
            Word::Text(text) => stage.arg(text),
            Word::Link(_) => stage,
        });
        let stage = match (link, self.stages.last()) {
            (Some(Link::Pipe), Some(last)) => stage.reading(&last.name),
            _ => self.stages.iter().fold(stage, |stage, before| stage.after(&before.name)),
        };
        self.stages.push(stage);
    }

    /// The shell pipeline that the chain stands for.
    pub(crate) fn to_shell(&self) -> String {
        let mut shell = String::new();
        let mut last: Option<&str> = None;
        for stage in &self.stages {
            match (last, &stage.input) {
                (None, _) => {}
                (Some(last), Some(input)) if last == input => shell.push_str(" |\n    "),
                _ => shell.push_str(" &&\n"),
            }
            shell.push_str(&quoted(OsStr::new(&stage.program)));
            for arg in &stage.args {
                shell.push(' ');
                shell.push_str(&quoted(arg));
            }
            last = Some(&stage.name);
        }
        shell
    }
}

/// How two commands hang together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    /// `|`
    Pipe,
    /// `&&`
    Then,
}

#[derive(Debug, PartialEq, Eq)]
enum Word {
    Text(String),
    Link(Link),
}

impl Word {
    fn is_link(&self) -> bool {
        matches!(self, Self::Link(_))
    }
}

/// The words of a line by the shell's rules on quotes; `|` and `&&` are links where they are not quoted.
fn words(line: &str) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut rest = line;
    // What stands between two links has words of its own.
    while let Some((before, link, after)) = next_link(rest) {
        words.extend(shlex::split(before)?.into_iter().map(Word::Text));
        words.push(Word::Link(link));
        rest = after;
    }
    words.extend(shlex::split(rest)?.into_iter().map(Word::Text));
    Some(words)
}

/// The first link in a line that is not quoted, and what is before and after it.
fn next_link(line: &str) -> Option<(&str, Link, &str)> {
    let (mut quote, mut escaped) = (None, false);
    for (at, character) in line.char_indices() {
        match (quote, character) {
            _ if escaped => escaped = false,
            (None | Some('"'), '\\') => escaped = true,
            (Some(open), _) if open == character => quote = None,
            (None, '\'' | '"') => quote = Some(character),
            (None, '|') => return Some((&line[..at], Link::Pipe, &line[at + 1..])),
            (None, '&') if line[at..].starts_with("&&") => {
                return Some((&line[..at], Link::Then, &line[at + 2..]));
            }
            _ => {}
        }
    }
    None
}

/// A word as a shell takes it for itself.
fn quoted(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    shlex::try_quote(&text).map_or_else(|_| format!("{text:?}"), std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn databases(names: &[&str]) -> DatabaseChoice {
        let wanted = names.iter().map(|name| NamePattern::new(*name)).collect();
        DatabaseChoice { wanted, excluded: Vec::new() }
    }

    fn subject() -> Subject {
        Subject {
            databases: databases(&["shop"]),
            copy_to: Some("s3://copies/shop".into()),
            copy_keep_days: Some(30),
            ..Subject::default()
        }
    }

    #[test]
    fn the_usual_chains_are_pipelines() {
        let plain = Subject { databases: databases(&["it's"]), ..Subject::default() };
        assert_eq!(
            plain.backup().to_shell(),
            "fwb-dump \"--database=it's\" |\n    fwb-verify &&\nfwb-ls \"--database=it's\" |\n    fwb-prune"
        );
        assert_eq!(
            plain.drill().to_shell(),
            "fwb-ls \"--database=it's\" --latest |\n    fwb-verify --level drill"
        );
        let with_moment = Subject { proves_log: true, reaches_any_moment: true, ..plain.clone() };
        let names = |chain: Chain| chain.stages.into_iter().map(|stage| (stage.name, stage.input));
        assert_eq!(
            names(with_moment.drill()).skip(2).collect::<Vec<_>>(),
            ["prove-log", "any-moment"].map(|name| (name.to_owned(), Some("verify".to_owned())))
        );
        let with_log = Subject { proves_log: true, ..plain };
        assert_eq!(
            with_log.drill().to_shell(),
            "fwb-ls \"--database=it's\" --latest |\n    fwb-verify --level drill |\n    fwb-verify --level chain"
        );
        let mut several = databases(&["a", "b_*"]);
        several.excluded = vec![NamePattern::new("b_test")];
        let exclude =
            Exclude { tables: vec![TablePattern::new("log_*")], rows: vec![TablePattern::new("a.sessions")] };
        let several = Subject { databases: several, exclude, ..Subject::default() };
        assert_eq!(
            several.backup().to_shell(),
            "fwb-dump '--database=a' '--database=b_*' '--exclude-database=b_test' \
             '--exclude-table=log_*' '--exclude-data=a.sessions' |\n    fwb-verify &&\n\
             fwb-ls '--database=a' '--database=b_*' |\n    fwb-prune"
        );
        let names = |chain: Chain| chain.stages.into_iter().map(|stage| stage.name).collect::<Vec<_>>();
        let backup = ["dump", "verify", "copy", "ls", "prune", "copy-ls", "copy-prune"];
        assert_eq!(names(subject().backup()), backup);
        assert_eq!(names(subject().copy()), ["ls", "copy", "copy-ls", "copy-prune"]);
        assert_eq!(names(subject().prune()), ["ls", "prune"]);
    }

    #[test]
    fn a_chain_of_ones_own_is_read() {
        let line = r#"fwb-dump -B 'a | b && c' | tee "x\"|y" && fwb-ls|fwb-prune && fwb-ls"#;
        let chain = Chain::parse("mine", line).unwrap();
        let stage = |at: usize| &chain.stages[at];
        assert_eq!(
            (stage(0).args.clone(), stage(1).args.clone()),
            (vec!["-B".into(), "a | b && c".into()], vec!["x\"|y".into()])
        );
        assert_eq!((stage(1).input.as_deref(), stage(2).input.as_deref()), (Some("dump"), None));
        assert_eq!(stage(2).after, ["dump", "tee"]);
        assert_eq!((stage(3).after.clone(), stage(4).name.as_str()), (vec!["ls".to_owned()], "ls#2"));
        assert_eq!(Chain::parse("mine", &chain.to_shell()).unwrap(), chain, "what is printed is what is run");
    }

    #[test]
    fn what_is_no_chain_is_refused() {
        for line in ["", "|", "a |", "&& a", "a || b", "a && | b", "a 'b"] {
            assert!(Chain::parse("mine", line).is_err(), "{line}");
        }
    }
}
