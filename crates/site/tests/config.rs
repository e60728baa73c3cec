//! Files with mistakes, and without.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use valkka::source::Transport;
use valkka_site::{Certificate, Config, RecordMode, RecordingConfig, Role, Users, hash_password};
use valkka_testkit::temp::TempDir;

/// Of the password "x".
const HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAExnLXZ5mlbx6Xk";

fn parse(text: &str) -> Result<Config, Vec<String>> {
    let text = text.replace("HASH", HASH);
    Config::parse(&text, Path::new("/nowhere"))
        .map_err(|error| error.to_string().lines().map(str::to_owned).collect())
}

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)
}

#[test]
fn the_example_works_and_its_password_is_what_it_says() {
    let config = Config::load(&docs("valkka.toml")).unwrap();
    assert_eq!(config.warnings, []);
    assert_eq!(config.rtsp.unwrap().listen, "127.0.0.1:8554".parse().unwrap());
    assert_eq!(config.web.unwrap().listen, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(config.cameras["front"].title, "Front door");
    let anna = Users::new(&config.users).verify("anna", "change me").unwrap();
    assert_eq!((anna.role("front"), anna.role("yard")), (Some(Role::Operator), Some(Role::Viewer)));
}

#[test]
fn what_the_example_shows_as_a_choice_is_one() {
    let text = fs::read_to_string(docs("valkka.toml")).unwrap();
    let all: String = text
        .lines()
        .map(|line| {
            let is_choice = |line: &&str| line.contains(" = ") || line.starts_with('[');
            line.strip_prefix("# ").filter(is_choice).unwrap_or(line).to_owned() + "\n"
        })
        .collect();
    let directory = TempDir::new().unwrap();
    for file in ["cert.pem", "key.pem"] {
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(file), directory.join(file))
            .unwrap();
    }
    fs::write(directory.join("front.password"), "secret\nmore\n").unwrap();
    let config = Config::parse(&all, directory.path()).unwrap();
    let front = &config.cameras["front"];
    assert_eq!(front.url.credentials().unwrap().password, "secret");
    assert_eq!((front.transport, config.cameras["yard"].serve), (Transport::Tcp, false));
    let send = config.cameras["yard"].multicast.clone().unwrap();
    assert_eq!((send.port, send.ttl, send.sdp), (50010, 1, Some(directory.join("yard.sdp"))));
    let rtsp = config.rtsp.unwrap();
    assert!(rtsp.anyone && rtsp.tls.is_some() && rtsp.multicast.is_some());
    assert!(config.web.unwrap().tls.is_some());
    let record = config.record.unwrap();
    assert_eq!((record.store, record.size), (PathBuf::from("/var/lib/valkka/store"), Some(500_000_000_000)));
    let yard = &config.cameras["yard"].record;
    assert_eq!((front.record.mode, yard.mode), (RecordMode::Always, RecordMode::Motion));
    assert_eq!((yard.keep, yard.quota), (Some(Duration::from_secs(7 * 24 * 60 * 60)), Some(50_000_000_000)));
}

#[test]
fn cameras_are_recorded_as_the_section_says_unless_they_say_otherwise() {
    let text = "[record]\nstore = \"a\"\nsize = \"10 GB\"\nmode = \"motion\"\nbefore = 20\ndays = 30\n\
                [cameras.a]\nurl = \"rtsp://h/1\"\nrecord = { mode = \"events\", after = 0, quota = \"2 GB\" }\n\
                [cameras.b]\nurl = \"rtsp://h/2\"";
    let config = parse(text).unwrap();
    let record = config.record.unwrap();
    assert_eq!((record.store, record.min_free), (PathBuf::from("/nowhere/a"), 1_000_000_000));
    let days = |days: u64| Some(Duration::from_secs(days * 24 * 60 * 60));
    let b = RecordingConfig {
        mode: RecordMode::Motion,
        before: Duration::from_secs(20),
        keep: days(30),
        ..RecordingConfig::default()
    };
    assert_eq!(config.cameras["b"].record, b);
    let a =
        RecordingConfig { mode: RecordMode::Events, after: Duration::ZERO, quota: Some(2_000_000_000), ..b };
    assert_eq!(config.cameras["a"].record, a);
    // Without the section, a camera may say what would be anyway.
    parse("[cameras.a]\nurl = \"rtsp://h/1\"\nrecord = { mode = \"off\" }").unwrap();
}

#[test]
fn the_schema_in_the_documentation_is_that_of_the_program() {
    let written = fs::read_to_string(docs("valkka.schema.json")).unwrap_or_default();
    let hint = "`valkka serve --schema > docs/valkka.schema.json` writes it anew";
    assert!(written == Config::schema(), "docs/valkka.schema.json is of another version: {hint}");
}

#[test]
fn every_mistake_is_told_with_its_place() {
    const CASES: &[(&str, &[&str])] = &[
        (
            "[cameras.front]\nulr = \"rtsp://h/1\"",
            &["1:1: cameras.front: missing field `url`", "2:1: cameras.front.ulr: unknown field"],
        ),
        ("cameras.front.url = 7", &["1:21: cameras.front.url: it must be a string"]),
        (
            "[cameras.front]\nurl = \"rtsp://user:secret@\"",
            &["2:1: cameras.front.url: it is no address of a camera"],
        ),
        ("[cameras.front]\nurl = \"http://h/1\"", &["2:1: cameras.front.url: http:// is none of rtsp://"]),
        ("[cameras.front]\nurl = \"/etc/passwd\"", &["2:1: cameras.front.url: of files, only"]),
        ("[cameras.\"a/b\"]\nurl = \"rtsp://h/1\"", &["1:10: cameras.\"a/b\": a camera's name is"]),
        (
            "[cameras.a]\nurl = \"rtsp://h/1\"\ntransport = \"pigeon\"",
            &["3:13: cameras.a.transport: unknown variant `pigeon`"],
        ),
        (
            "[cameras.a]\nurl = \"rtsp://h/1\"\nuser = \"u\"",
            &["3:1: cameras.a.user: user and password_file go together"],
        ),
        (
            "[cameras.a]\nurl = \"rtsp://h/1\"\nuser = \"u\"\npassword_file = \"p\"",
            &["4:1: cameras.a.password_file: cannot read /nowhere/p: No such file"],
        ),
        (
            "[cameras.a]\nurl = \"rtsp://h/1\"\nmulticast = { address = \"239.1.1.1\", port = 50001 }",
            &["3:38: cameras.a.multicast.port: 50001 is no even number from 1024"],
        ),
        (
            "[cameras.a]\nurl = \"rtsp://h/1\"\nmulticast = { address = \"239.1.1.1\", port = 50000 }\n\
             [cameras.b]\nurl = \"rtsp://h/1\"\nmulticast = { address = \"239.1.1.1\", port = 50002 }",
            &["6:1: cameras.b.multicast: cameras.a is sent to the same ports"],
        ),
        ("[rtsp]", &["1:2: rtsp: nobody could watch at 127.0.0.1:8554: there are no users."]),
        ("[rtsp]\nlisten = \"0.0.0.0:8554\"", &["1:2: rtsp: nobody could watch at 0.0.0.0:8554"]),
        ("[web]\nlisten = \"8080\"\nanyone = true", &["2:1: web.listen: \"8080\" must be like"]),
        (
            "[web]\nlisten = \"127.0.0.1:70000\"\nanyone = true",
            &["2:1: web.listen: \"127.0.0.1:70000\" must be like"],
        ),
        (
            "[rtsp]\nanyone = true\nlisten = \"0.0.0.0:8080\"\n[web]\nanyone = true",
            &["4:2: web.listen: 127.0.0.1:8080 is taken by rtsp.listen, which is 0.0.0.0:8080"],
        ),
        (
            "[rtsp]\nanyone = true\nmulticast = { address = \"192.168.1.1\", port = 99999 }",
            &[
                "3:47: rtsp.multicast.port: invalid value: integer `99999`, expected a whole number from 0 to 65535",
            ],
        ),
        (
            "[cameras.a]\nurl = \"rtsp://h/1\"\nmulticast = { address = \"239.1.1.1\", port = 50000, ttl = 300 }",
            &[
                "3:58: cameras.a.multicast.ttl: invalid value: integer `300`, expected a whole number from 0 to 255",
            ],
        ),
        (
            "[rtsp]\nanyone = true\nmulticast = { address = \"192.168.1.1\", port = 50000 }",
            &["3:15: rtsp.multicast.address: 192.168.1.1 is no multicast address"],
        ),
        (
            "[rtsp]\nanyone = true\ntls = { listen = \"0.0.0.0:8322\", certificate = \"c.pem\", key = \"k.pem\" }",
            &["3:1: rtsp.tls: cannot read /nowhere/c.pem: No such file"],
        ),
        (
            "[web]\nanyone = true\ntls = { certificate = \"/dev/null\", key = \"/dev/null\" }",
            &["3:1: web.tls: cannot read /dev/null: it is a pipe or a device"],
        ),
        ("[users.anna]\npassword = \"secret\"", &["2:1: users.anna.password: it is no hash by argon2"]),
        (
            "[users.anna]\npassword = \"HASH\"\ndigest = \"secret\"",
            &["3:1: users.anna.digest: it has not 32 digits"],
        ),
        ("[users.\"a:b\"]\npassword = \"HASH\"", &["1:8: users.\"a:b\": a user's name is"]),
        (
            "[users.anna]\npassword = \"HASH\"\nroles = { front = \"viewer\", \"*\" = \"god\" }",
            &[
                "3:11: users.anna.roles.front: there is no camera \"front\"",
                "3:35: users.anna.roles.\"*\": unknown variant `god`",
            ],
        ),
        // The camera is there, however wrong it is.
        (
            "[cameras.front]\n[users.anna]\npassword = \"HASH\"\nroles.front = \"viewer\"",
            &["1:1: cameras.front: missing field `url`"],
        ),
        (
            "nonsense = 1\n[cameras]\na = 1",
            &["1:1: nonsense: unknown field", "3:5: cameras.a: invalid type: integer `1`"],
        ),
        ("[cameras.a\nurl = \"rtsp://user:secret@h\nx", &["1:11: "]),
        ("[record]\nsize = \"1 GB\"", &["1:1: record: missing field `store`"]),
        (
            "[record]\nstore = \"a\"\nsize = \"huge\"",
            &["3:8: record.size: invalid value: string \"huge\", expected a number of bytes, such as"],
        ),
        (
            "[record]\nstore = \"a\"\nsize = \"2 MiB\"",
            &["3:1: record.size: it makes 2 blocks of 1048576 bytes"],
        ),
        (
            "[record]\nstore = \"a\"\nblock_size = 1000",
            &["3:1: record.block_size: 1000 bytes are not 1 MB to"],
        ),
        ("[record]\nstore = \"a\"\nmode = \"never\"", &["3:8: record.mode: unknown variant `never`"]),
        (
            "[record]\nstore = \"a\"\nbefore = 61\nafter = -1\ndays = 0\nsensitivity = 101",
            &[
                "3:1: record.before: 61 is no whole number from 0 to 60",
                "4:9: record.after: invalid value: integer `-1`, expected a whole number from 0 to 65535",
                "5:1: record.days: 0 is no whole number from 1 to",
                "6:1: record.sensitivity: 101 is no whole number from 1 to 100",
            ],
        ),
        (
            "[cameras.a]\nurl = \"rtsp://h/1\"\nrecord = { days = 7 }",
            &["3:1: cameras.a.record: there is no [record] that says where to"],
        ),
        (
            "[record]\nstore = \"a\"\n[cameras.a]\nurl = \"rtsp://h/1\"\nrecord = { before = 99 }",
            &["5:12: cameras.a.record.before: 99 is no whole number from 0 to 60"],
        ),
    ];
    for (text, expected) in CASES {
        let problems = parse(text).expect_err(text);
        assert!(problems.len() >= expected.len(), "{text}\n{problems:#?}");
        for start in *expected {
            let start = format!("configuration:{start}");
            assert!(
                problems.iter().any(|problem| problem.starts_with(&start)),
                "{text}\n{start}\n{problems:#?}"
            );
        }
        let syntax = expected.iter().any(|expected| expected.ends_with(": "));
        assert!(syntax || problems.len() == expected.len(), "{text}\n{problems:#?}");
        assert!(!problems.iter().any(|problem| problem.contains("secret")), "{problems:#?}");
    }
}

#[test]
fn all_mistakes_come_at_once() {
    let problems = parse(
        "[web]\nlisten = \"x\"\n[cameras.a]\nurl = \"ftp://h/1\"\n[cameras.b]\nurl = 1\ntransprot = \"udp\"\n[users.u]\npassword = \"p\"",
    );
    let problems = problems.unwrap_err();
    assert_eq!(problems.len(), 5, "{problems:#?}");
}

#[test]
fn too_many_cameras_are_refused() {
    let text: String = (0..1001).map(|n| format!("cameras.c{n}.url = \"rtsp://h/{n}\"\n")).collect();
    assert_eq!(parse(&text).unwrap_err(), ["configuration:1:1: cameras: there are 1001, and may be 1000"]);
}

#[test]
fn garbage_is_refused_in_words() {
    let directory = TempDir::new().unwrap();
    let path = directory.join("valkka.toml");
    for garbage in [&b"\xff\xfe"[..], b"\0", b"[[[[", b"a = [[[[[[[[[[[[[[[[[[[[[[[[[[[[[", b"a.b.c.d = {"] {
        fs::write(&path, garbage).unwrap();
        Config::load(&path).unwrap_err();
    }
    fs::write(&path, vec![b'#'; 5 << 20]).unwrap();
    assert!(Config::load(&path).unwrap_err().to_string().contains("bytes, and may have"));
    assert!(
        Config::load(&directory.join("none"))
            .unwrap_err()
            .to_string()
            .contains("none: cannot read it: No such file")
    );
    let deep = format!("a = {}", "[".repeat(100_000));
    parse(&deep).unwrap_err();
}

#[test]
fn secrets_that_everybody_may_read_are_a_warning() {
    let directory = TempDir::new().unwrap();
    let (path, password) = (directory.join("valkka.toml"), directory.join("p"));
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    fs::write(&path, "[rtsp]\nanyone = true\n[cameras.a]\nurl = \"rtsp://u:secret@h/1\"").unwrap();
    mode(&path, 0o640);
    assert_eq!(Config::load(&path).unwrap().warnings, []);
    mode(&path, 0o644);
    let warnings = Config::load(&path).unwrap().warnings;
    assert!(warnings[0].message.contains("every user of this machine"), "{warnings:?}");
    // What is kept elsewhere is looked at there.
    fs::write(&password, "secret").unwrap();
    mode(&password, 0o600);
    fs::write(
        &path,
        "rtsp.anyone = true\n[cameras.a]\nurl = \"rtsp://h/1\"\nuser = \"u\"\npassword_file = \"p\"",
    )
    .unwrap();
    assert_eq!(Config::load(&path).unwrap().warnings, []);
    assert_eq!(Config::load(&path).unwrap().files, std::slice::from_ref(&password));
    mode(&password, 0o604);
    let warnings = Config::load(&path).unwrap().warnings;
    assert_eq!(warnings[0].position.map(|at| at.line), Some(5), "{warnings:?}");
}

#[test]
fn what_was_hardly_meant_so_is_a_warning() {
    let warnings = |text: &str| parse(text).unwrap().warnings;
    let said = warnings("");
    assert!(said[0].message.contains("no camera") && said[1].message.contains("[rtsp]"), "{said:?}");
    let hash = hash_password("x").unwrap();
    let said = warnings(&format!(
        "rtsp.anyone = true\n[cameras.a]\nurl = \"rtsp://h/1\"\n[users.anna]\npassword = \"{hash}\""
    ));
    assert_eq!((said.len(), said[0].position.map(|at| at.line)), (1, Some(4)), "{said:?}");
}

#[test]
fn a_disk_without_room_for_the_store_is_a_doubt() {
    let directory = TempDir::new().unwrap();
    let doubts = |record: &str| {
        let config = Config::parse(&format!("[record]\n{record}"), directory.path()).unwrap();
        config.doubts().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(doubts("store = \"a\"\nsize = \"64 MB\"\nmin_free = 0"), [""; 0]);
    for (record, said) in [
        ("store = \"a\"\nsize = \"1000 TB\"\nblock_size = \"1 GiB\"", "record.size: "),
        ("store = \"a\"\nsize = \"64 MB\"\nmin_free = \"900000 TB\"", "900000 TB needed with min_free"),
        ("store = \"a\"", "record.store: "),
        ("store = \"none/a\"\nsize = \"64 MB\"", "none: No such file"),
    ] {
        let doubts = doubts(record);
        assert!(doubts.len() == 1 && doubts[0].contains(said), "{record}: {doubts:?}");
    }
    let known = directory.join("stores");
    fs::write(&known, format!("{{{:?}: \"\"}}", directory.join("a"))).unwrap();
    let mut config = Config::parse("record = { store = \"a\", size = \"64 MB\" }", directory.path()).unwrap();
    config.record.as_mut().unwrap().known_stores = Some(known);
    assert!(config.doubts()[0].message.contains("not mounted"), "{:?}", config.doubts());
    fs::write(directory.join("valkkafs.json"), "{}").unwrap();
    assert_eq!(doubts("store = \".\""), [""; 0], "it is there");
}

#[test]
fn nothing_that_is_shown_of_a_configuration_is_secret() {
    let config =
        parse("[cameras.a]\nurl = \"rtsp://u:secret@h/1\"\n[users.anna]\npassword = \"HASH\"").unwrap();
    let shown = format!("{config:?}");
    assert!(!shown.contains("secret") && !shown.contains("argon2"), "{shown}");
}

#[test]
fn a_renewed_certificate_is_another_one() {
    let directory = TempDir::new().unwrap();
    let own = |file| Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(file);
    let (cert, key) = (directory.join("cert.pem"), own("key.pem"));
    fs::copy(own("cert.pem"), &cert).unwrap();
    let before = Certificate::new(&cert, &key).unwrap();
    assert_eq!(before, Certificate::new(&cert, &key).unwrap());
    let text = fs::read_to_string(&cert).unwrap();
    fs::write(&cert, format!("renewed\n{text}")).unwrap();
    assert_ne!(before, Certificate::new(&cert, &key).unwrap());
    Certificate::new(&cert, directory.join("none")).unwrap_err();
    for (cert, key) in [(&key, &key), (&cert, &cert)] {
        Certificate::new(cert, key).unwrap().identity().unwrap_err();
    }
}

#[test]
fn configurations_made_in_rust_are_checked_too() {
    let mut config = Config::default();
    config.check().unwrap();
    config.web = Some(valkka_site::WebConfig::default());
    assert!(config.check().unwrap_err().to_string().contains("anyone = true"));
    config.users.insert(
        "anna".into(),
        valkka_site::UserConfig { password: hash_password("x").unwrap(), ..Default::default() },
    );
    config.check().unwrap();
}
