//! `valkka serve`: the daemon.

use std::env;
use std::io::{self, Write};
use std::path::{self, Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use tracing::{error, info, warn};
use valkka_site::{CameraState, Config, ConfigError, Site};

use crate::config_file::ConfigFile;
use crate::interrupt::Interrupt;
use crate::logging::LogFormat;
use crate::service_manager::ServiceManager;
use crate::web_service::WebService;
use crate::{output, stdin};

/// Receive cameras, record them and serve them: over RTSP, by multicast, and in the browser
///
/// A file says which cameras, who may watch them, and where to listen; docs/valkka.toml is one with explanations. It is read
/// anew on SIGHUP and when it changes: only what is otherwise then restarts. The addresses that are served are printed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration
    #[arg(value_name = "FILE", required_unless_present = "schema")]
    file: Option<PathBuf>,

    /// Say what is wrong with the file, or what is in it, and do nothing
    #[arg(long)]
    check: bool,

    /// Print the JSON schema of the file, for editors
    #[arg(long, conflicts_with_all = ["file", "check"])]
    schema: bool,

    /// How log lines are written
    #[arg(long, value_enum, default_value_t)]
    log_format: LogFormat,

    /// End when standard input closes, for programs that start this one
    #[arg(long, hide = true)]
    until_stdin_closes: bool,
}

impl Args {
    pub(crate) fn log_format(&self) -> LogFormat {
        self.log_format
    }
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Some(path) = args.file else {
        output::print(&Config::schema())?;
        return Ok(ExitCode::SUCCESS);
    };
    // From before it is read, so that no change is missed.
    let mut file = ConfigFile::new(&path);
    let config = match load(&path) {
        Ok(config) => config,
        Err(error) => {
            complain(&error)?;
            return Ok(ExitCode::FAILURE);
        }
    };
    if args.check {
        for warning in config.warnings.iter().chain(&config.doubts()) {
            complain(&format_args!("{}: warning", ConfigError::line(Some(&path), warning)))?;
        }
        output::print(&format!("{}: it can be used: {}\n", path.display(), summary(&config)))?;
        return Ok(ExitCode::SUCCESS);
    }
    warn_of(&config, &file);
    file.names(&config.files);
    let (interrupt, hangup) = Interrupt::listen_as_service()?;
    let manager = ServiceManager::from_environment();
    let site = Arc::new(Site::start(config).context("cannot start")?);
    let web = WebService::start(&site)?;
    let mut service = Service { site, web, file, manager, complained: false };
    output::print(&service.addresses())?;
    service.manager.ready();
    info!("everything is started");

    let stdin = args.until_stdin_closes.then(stdin::wait_for_end);
    let mut looked = Instant::now();
    while !interrupt.is_set() && !stdin.as_ref().is_some_and(thread::JoinHandle::is_finished) {
        if hangup.take() {
            service.file.note_reading();
            service.reload();
        }
        if looked.elapsed() >= LOOK {
            looked = Instant::now();
            service.look();
        }
        thread::sleep(POLL);
    }
    info!("the end was asked for");
    service.manager.stopping();
    Ok(ExitCode::SUCCESS)
}

/// What runs. Dropped in order: the web server asks the site until its end.
struct Service {
    web: WebService,
    site: Arc<Site>,
    file: ConfigFile,
    manager: ServiceManager,
    /// Whether it was said that a thread does not answer.
    complained: bool,
}

impl Service {
    /// Reads the configuration anew, and goes on as it says if nothing is wrong with it.
    fn reload(&mut self) {
        self.manager.reloading();
        match load(self.file.path()) {
            Ok(config) => {
                warn_of(&config, &self.file);
                self.file.names(&config.files);
                match self.site.apply(config) {
                    Ok(_) => self.web.go_on(),
                    Err(error) => error!("the configuration is not applied: {error}"),
                }
            }
            Err(error) => {
                self.file.names(&error.files);
                self.site.note_refused(&error);
                error.to_string().lines().for_each(|line| error!("{line}"));
            }
        }
        self.manager.ready();
    }

    /// Looks after everything; once a second.
    fn look(&mut self) {
        if self.file.has_changed() {
            info!(file = %self.file.path().display(), "the configuration, or a file that it names, has changed");
            self.reload();
        }
        let cameras = self.site.cameras();
        let online = cameras.iter().filter(|camera| camera.status().state == CameraState::Online).count();
        self.manager.status(&format!("{online} of {} cameras online", cameras.len()));
        if self.manager.is_ping_due() {
            match self.answers() {
                Ok(()) => {
                    self.complained = false;
                    self.manager.ping();
                }
                // Without the sign of life, the service manager does what it was told to.
                Err(thread) if !self.complained => {
                    self.complained = true;
                    error!("{thread} does not answer: no sign of life is given");
                }
                Err(_) => {}
            }
        }
    }

    /// Whether all threads still do their work; else which does not.
    fn answers(&self) -> Result<(), &'static str> {
        self.site.answers(ANSWER)?;
        if self.web.answers(ANSWER) { Ok(()) } else { Err("the web server's thread") }
    }

    /// The page's address, then those of the cameras over RTSP, a line each.
    fn addresses(&self) -> String {
        let cameras = self.site.cameras();
        let rtsp = cameras.iter().filter_map(|camera| camera.status().rtsp);
        let lines = self.web.url().into_iter().chain(rtsp);
        lines.fold(String::new(), |text, line| text + &line + "\n")
    }
}

/// The configuration in `path`. Which stores there were is remembered in `<name>.stores`: where systemd has the unit keep its
/// state, else beside the file.
fn load(path: &Path) -> Result<Config, ConfigError> {
    let mut config = Config::load(path)?;
    if let Some(record) = &mut config.record {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".stores");
        let state = env::var_os("STATE_DIRECTORY").and_then(|paths| env::split_paths(&paths).next());
        let file = state.map_or_else(|| path.with_file_name(&name), |directory| directory.join(&name));
        record.known_stores = Some(path::absolute(&file).unwrap_or(file));
    }
    Ok(config)
}

/// What `config` is about, in one line.
fn summary(config: &Config) -> String {
    let count = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    let mut parts = vec![count(config.cameras.len(), "camera"), count(config.users.len(), "user")];
    if let Some(rtsp) = &config.rtsp {
        parts.push(format!("RTSP at {}", rtsp.listen));
        parts.extend(rtsp.tls.as_ref().map(|tls| format!("RTSPS at {}", tls.listen)));
    }
    if let Some(web) = &config.web {
        let scheme = if web.tls.is_some() { "HTTPS" } else { "HTTP" };
        parts.push(format!("{scheme} at {}", web.listen));
    }
    parts.extend(config.record.as_ref().map(|record| format!("recorded to {}", record.store.display())));
    parts.join(", ")
}

fn warn_of(config: &Config, file: &ConfigFile) {
    for warning in &config.warnings {
        warn!("{}", ConfigError::line(Some(file.path()), warning));
    }
}

/// Says what is wrong with a file, as a compiler does.
fn complain(what: &dyn std::fmt::Display) -> anyhow::Result<()> {
    writeln!(io::stderr(), "{what}").context("cannot write to standard error")
}

/// How soon a signal is noticed.
const POLL: Duration = Duration::from_millis(100);
/// How often the file and the threads are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// A thread that takes longer is stuck: none has anything to do that takes a second.
const ANSWER: Duration = Duration::from_secs(5);
