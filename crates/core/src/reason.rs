//! Errors in words.

use std::error::Error;

/// What `error` says and, behind colons, what it comes from: in one line, for those who do not follow sources.
pub fn reason(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot open {0}")]
    struct Outer(&'static str, #[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("no such file")]
    struct Inner(#[source] io::Error);

    #[test]
    fn causes_stand_behind_colons() {
        let error = Outer("a", Inner(io::Error::other("the disk is gone")));
        assert_eq!(reason(&error), "cannot open a: no such file: the disk is gone");
        assert_eq!(reason(&io::Error::other("alone")), "alone");
    }
}
