//! The Korean pages say what the English ones say. Block by block they have the same shape: headings, paragraphs, list
//! items, table rows in the same order; the same commands to the byte; and in each block the same code, numbers, links
//! and words in bold. Whoever changes the one is told here which block of the other is to be changed.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// A page, and its translation.
const PAIRS: [[&str; 2]; 12] = [
    ["README.md", "docs/ko/README.md"],
    ["docs/REFERENCE.md", "docs/ko/REFERENCE.md"],
    ["docs/RUNBOOK.md", "docs/ko/RUNBOOK.md"],
    ["docs/KUBERNETES.md", "docs/ko/KUBERNETES.md"],
    ["docs/ENCRYPTION.md", "docs/ko/ENCRYPTION.md"],
    ["docs/STORES.md", "docs/ko/STORES.md"],
    ["docs/NOTICES.md", "docs/ko/NOTICES.md"],
    ["docs/MONITORING.md", "docs/ko/MONITORING.md"],
    ["docs/SCHEDULING.md", "docs/ko/SCHEDULING.md"],
    ["docs/ANY-MOMENT.md", "docs/ko/ANY-MOMENT.md"],
    ["docs/WHOLE-SERVERS.md", "docs/ko/WHOLE-SERVERS.md"],
    ["docs/FLEETS.md", "docs/ko/FLEETS.md"],
];

/// A part of a page that is translated as one.
#[derive(Debug)]
pub struct Block {
    pub kind: Kind,
    /// Its lines, without the fences of code.
    pub text: String,
    /// The number of its first line.
    pub line: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// With its level.
    Heading(usize),
    Paragraph,
    /// With the width of its indent.
    Item(usize),
    /// With the number of its cells.
    Row(usize),
    /// A fenced block.
    Code,
}

pub fn page(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// As much of Markdown as the pages use.
pub fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut is_open = false; // whether the next line goes on with the last block
    let mut is_code = false;
    for (line, text) in (1..).zip(text.lines()) {
        let bare = text.trim_start();
        if bare.starts_with("```") {
            is_code = !is_code;
            is_open = is_code;
            if is_code {
                blocks.push(Block { kind: Kind::Code, text: bare.to_owned(), line });
            }
            continue;
        }
        let kind = match bare.split(' ').next() {
            _ if is_code => None,
            Some(marks) if !marks.is_empty() && marks.bytes().all(|byte| byte == b'#') => {
                Some(Kind::Heading(marks.len()))
            }
            Some("-" | "1." | "2." | "3." | "4." | "5." | "6." | "7." | "8." | "9." | "10.") => {
                Some(Kind::Item(text.len() - bare.len()))
            }
            _ if bare.starts_with('|') => Some(Kind::Row(bare.replace("\\|", "").matches('|').count())),
            _ if bare.is_empty() => {
                is_open = false;
                continue;
            }
            _ if is_open => None,
            _ => Some(Kind::Paragraph),
        };
        match kind {
            Some(kind) => blocks.push(Block { kind, text: text.to_owned(), line }),
            None => {
                let last = blocks.last_mut().expect("a block that goes on");
                last.text.push('\n');
                last.text.push_str(text);
            }
        }
        is_open = is_code || !matches!(kind, Some(Kind::Heading(_) | Kind::Row(_)));
    }
    assert!(!is_code, "a block of code has no end");
    blocks
}

/// The code in a block's text, without the line breaks that fell into it; and the rest.
pub fn code(text: &str) -> (Vec<String>, String) {
    let parts: Vec<&str> = text.split('`').collect();
    assert_eq!(parts.len() % 2, 1, "backticks come in pairs: {text}");
    let words = |code: &str| code.split_whitespace().collect::<Vec<_>>().join(" ");
    let code = parts.iter().skip(1).step_by(2).map(|code| words(code)).collect();
    (code, parts.iter().step_by(2).copied().collect::<Vec<_>>().join("`"))
}

/// What the links in a text lead to; and the text without it.
pub fn links(text: &str) -> (Vec<String>, String) {
    let mut parts = text.split("](");
    let mut rest = parts.next().unwrap_or_default().to_owned();
    let mut targets = Vec::new();
    for part in parts {
        let (target, after) = part.split_once(')').expect("the end of a link");
        targets.push(target.to_owned());
        rest.push(']');
        rest.push_str(after);
    }
    (targets, rest)
}

/// The runs of digits in a text.
fn numbers(text: &str) -> Vec<String> {
    let runs = text.split(|letter: char| !letter.is_ascii_digit());
    runs.filter(|run| !run.is_empty()).map(ToOwned::to_owned).collect()
}

/// How GitHub names the headings of a page in links.
pub fn anchors(text: &str) -> Vec<String> {
    let is_kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, '-' | '_' | ' ');
    let name = |block: &Block| {
        let heading = block.text.trim_start_matches('#').trim().to_lowercase();
        heading.chars().filter(is_kept).collect::<String>().replace(' ', "-")
    };
    blocks(text).iter().filter(|block| matches!(block.kind, Kind::Heading(_))).map(name).collect()
}

/// Where a link on a page leads, in terms of the English pages: a file, and the number of a heading in it.
fn destination(from: &str, link: &str) -> String {
    if link.contains("://") {
        return link.to_owned();
    }
    let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
    let path = match file {
        "" => PathBuf::from(from),
        file => Path::new(from).parent().expect("a directory").join(file),
    };
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => assert!(plain.pop(), "{from}: {link} leads out of the repository"),
            component => plain.push(component),
        }
    }
    let plain = plain.to_str().expect("a name").to_owned();
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(&plain).exists(), "{from}: {link} leads to nothing");
    let heading = anchor.map(|anchor| {
        let position = anchors(&page(&plain)).iter().position(|found| found == anchor);
        position.unwrap_or_else(|| panic!("{from}: {link} leads to no heading of {plain}"))
    });
    let pair = PAIRS.iter().find(|pair| pair.contains(&plain.as_str()));
    let is_korean = |path: &str| path.starts_with("docs/ko/");
    let page = match pair {
        Some(pair) if pair.contains(&from) && !file.is_empty() => "the other language".to_owned(),
        Some([english, _]) => {
            assert_eq!(is_korean(from), is_korean(&plain), "{from}: {link} changes the language");
            (*english).to_owned()
        }
        None => plain,
    };
    format!("{page}#{heading:?}")
}

#[test]
fn every_block_has_its_translation() {
    for [english, korean] in PAIRS {
        let [ours, theirs] = [english, korean].map(|path| blocks(&page(path)));
        let mut is_linked = false;
        for (ours, theirs) in ours.iter().zip(&theirs) {
            let place = format!(
                "{english}:{} and {korean}:{}\n\n{}\n\n{}\n\n",
                ours.line, theirs.line, ours.text, theirs.text
            );
            assert_eq!(ours.kind, theirs.kind, "{place}");
            if ours.kind == Kind::Code {
                assert_eq!(ours.text, theirs.text, "{place}");
                continue;
            }
            let sorted = |mut all: Vec<String>| {
                all.sort_unstable();
                all
            };
            let [mut our_code, mut their_code] = [Vec::new(), Vec::new()];
            let [our_text, their_text] =
                [(ours, &mut our_code), (theirs, &mut their_code)].map(|(block, found)| {
                    let (code, text) = code(&block.text);
                    *found = code;
                    text
                });
            assert_eq!(sorted(our_code), sorted(their_code), "{place}code");
            let (our_links, our_text) = links(&our_text);
            let (their_links, their_text) = links(&their_text);
            let lead = |from: &str, links: Vec<String>| {
                sorted(links.iter().map(|link| destination(from, link)).collect())
            };
            let our_links = lead(english, our_links);
            is_linked |= our_links.iter().any(|link| link.starts_with("the other language"));
            assert_eq!(our_links, lead(korean, their_links), "{place}links");
            assert_eq!(sorted(numbers(&our_text)), sorted(numbers(&their_text)), "{place}numbers");
            let [bold, translated_bold] = [&our_text, &their_text].map(|text| text.matches("**").count());
            assert_eq!(bold, translated_bold, "{place}bold");
            let is_prose = |text: &str| text.chars().any(char::is_alphabetic);
            let is_korean = |letter: char| ('가'..='힣').contains(&letter);
            assert!(
                !is_prose(&our_text) || their_text.chars().any(is_korean) || is_name(&our_text),
                "{place}not translated"
            );
            assert!(
                !our_text.chars().any(|letter| is_korean(letter) && !our_text.contains("한국어")),
                "{place}"
            );
        }
        let last = |blocks: &[Block]| blocks.last().map(|block| block.line);
        assert_eq!(
            ours.len(),
            theirs.len(),
            "{english} to line {:?}, {korean} to {:?}",
            last(&ours),
            last(&theirs)
        );
        assert!(is_linked, "{english} and {korean} lead to each other");
    }
}

/// Whether all words of a text are names, which stay as they are.
fn is_name(text: &str) -> bool {
    let words = text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words.into_iter().all(|word| !word.starts_with(|letter: char| letter.is_lowercase()))
}

#[test]
fn every_korean_page_is_compared() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ko");
    let mut pages: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| format!("docs/ko/{}", entry.unwrap().file_name().to_string_lossy()))
        .collect();
    pages.sort_unstable();
    let mut compared = PAIRS.map(|[_, korean]| korean).to_vec();
    compared.sort_unstable();
    assert_eq!(pages, compared);
}

#[test]
fn a_page_is_cut_into_blocks() {
    let text = "# Title\n\nA line\nand another:\n- item `a\n  b`\n- item\n\n| a | b |\n|---|---|\n\n```sh test\n- not an item\n\n# none\n```\nEnd\n";
    let found: Vec<(Kind, &str)> = vec![
        (Kind::Heading(1), "# Title"),
        (Kind::Paragraph, "A line\nand another:"),
        (Kind::Item(0), "- item `a\n  b`"),
        (Kind::Item(0), "- item"),
        (Kind::Row(3), "| a | b |"),
        (Kind::Row(3), "|---|---|"),
        (Kind::Code, "```sh test\n- not an item\n\n# none"),
        (Kind::Paragraph, "End"),
    ];
    let blocks = blocks(text);
    let blocks: Vec<(Kind, &str)> = blocks.iter().map(|block| (block.kind, block.text.as_str())).collect();
    assert_eq!(blocks, found);
    assert_eq!(code("x `a\n  b` y `c`"), (vec!["a b".to_owned(), "c".to_owned()], "x ` y `".to_owned()));
    assert_eq!(links("[a](b#c) d"), (vec!["b#c".to_owned()], "[a] d".to_owned()));
    assert_eq!(numbers("26시간, 10.11"), ["26", "10", "11"]);
    assert_eq!(
        anchors("## Is last night's `x` there?\n\n## 디스크가 가득 찼습니다"),
        ["is-last-nights-x-there", "디스크가-가득-찼습니다"]
    );
}
