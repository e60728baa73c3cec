//! What holds for every file of the repository: its length, its links, and words that do not belong in it.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::fs;
use std::path::{Path, PathBuf};

/// Lines of code in one file, tests at its end not counted.
const MAX_LINES: usize = 800;

/// Words, and what is wrong with them. Split, so that this file is clean.
const WORDS: [(&str, &str); 9] = [
    (concat!("/ho", "me/"), "a path of somebody's machine"),
    (concat!("/Us", "ers/"), "a path of somebody's machine"),
    (concat!("/ro", "ot/"), "a path of somebody's machine"),
    (concat!("/wo", "rk/"), "a path of somebody's machine"),
    (concat!("../sh", "ared"), "a file that is not in the repository"),
    (concat!("FIX", "ME"), "what is not finished; finish it, or file an issue"),
    (concat!("TO", "DO"), "what is not finished; finish it, or file an issue"),
    (concat!("<<<", "<<<<"), "a conflict of a merge"),
    (concat!(">>>", ">>>>"), "a conflict of a merge"),
];

#[test]
fn no_file_is_too_long() {
    let mut wrong = Vec::new();
    for (path, text) in texts(&["rs", "c", "h", "py", "js", "css"]) {
        let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let lines = code.lines().count();
        if lines > MAX_LINES {
            wrong.push(format!("{}: {lines} lines of code, more than {MAX_LINES}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_word_stands_where_it_does_not_belong() {
    let mut wrong = Vec::new();
    for (path, text) in
        texts(&["rs", "c", "h", "py", "js", "css", "html", "sh", "glsl", "md", "toml", "yml", "lock", ""])
    {
        for (number, line) in (1..).zip(text.lines()) {
            for (_, why) in WORDS.iter().filter(|(word, _)| line.contains(word)) {
                wrong.push(format!("{}:{number}: {why}: {}", path.display(), line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_link_leads_to_a_file() {
    let mut wrong = Vec::new();
    let mut links = 0;
    for (path, text) in texts(&["md"]) {
        for target in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#', ' ']).next()) {
            let local = !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:");
            links += usize::from(local);
            if local && !path.parent().unwrap().join(target).exists() {
                wrong.push(format!("{}: no such file: {target}", path.display()));
            }
        }
    }
    assert!(links > 0, "there are links");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_test_that_proves_what_a_fault_does_is_there() {
    let root = root();
    let faults = fs::read_to_string(root.join("docs/faults.md")).unwrap();
    let (mut wrong, mut tests, mut usual) = (Vec::new(), 0, None);
    for line in faults.lines() {
        // Tests that name no crate are in the folder that their section names.
        if line.starts_with("## ") {
            usual = None;
        } else if let Some(rest) = line.strip_prefix("These tests are in `") {
            usual = rest.split('`').next().map(PathBuf::from);
        }
        let Some(proof) = line.strip_suffix(" |").and_then(|row| row.rsplit(" | ").next()) else { continue };
        for place in proof.split("; ") {
            let mut parts = place.split('`');
            let of = parts.next().unwrap_or_default().trim_end_matches([':', ' ']);
            let folder =
                if of.is_empty() { usual.clone() } else { Some(format!("crates/{of}/tests").into()) };
            let (Some(folder), Some(file)) = (folder, parts.next()) else { continue };
            let text = fs::read_to_string(root.join(&folder).join(file)).unwrap_or_default();
            // What is between the names is ", ", and what follows them is prose.
            let names = parts.filter(|name| name.len() > 5 && !name.contains([' ', '=']));
            for name in std::iter::once("").chain(names) {
                tests += 1;
                if text.is_empty() || !(name.is_empty() || text.contains(&format!(" {name}("))) {
                    wrong.push(format!("{}/{file}: {name}: no such test", folder.display()));
                }
            }
        }
    }
    assert!(tests > 50, "tests are named");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Every file of the repository with one of these extensions, as far as it is text.
fn texts(extensions: &[&str]) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    walk(&root(), &mut files);
    assert!(files.len() > 50, "the repository has files");
    let wanted = |path: &PathBuf| {
        let extension = path.extension().unwrap_or_default().to_str().unwrap_or_default();
        extensions.contains(&extension)
    };
    let files = files.into_iter().filter(wanted);
    files.filter_map(|path| Some((path.clone(), fs::read_to_string(&path).ok()?))).collect()
}

fn walk(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_str().unwrap_or_default();
        // What git and cargo make, also of the fuzz targets, and what editors and Python leave behind.
        if [".git", "target", "corpus", "artifacts", ".idea", ".vscode", "__pycache__", ".venv"]
            .contains(&name)
        {
            continue;
        }
        if path.is_dir() {
            walk(&path, files);
        } else {
            files.push(path);
        }
    }
}
