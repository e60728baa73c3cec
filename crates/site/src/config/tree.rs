//! A file as a tree of keys and values that know where they stand.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer, Error};

use super::problem::{Position, Problem};

/// A parsed file.
pub(super) struct Tree<'a> {
    text: &'a str,
    root: Spanned<DeTable<'a>>,
}

impl<'a> Tree<'a> {
    /// Parses `text`, or tells all that is wrong with its syntax.
    pub(super) fn parse(text: &'a str) -> Result<Self, Vec<Problem>> {
        let (root, errors) = DeTable::parse_recoverable(text);
        let tree = Self { text, root };
        if errors.is_empty() {
            return Ok(tree);
        }
        Err(errors.iter().take(MAX_PROBLEMS).map(|error| tree.problem(Vec::new(), error)).collect())
    }

    /// Makes a `T` of it. What does not fit is left out, and told as a problem each.
    pub(super) fn read<T: DeserializeOwned + Default>(&self) -> (T, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut left = self.root.clone();
        let mut removed = BTreeSet::new();
        while problems.len() < MAX_PROBLEMS {
            let error = match T::deserialize(Deserializer::from(left.clone())) {
                Ok(value) => return (value, problems),
                Err(error) => error,
            };
            let path = error.span().and_then(|span| find(left.get_ref(), &span)).unwrap_or_default();
            // What was taken out is missing then, which is no mistake of its own.
            let missing = missing_field(error.message()).map(|field| [path.as_slice(), &[field]].concat());
            if !missing.is_some_and(|missing| removed.contains(&missing)) {
                problems.push(self.problem(path.clone(), &error));
            }
            // Without what is wrong, the next problem comes to light.
            if path.is_empty() || !remove(left.get_mut(), &path) {
                break;
            }
            removed.insert(path);
        }
        (T::default(), problems)
    }

    /// The names in the table called `table` at the top, those of broken entries too.
    pub(super) fn names(&self, table: &str) -> BTreeSet<String> {
        let found = entry(self.root.get_ref(), table).and_then(|(_, value)| value.get_ref().as_table());
        found.into_iter().flatten().map(|(key, _)| key.get_ref().to_string()).collect()
    }

    /// Gives `problem` the place of what it is about, or of the nearest thing around that.
    pub(super) fn place(&self, problem: &mut Problem) {
        let mut table = Some(self.root.get_ref());
        for name in &problem.path {
            let Some((key, value)) = table.and_then(|table| entry(table, name)) else { break };
            problem.position = Some(self.position(key.start));
            table = value.get_ref().as_table();
        }
    }

    fn problem(&self, path: Vec<String>, error: &Error) -> Problem {
        let message = with_ranges(without_secrets(&path, error.message()));
        Problem { position: error.span().map(|span| self.position(span.start)), path, message }
    }

    fn position(&self, offset: usize) -> Position {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        Position { line, column: before[start..].chars().count() + 1 }
    }
}

/// Where the key stands that is called `name`, and its value.
fn entry<'t, 'a>(table: &'t DeTable<'a>, name: &str) -> Option<(Range<usize>, &'t Spanned<DeValue<'a>>)> {
    table.iter().find(|(key, _)| *key.get_ref() == name).map(|(key, value)| (key.span(), value))
}

/// The path of what stands at `span`: the innermost thing that is there, else the innermost around it.
fn find(table: &DeTable<'_>, span: &Range<usize>) -> Option<Vec<String>> {
    let within = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
    for (key, value) in table {
        let name = || vec![key.get_ref().to_string()];
        if key.span() == *span {
            return Some(name());
        }
        // A table may be written in several places, so what is in it need not be within its span.
        if let Some(inner) = value.get_ref().as_table().and_then(|inner| find(inner, span)) {
            return Some([name(), inner].concat());
        }
        if within(value.span()) {
            return Some(name());
        }
    }
    None
}

/// Takes out what is at `path`; returns whether it was there.
fn remove(table: &mut DeTable<'_>, path: &[String]) -> bool {
    let Some((name, rest)) = path.split_first() else { return false };
    let Some(key) = table.keys().find(|key| *key.get_ref() == *name).cloned() else { return false };
    if rest.is_empty() {
        return table.remove(&key).is_some();
    }
    match table.get_mut(&key).map(Spanned::get_mut) {
        Some(DeValue::Table(inner)) => remove(inner, rest),
        _ => false,
    }
}

/// The name of the field, if `message` says that one is missing.
fn missing_field(message: &str) -> Option<String> {
    Some(message.strip_prefix("missing field `")?.strip_suffix('`')?.to_owned())
}

/// Messages name the value that does not fit; some values are secret.
fn without_secrets(path: &[String], message: &str) -> String {
    let secret = path.last().is_some_and(|name| SECRET.iter().any(|secret| name.contains(secret)));
    match message.split_once("expected ") {
        Some((_, expected)) if secret && message.starts_with("invalid ") => format!("it must be {expected}"),
        _ => message.to_owned(),
    }
}

/// The range of numbers in the place of the name of a type, which says something to programmers alone.
fn with_ranges(message: String) -> String {
    for (name, greatest) in [("u8", u64::from(u8::MAX)), ("u16", u64::from(u16::MAX))] {
        if let Some(start) = message.strip_suffix(name).filter(|start| start.ends_with("expected ")) {
            return format!("{start}a whole number from 0 to {greatest}");
        }
    }
    message
}

const SECRET: [&str; 5] = ["pass", "digest", "url", "user", "key"];

/// More do not help anybody.
const MAX_PROBLEMS: usize = 100;

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Top {
        #[allow(dead_code, reason = "only whether it fits is of interest")]
        password: Option<String>,
        table: Option<Inner>,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        number: u16,
    }

    fn read(text: &str) -> (Top, Vec<String>) {
        let (top, problems) = Tree::parse(text).unwrap().read::<Top>();
        let place = |problem: &Problem| problem.position.map_or((0, 0), |at| (at.line, at.column));
        (top, problems.iter().map(|problem| format!("{:?} {problem}", place(problem))).collect())
    }

    #[test]
    fn everything_that_does_not_fit_is_told_with_its_place() {
        let (top, problems) =
            read("pasword = 1\npassword = 77\n[table]\nnumber = 1\n\"ä\".x = 2\nother = 3\n");
        assert_eq!(top.table.unwrap().number, 1);
        assert_eq!(problems.len(), 4, "{problems:#?}");
        for start in [
            "(1, 1) pasword: unknown field",
            "(2, 12) password: it must be a string",
            "(5, 1) table.\"ä\": unknown",
        ] {
            assert!(problems.iter().any(|problem| problem.starts_with(start)), "{start}: {problems:#?}");
        }
        for (value, complaint) in [("\"x\"", "type: string \"x\""), ("70000", "value: integer `70000`")] {
            let (_, problems) = read(&format!("[table]\nnumber = {value}\n"));
            let expected = "expected a whole number from 0 to 65535";
            assert_eq!(problems, [format!("(2, 10) table.number: invalid {complaint}, {expected}")]);
        }
        let (_, problems) = read("[table]\n");
        assert_eq!(problems, ["(1, 1) table: missing field `number`"]);
    }

    #[test]
    fn all_mistakes_of_syntax_are_told() {
        let Err(problems) = Tree::parse("a = \nb = [1,\n[c\nd = 1\n") else { panic!("it is no TOML") };
        assert!(
            problems.len() > 1 && problems.iter().all(|problem| problem.position.is_some()),
            "{problems:?}"
        );
    }

    #[test]
    fn problems_get_the_place_of_what_is_nearest() {
        let tree = Tree::parse("[table]\n  number = 1\n").unwrap();
        let placed = |path: &[&str]| {
            let path = path.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
            let mut problem = Problem::new(path, "x");
            tree.place(&mut problem);
            problem.position.map(|at| (at.line, at.column))
        };
        assert_eq!(placed(&["table", "number"]), Some((2, 3)));
        assert_eq!(placed(&["table", "missing"]), Some((1, 2)));
        assert_eq!((placed(&["missing"]), placed(&[])), (None, None));
    }
}
