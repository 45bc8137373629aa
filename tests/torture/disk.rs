//! A disk whose power fails: the operations on a store as they were recorded, and what may be left of them.

use std::collections::BTreeMap;
use std::path::Path;

/// What happened to the store; a file goes by its name in it, and the directory by none.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    Create(String),
    Truncate(String, usize),
    Write(String, usize, Vec<u8>),
    Sync(String),
    Rename(String, String),
    Unlink(String),
    /// Something was said on standard output.
    Print(Vec<u8>),
}

/// Reads what `shim.c` has recorded: a line of tabs, and the bytes that it announces.
pub(crate) fn operations(mut recording: &[u8], store: &Path) -> Vec<Operation> {
    let prefix = store.to_str().unwrap();
    let mut operations = Vec::new();
    while let Some(end) = recording.iter().position(|byte| *byte == b'\n') {
        let line = std::str::from_utf8(&recording[..end]).unwrap();
        let fields: Vec<&str> = line.split('\t').collect();
        let [what, first, second, number, length] = fields[..] else { panic!("recorded: {line}") };
        let name = |path: &str| path.strip_prefix(prefix).unwrap().trim_start_matches('/').to_owned();
        let (number, length): (usize, usize) = (number.parse().unwrap(), length.parse().unwrap());
        let data = recording[end + 1..][..length].to_vec();
        recording = &recording[end + 1 + length..];
        operations.push(match what {
            "create" => Operation::Create(name(first)),
            "truncate" => Operation::Truncate(name(first), number),
            "write" => Operation::Write(name(first), number, data),
            "sync" => Operation::Sync(name(first)),
            "rename" => Operation::Rename(name(first), name(second)),
            "unlink" => Operation::Unlink(name(first)),
            "print" => Operation::Print(data),
            other => panic!("recorded: {other}"),
        });
    }
    operations
}

/// Names, and the files that they mean.
type Directory = BTreeMap<String, usize>;

/// What a file holds, and what of it is certain.
#[derive(Debug, Clone, Default)]
struct File {
    now: Vec<u8>,
    synced: Vec<u8>,
}

/// What is left of a file's bytes.
type Model = (&'static str, fn(&File) -> Vec<u8>);

/// A directory and its files.
#[derive(Debug)]
pub(crate) struct Disk {
    files: Vec<File>,
    /// As it was after each change since it was synced; the last is now.
    directories: Vec<Directory>,
}

impl Disk {
    /// With files that were there long ago.
    pub(crate) fn new(before: &BTreeMap<String, Vec<u8>>) -> Self {
        let files = before.values().map(|bytes| File { now: bytes.clone(), synced: bytes.clone() });
        let directory = before.keys().cloned().zip(0..).collect();
        Self { files: files.collect(), directories: vec![directory] }
    }

    fn file(&mut self, name: &str) -> &mut File {
        let directory = self.directories.last().unwrap();
        &mut self.files[*directory.get(name).unwrap_or_else(|| panic!("no {name}"))]
    }

    fn rename(&mut self, change: impl FnOnce(&mut Directory)) {
        let mut directory = self.directories.last().unwrap().clone();
        change(&mut directory);
        self.directories.push(directory);
    }

    pub(crate) fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Create(name) => {
                self.files.push(File::default());
                let number = self.files.len() - 1;
                self.rename(|names| _ = names.insert(name.clone(), number));
            }
            Operation::Truncate(name, length) => self.file(name).now.resize(*length, 0),
            Operation::Write(name, at, bytes) => {
                let now = &mut self.file(name).now;
                now.resize(now.len().max(at + bytes.len()), 0);
                now[*at..at + bytes.len()].copy_from_slice(bytes);
            }
            Operation::Sync(name) if name.is_empty() => {
                drop(self.directories.drain(..self.directories.len() - 1));
            }
            Operation::Sync(name) => {
                let file = self.file(name);
                file.synced.clone_from(&file.now);
            }
            Operation::Rename(from, to) => self.rename(|names| {
                let number = names.remove(from).unwrap();
                names.insert(to.clone(), number);
            }),
            Operation::Unlink(name) => self.rename(|names| _ = names.remove(name)),
            Operation::Print(_) => {}
        }
    }

    /// What may be there when the power is back: the directory as it was after any change since it was synced, and of
    /// bytes that were not synced all, none, half, or as many zeros.
    pub(crate) fn survivors(&self) -> Vec<(String, BTreeMap<String, Vec<u8>>)> {
        let models: [Model; 4] = [
            ("all bytes", |file| file.now.clone()),
            ("synced bytes", |file| file.synced.clone()),
            ("half the bytes", |file| {
                if file.now == file.synced {
                    file.now.clone()
                } else {
                    file.now[..file.now.len() / 2].to_vec()
                }
            }),
            (
                "zeros",
                |file| {
                    if file.now == file.synced { file.now.clone() } else { vec![0; file.now.len()] }
                },
            ),
        ];
        let mut survivors = Vec::new();
        for (lost, directory) in self.directories.iter().rev().enumerate() {
            for (model, bytes) in &models {
                let left = directory.iter().map(|(name, number)| (name.clone(), bytes(&self.files[*number])));
                survivors.push((format!("{lost} changes of names lost, {model}"), left.collect()));
            }
        }
        survivors
    }
}
