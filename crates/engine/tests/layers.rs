//! Imports point down, crates of one layer do not know each other, and unsafe code stands where it may.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Every crate and its layer. A new crate is listed here, or the test fails.
const LAYERS: [(&str, u32); 11] = [
    ("valkka-core", 0),
    ("valkka-net", 1),
    ("valkka-av", 1),
    ("valkka-render", 1),
    ("valkka-shm", 1),
    ("valkka-store", 1),
    ("valkka", 2),
    ("valkka-site", 3),
    ("valkka-web", 4),
    ("valkka-cli", 5),
    ("valkka-python", 5),
];

/// Only tests depend on it; it depends on layer 0 alone.
const TESTKIT: &str = "valkka-testkit";

/// Where unsafe code may stand: crate, and the beginning of the path within it. All other crates forbid it.
const UNSAFE: [(&str, &str); 4] = [
    ("valkka-av", "src/ffi.rs"),
    ("valkka-av", "src/ffi/"),
    ("valkka-render", "src/output/"),
    ("valkka-shm", "src/map.rs"),
];

const LINT: &str = "unsafe_code";

#[test]
fn imports_point_down() {
    let layers = BTreeMap::from(LAYERS);
    let mut wrong = Vec::new();
    for package in packages() {
        for Dependency { name, kind } in package.dependencies {
            let from = &package.name;
            if kind == "dev" && name == TESTKIT && from != TESTKIT {
                continue;
            }
            let upper = if from == TESTKIT { Some(&1) } else { layers.get(from.as_str()) };
            match (upper, layers.get(name.as_str())) {
                (Some(upper), Some(lower)) if lower < upper => (),
                (Some(_), Some(_)) => wrong.push(format!("{from} looks up or sideways at {name}")),
                (None, _) => wrong.push(format!("{from} has no layer")),
                (_, None) => wrong.push(format!("{from} depends on {name}, which has no layer")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn all_crates_have_the_same_lints() {
    for package in packages() {
        let manifest = fs::read_to_string(package.directory.join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true\n"), "{} has lints of its own", package.name);
    }
}

#[test]
fn unsafe_code_stands_where_it_may() {
    let mut wrong = Vec::new();
    for package in packages() {
        let allowed: Vec<_> = UNSAFE.iter().filter(|(name, _)| *name == package.name).collect();
        let root = package.directory.join("src");
        let root =
            [root.join("lib.rs"), root.join("main.rs")].into_iter().find(|file| file.exists()).unwrap();
        let level = if allowed.is_empty() { "forbid" } else { "deny" };
        if !fs::read_to_string(&root).unwrap().contains(&format!("#![{level}({LINT})]")) {
            wrong.push(format!("{} does not {level} unsafe code", root.display()));
        }
        // The compiler refuses unsafe code wherever this is not said.
        for file in rust_files(&package.directory) {
            let path = file.strip_prefix(&package.directory).unwrap().to_str().unwrap().to_owned();
            let free = allowed.iter().any(|(_, beginning)| path.starts_with(beginning));
            let text = fs::read_to_string(&file).unwrap();
            let allows =
                ["allow", "warn", "expect"].iter().any(|level| text.contains(&format!("{level}({LINT}")));
            if allows && !free {
                wrong.push(format!("{} allows unsafe code", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

struct Package {
    name: String,
    directory: PathBuf,
    /// On other crates of the workspace.
    dependencies: Vec<Dependency>,
}

struct Dependency {
    name: String,
    /// `normal`, `build` or `dev`.
    kind: String,
}

/// What cargo says of the workspace.
fn packages() -> Vec<Package> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]);
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let dependency = |value: &Value| Dependency {
        name: text(&value["name"]),
        kind: value["kind"].as_str().unwrap_or("normal").to_owned(),
    };
    let package = |value: &Value| Package {
        name: text(&value["name"]),
        directory: Path::new(&text(&value["manifest_path"])).parent().unwrap().to_path_buf(),
        dependencies: value["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|value| value["path"].is_string())
            .map(dependency)
            .collect(),
    };
    let packages: Vec<_> = metadata["packages"].as_array().unwrap().iter().map(package).collect();
    assert!(packages.len() >= 7, "cargo names all crates");
    packages
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
