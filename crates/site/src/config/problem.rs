//! What is wrong with a configuration.

use std::fmt;
use std::path::{Path, PathBuf};

/// A mistake in a configuration, or something odd about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What it is about, e.g. `cameras`, `front`, `url`; empty for the file as a whole.
    pub path: Vec<String>,
    /// Where that stands in the file, if it was read from one and is there.
    pub position: Option<Position>,
    /// What is wrong, without passwords.
    pub message: String,
}

/// A place in a file. The first line and the first character of a line have number 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

/// All that is wrong with a configuration. Its `Display` has a line for each, as compilers write them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file it was read from, if any.
    pub file: Option<PathBuf>,
    /// What is wrong; at least one.
    pub problems: Vec<Problem>,
    /// The other files that it names, as far as that could be made out: perhaps one of them is what is to change.
    pub files: Vec<PathBuf>,
}

impl Problem {
    pub(super) fn new(path: Vec<String>, message: impl Into<String>) -> Self {
        Self { path, position: None, message: message.into() }
    }
}

impl ConfigError {
    /// One line for `problem` of this file: `valkka.toml:3:7: cameras.front.url: it names no host`.
    pub fn line(file: Option<&Path>, problem: &Problem) -> String {
        let file = file.map_or_else(|| "configuration".to_owned(), |file| file.display().to_string());
        match problem.position {
            Some(Position { line, column }) => format!("{file}:{line}:{column}: {problem}"),
            None => format!("{file}: {problem}"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, name) in self.path.iter().enumerate() {
            let dot = if number == 0 { "" } else { "." };
            // As it would have to be written in the file.
            if is_bare(name) {
                write!(f, "{dot}{name}")?;
            } else {
                write!(f, "{dot}\"{}\"", name.escape_debug())?;
            }
        }
        let colon = if self.path.is_empty() { "" } else { ": " };
        write!(f, "{colon}{}", self.message)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.problems.iter().enumerate() {
            let end = if number == 0 { "" } else { "\n" };
            write!(f, "{end}{}", Self::line(self.file.as_deref(), problem))?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Whether `name` needs no quotes in the file.
fn is_bare(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter))
}
