//! `valkka passwd`: users of `valkka serve`.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use toml_edit::{DocumentMut, InlineTable, Item, Table, value};
use valkka::net::server::digest_secret;
use valkka_site::{Config, check_user_name, hash_password};

use crate::{output, password};

/// Set the password of a user of `valkka serve`
///
/// It is asked for twice, or read as one line from a pipe. Without --file, the lines for the file are printed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The user: 1 to 64 letters, digits, -, _, . and @
    #[arg(value_name = "NAME", value_parser = parse_name)]
    name: String,

    /// Write it into this file; a new user gets the role of a viewer of all cameras
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// Also have the user log in to RTSP by Digest, which players prefer: the secret for that opens the RTSP server as the
    /// password does, so keep the file from others
    #[arg(long)]
    digest: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    // Before anybody types.
    let text = args.file.as_deref().map(Config::read).transpose()?;
    let password = password::ask_new(&args.name)?;
    let user = User {
        name: &args.name,
        password: hash_password(&password)?,
        digest: args.digest.then(|| digest_secret(&args.name, &password)),
    };
    match (&args.file, text) {
        (Some(file), Some(text)) => {
            let text = user.write_into(&text).with_context(|| format!("cannot change {}", file.display()))?;
            replace(file, &text).with_context(|| format!("cannot write {}", file.display()))?;
        }
        _ => output::print(&user.write_into("")?)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What is written of a user.
struct User<'a> {
    name: &'a str,
    password: String,
    digest: Option<String>,
}

impl User<'_> {
    /// `text` with this user in the place of the one of the same name, if there is one; all else stays as it is.
    fn write_into(&self, text: &str) -> anyhow::Result<String> {
        let mut document: DocumentMut = match text.parse() {
            Ok(document) => document,
            // What it says more would show lines of the file.
            Err(error) => bail!("{}", toml_edit::TomlError::message(&error)),
        };
        let users = document.entry("users").or_insert_with(|| {
            let mut users = Table::new();
            users.set_implicit(true);
            Item::Table(users)
        });
        let users = users.as_table_like_mut().context("users is no table")?;
        if users.get(self.name).is_none() {
            let mut roles = InlineTable::new();
            roles.insert("*", "viewer".into());
            let mut user = Table::new();
            user.insert("password", value(""));
            user.insert("roles", value(roles));
            users.insert(self.name, Item::Table(user));
        }
        let user = users.get_mut(self.name).and_then(Item::as_table_like_mut);
        let user = user.with_context(|| format!("users.{} is no table", self.name))?;
        set(user, "password", &self.password);
        match &self.digest {
            Some(digest) => set(user, "digest", digest),
            // It would be that of the old password.
            None => drop(user.remove("digest")),
        }
        Ok(document.to_string())
    }
}

/// Sets the value of `key`, and keeps the comment behind it.
fn set(table: &mut dyn toml_edit::TableLike, key: &str, text: &str) {
    let mut new = toml_edit::Value::from(text);
    if let Some(old) = table.get(key).and_then(Item::as_value) {
        *new.decor_mut() = old.decor().clone();
    }
    table.insert(key, Item::Value(new));
}

/// Replaces the content of `file` at once, so that nobody ever sees half of it; owner and permissions stay.
fn replace(file: &Path, text: &str) -> anyhow::Result<()> {
    // A link stays one.
    let file = fs::canonicalize(file)?;
    let before = fs::metadata(&file)?;
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = file.with_file_name(name);
    let mut options = OpenOptions::new();
    let mut output = options.write(true).create_new(true).mode(0o600).open(&new)?;
    let written = output
        .write_all(text.as_bytes())
        .and_then(|()| match fchown(&output, Some(before.uid()), Some(before.gid())) {
            // Whoever may write a file of somebody else's may not give another one to him: it would lock him out.
            Err(error)
                if output
                    .metadata()
                    .is_ok_and(|new| (new.uid(), new.gid()) != (before.uid(), before.gid())) =>
            {
                Err(error)
            }
            _ => Ok(()),
        })
        .and_then(|()| output.set_permissions(fs::Permissions::from_mode(before.mode() & 0o7777)))
        .and_then(|()| output.sync_all())
        .and_then(|()| fs::rename(&new, &file));
    if written.is_err() {
        // What failed is what counts.
        let _ = fs::remove_file(&new);
    }
    Ok(written?)
}

fn parse_name(name: &str) -> Result<String, String> {
    check_user_name(name).map(|()| name.to_owned())
}

#[cfg(test)]
mod tests {
    use valkka_testkit::temp::TempDir;

    use super::*;

    fn user(digest: Option<&str>) -> User<'_> {
        User { name: "anna", password: "$new".into(), digest: digest.map(str::to_owned) }
    }

    #[test]
    fn all_else_in_the_file_stays_as_it_is() {
        let text = "# top\n[web] # here\nlisten = \"x\"\n\n[users.anna]\npassword = \"$old\" # hers\nroles = { a = \"admin\" }\n# end\n";
        let written = user(None).write_into(text).unwrap();
        assert_eq!(written, text.replace("$old", "$new"));
        let written = user(Some("abc")).write_into(&written).unwrap();
        assert!(written.contains("digest = \"abc\"") && written.contains("# end"), "{written}");
        assert!(!user(None).write_into(&written).unwrap().contains("abc"), "that was of another password");
    }

    #[test]
    fn a_new_user_is_a_viewer() {
        let expected = "[users.anna]\npassword = \"$new\"\nroles = { \"*\" = \"viewer\" }\n";
        assert_eq!(user(None).write_into("").unwrap(), expected);
        let written = user(None).write_into("[users.bob]\npassword = \"$b\"\n").unwrap();
        assert!(
            written.starts_with("[users.bob]\npassword = \"$b\"\n") && written.contains(expected),
            "{written}"
        );
    }

    #[test]
    fn what_is_no_configuration_is_left_alone() {
        for text in ["users = 1", "[users]\nanna = 1", "[[["] {
            assert!(user(None).write_into(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_replaced_file_keeps_its_permissions() {
        let directory = TempDir::new().unwrap();
        let (file, link) = (directory.join("file"), directory.join("link"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        replace(&link, "new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "nothing is left behind");
    }

    #[test]
    fn names() {
        parse_name("anna.b@example.org").unwrap();
        for name in ["", "a b", "a:b", "ä", &"x".repeat(65)] {
            parse_name(name).unwrap_err();
        }
    }
}
