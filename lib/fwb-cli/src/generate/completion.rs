//! Shell completions: clap's, and on top of them the names of backups, databases and tables, which the tool itself offers
//! (`--complete`). No name is ever evaluated by the shell: a table may be called `$(reboot)`.

use clap::{Arg, Command};
use clap_complete::Shell;

use crate::candidates::Candidates;

/// The script for a shell.
pub(super) fn completions(shell: Shell, command: &Command) -> Vec<u8> {
    let mut script = Vec::new();
    let name = command.get_name().to_owned();
    clap_complete::generate(shell, &mut command.clone(), name.clone(), &mut script);
    let script = String::from_utf8_lossy(&script);
    let completed = completed(command);
    match shell {
        Shell::Bash => bash(command, &script, &completed),
        Shell::Zsh => zsh(&name, &script, &completed),
        Shell::Fish => fish(&name, &script, &completed),
        _ => script.into_owned(),
    }
    .into_bytes()
}

/// An argument whose values the tool offers.
struct Completed<'a> {
    arg: &'a Arg,
    candidates: Candidates,
}

impl Completed<'_> {
    /// As it is written: `-B`, `--database`; none for an operand.
    fn options(&self) -> Vec<String> {
        options_of(self.arg)
    }
}

fn options_of(arg: &Arg) -> Vec<String> {
    let short = arg.get_short().map(|short| format!("-{short}"));
    short.into_iter().chain(arg.get_long().map(|long| format!("--{long}"))).collect()
}

/// Which arguments those are: by their names, so that a new tool's are completed as the others' are.
fn completed(command: &Command) -> Vec<Completed<'_>> {
    let candidates = |arg: &Arg| {
        let value = arg.get_value_names().and_then(|names| names.first()).map_or("", |name| name.as_str());
        match (arg.get_id().as_str(), value) {
            _ if !arg.get_action().takes_values() => None,
            (_, "BACKUP") => Some(Candidates::Backups),
            ("database", _) => Some(Candidates::Databases),
            ("tables" | "prove_tables" | "damaged", _) => Some(Candidates::Tables),
            _ => None,
        }
    };
    let completed = |arg| Some(Completed { arg, candidates: candidates(arg)? });
    command.get_arguments().filter_map(completed).collect()
}

/// The generated function is called for whatever is none of ours.
fn bash(command: &Command, script: &str, completed: &[Completed<'_>]) -> String {
    let name = command.get_name();
    let function = name.replace('-', "_");
    let generated = format!("_{}", name.replace('-', "__"));
    let mut cases = String::new();
    let mut operands = String::new();
    for one in completed {
        let (options, candidates) = (one.options(), one.candidates.as_str());
        if options.is_empty() {
            operands = format!("        [[ $cur == -* ]] || offer={candidates}\n");
        } else {
            cases += &format!("        {}) offer={candidates} ;;\n", options.join(" | "));
        }
    }
    let is_completed = |arg: &Arg| completed.iter().any(|one| one.arg.get_id() == arg.get_id());
    let others = command.get_arguments().filter(|arg| arg.get_action().takes_values() && !is_completed(arg));
    let others: Vec<String> = others.flat_map(options_of).collect();
    let others = others.join(" | ");
    // What follows an option that takes a value is no operand; --option=value comes in three words.
    format!(
        r#"{script}
_{function}_names() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD - 1]}} offer= store= word list= name
    if [[ $cur == = ]]; then
        cur=
    elif [[ $prev == = ]]; then
        prev=${{COMP_WORDS[COMP_CWORD - 2]}}
    fi
    case $prev in
{cases}        {others}) ;;
        *)
        :
{operands}        ;;
    esac
    COMPREPLY=()
    if [[ $offer ]]; then
        for ((word = 1; word < COMP_CWORD; word++)); do
            [[ ${{COMP_WORDS[word]}} == @(-s|--store) ]] || continue
            store=${{COMP_WORDS[word + 1]}}
            [[ $store != = ]] || store=${{COMP_WORDS[word + 2]}}
        done
        # A list goes on after its last comma.
        [[ $offer != tables || $cur != *,* ]] || list=${{cur%,*}},
        while IFS= read -r name; do
            [[ $list$name != "$cur"* ]] || COMPREPLY+=("$list$(printf %q "$name")")
        done < <("$1" --complete "$offer" ${{store:+--store="$store"}} 2>/dev/null)
        [[ $offer != tables ]] || compopt -o nospace 2>/dev/null
        [[ ${{#COMPREPLY[@]}} -eq 0 && $offer == backups ]] || return 0
    fi
    {generated} "$@"
}}

complete -F _{function}_names -o nosort -o bashdefault -o default {name}
"#
    )
}

/// Each argument's action becomes ours, where the generated script has one of its own.
fn zsh(name: &str, script: &str, completed: &[Completed<'_>]) -> String {
    let function = name.replace('-', "_");
    let helper = format!("_{function}_names");
    let starts = |one: &Completed<'_>| -> Vec<String> {
        let options = one.options();
        if options.is_empty() {
            return vec![format!("::{} -- ", one.arg.get_id())];
        }
        options
            .iter()
            .map(
                |option| if option.starts_with("--") { format!("{option}=[") } else { format!("{option}+[") },
            )
            .collect()
    };
    let action = |line: &str| -> Option<String> {
        let own =
            completed.iter().find(|one| starts(one).iter().any(|start| line.contains(start.as_str())))?;
        let (before, action) = line.rsplit_once(':')?;
        let rest = action.split_once('\'').map_or("", |(_, rest)| rest);
        // After a blank, the words are carried out as they are (zshcompsys(1)).
        Some(format!("{before}: {helper} {}'{rest}", own.candidates.as_str()))
    };
    let mut lines = String::new();
    for line in script.lines() {
        lines += &action(line).unwrap_or_else(|| line.to_owned());
        lines.push('\n');
        if line.starts_with("#compdef ") {
            lines += &zsh_helper(name, &helper);
        }
    }
    lines
}

fn zsh_helper(name: &str, helper: &str) -> String {
    format!(
        r#"
{helper}() {{
    local -a names store
    local place=${{words[(I)(-s|--store)]}}
    (( place )) && store=(--store=${{(Q)words[place + 1]}})
    place=${{words[(I)--store=*]}}
    (( place )) && store=(${{(Q)words[place]}})
    names=("${{(@f)$({name} --complete $1 $store 2>/dev/null)}}")
    [[ $1 != tables ]] || compset -P '*,'
    [[ $1 != tables ]] || compadd -S '' -a names
    [[ $1 == tables ]] || compadd -V names -a names
    [[ $1 != backups ]] || _files
}}
"#
    )
}

/// More completions for the same options; fish shows them beside the generated ones.
fn fish(name: &str, script: &str, completed: &[Completed<'_>]) -> String {
    let helper = format!("__{}_names", name.replace('-', "_"));
    let mut lines = format!(
        r#"{script}
function {helper}
    set -l words (commandline -opc)
    set -l store
    for place in (seq (count $words))
        switch $words[$place]
            case -s --store
                set store --store=$words[(math $place + 1)]
            case '--store=*'
                set store $words[$place]
        end
    end
    # A list goes on after its last comma.
    set -l list
    if test $argv[1] = tables
        set list (string match -r '^(?:--[^=]*=)?(.*,)' -- (commandline -ct))[2]
    end
    for name in ({name} --complete $argv[1] $store 2>/dev/null)
        printf '%s\\n' "$list$name"
    end
end

"#
    );
    for one in completed {
        let candidates = one.candidates.as_str();
        let short = one.arg.get_short().map_or(String::new(), |short| format!(" -s {short}"));
        let long = one.arg.get_long().map_or(String::new(), |long| format!(" -l {long}"));
        let files = if one.candidates == Candidates::Backups { "" } else { " -f" };
        let requires = if long.is_empty() && short.is_empty() { "" } else { " -r" };
        lines +=
            &format!("complete -c {name}{short}{long}{requires}{files} -k -a '({helper} {candidates})'\n");
    }
    lines
}
