//! Other people's programs, for as long as a test needs them.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::path::PathBuf;
use std::process::{self, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fmt};

use rustix::process::{Pid, Signal};

/// Whether `program` can be run.
///
/// # Errors
/// That it is not there, in words.
pub fn available(program: &str) -> Result<(), String> {
    find(program).map(|_| ()).ok_or_else(|| format!("{program} is not installed"))
}

/// Runs `script` in the system's own Python, which is the one that Debian's packages are for (another may come
/// first in the path), to see whether it can.
pub(crate) fn python_can(script: &str, what: &str) -> Result<(), String> {
    let mut python = Command::new(PYTHON);
    python.args(["-c", script]);
    match python.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!("{what}: {}", said.lines().last().unwrap_or("no reason given")))
        }
        Err(error) => Err(format!("{what}: {PYTHON}: {error}")),
    }
}

pub(crate) const PYTHON: &str = "/usr/bin/python3";

/// A command line for `program` that is killed together with this process, however this process ends.
///
/// # Errors
/// If there is no such program.
pub fn command(program: &str) -> io::Result<Command> {
    let program = find(program)
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{program} is not installed")))?;
    // setpriv (of util-linux, on every Debian) becomes the program; asking the kernel ourselves, between fork
    // and exec, would take unsafe code.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    Ok(command)
}

/// A running program, killed when this is dropped.
///
/// What it writes to its standard output and standard error is kept, the last [`KEPT_LINES`] lines of it.
pub struct Child {
    name: String,
    child: process::Child,
    stdin: Option<ChildStdin>,
    output: Arc<Output>,
}

/// How many lines of a program's output are kept.
pub const KEPT_LINES: usize = 10_000;

/// How many of them an error shows.
const SHOWN_LINES: usize = 40;

impl Child {
    /// Starts `command`, usually one of [`command`], with its input and outputs connected to this.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn spawn(mut command: Command) -> io::Result<Self> {
        let name = name_of(&command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = spawn_from_lasting_thread(command)?;
        let output = Arc::new(Output::default());
        output.lock().open = 2;
        collect(child.stdout.take(), &output);
        collect(child.stderr.take(), &output);
        let stdin = child.stdin.take();
        Ok(Self { name, child, stdin, output })
    }

    /// Its process number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All that is kept of what it wrote.
    pub fn output(&self) -> String {
        let lines = self.output.lock();
        lines.kept.iter().fold(String::new(), |text, line| text + line + "\n")
    }

    /// Waits for a line of output, past or future, of which `pick` makes a value; returns the first value.
    ///
    /// # Errors
    /// If `timeout` is over, or the output ends, with the last lines of it in the message.
    pub fn wait_line<T>(&self, timeout: Duration, mut pick: impl FnMut(&str) -> Option<T>) -> io::Result<T> {
        let deadline = Instant::now() + timeout;
        let mut lines = self.output.lock();
        let mut seen: usize = 0;
        loop {
            let skip = seen.saturating_sub(lines.dropped);
            if let Some(value) = lines.kept.iter().skip(skip).find_map(|line| pick(line)) {
                return Ok(value);
            }
            seen = lines.dropped + lines.kept.len();
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || lines.open == 0 {
                let how = if lines.open == 0 { "ended".into() } else { format!("ran {timeout:?}") };
                let skip = lines.kept.len().saturating_sub(SHOWN_LINES);
                let last = lines.kept.iter().skip(skip).fold(String::new(), |text, line| text + line + "\n");
                let message = format!("{} {how} without the line waited for; it wrote:\n{last}", self.name);
                return Err(io::Error::other(message));
            }
            lines = self.output.changed.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Writes `line` and a line feed to its standard input.
    ///
    /// # Errors
    /// If it no longer reads.
    pub fn write_line(&mut self, line: &str) -> io::Result<()> {
        let stdin = self.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        stdin.write_all(format!("{line}\n").as_bytes())?;
        stdin.flush()
    }

    /// Writes `line`, and waits until the program has answered with the line `answer`.
    ///
    /// # Errors
    /// If it no longer reads, or `timeout` is over.
    pub fn ask(&mut self, line: &str, answer: &str, timeout: Duration) -> io::Result<()> {
        let answered = |lines: &Lines| lines.kept.iter().filter(|&said| said == answer).count();
        let before = answered(&self.output.lock());
        self.write_line(line)?;
        let mut seen = 0;
        self.wait_line(timeout, |said| {
            seen += usize::from(said == answer);
            (seen > before).then_some(())
        })
    }

    /// Closes its standard input.
    pub fn close_input(&mut self) {
        self.stdin = None;
    }

    /// Freezes it (SIGSTOP), as a machine that hangs: its sockets stay open and nobody serves them.
    ///
    /// # Errors
    /// If it has ended.
    pub fn freeze(&self) -> io::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on (SIGCONT).
    ///
    /// # Errors
    /// If it has ended.
    pub fn thaw(&self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    /// Asks it to end, as Ctrl-C does (SIGINT).
    ///
    /// # Errors
    /// If it has ended.
    pub fn interrupt(&self) -> io::Result<()> {
        self.signal(Signal::INT)
    }

    /// Kills it (SIGKILL), and waits until it is gone.
    ///
    /// # Errors
    /// If the system does not let us.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(|_| ())
    }

    /// Whether it is still running.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until it ends by itself and has written all it had to write.
    ///
    /// # Errors
    /// If `timeout` is over; it goes on running then.
    pub fn wait(&mut self, timeout: Duration) -> io::Result<ExitStatus> {
        let deadline = Instant::now() + timeout;
        let mut lines = self.output.lock();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let status = self.child.try_wait()?;
            match status {
                Some(status) if lines.open == 0 || left.is_zero() => return Ok(status),
                None if left.is_zero() => {
                    let message = format!("{} is still running after {timeout:?}", self.name);
                    return Err(io::Error::new(io::ErrorKind::TimedOut, message));
                }
                _ => (),
            }
            // A program may close its outputs before it ends, so its end is looked for now and then.
            let nap = left.min(Duration::from_millis(20));
            lines = self.output.changed.wait_timeout(lines, nap).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// CPU time it has used so far, user and system together, with a resolution of 10 ms.
    ///
    /// # Errors
    /// If it has ended.
    pub fn cpu_time(&self) -> io::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id()))?;
        // The second field is the name in parentheses, and may hold anything (proc_pid_stat(5)).
        let fields = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
        let mut ticks = fields.split_ascii_whitespace().skip(11).map_while(|field| field.parse::<u64>().ok());
        match (ticks.next(), ticks.next()) {
            (Some(user), Some(system)) => {
                let hz = rustix::param::clock_ticks_per_second();
                Ok(Duration::from_secs_f64((user + system) as f64 / hz as f64))
            }
            _ => Err(io::Error::other(format!("no CPU time in \"{stat}\""))),
        }
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid = Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).map_err(io::Error::from)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended already, and a test that ends has nothing left to do about the rest.
        let _ = self.kill();
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.name, self.id())
    }
}

/// Lines that a program wrote.
#[derive(Default)]
struct Output {
    lines: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Default)]
struct Lines {
    kept: VecDeque<String>,
    /// Lines that were dropped before `kept`.
    dropped: usize,
    /// How many of its outputs are open.
    open: usize,
}

impl Output {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads `pipe` to its end on a thread of its own.
fn collect(pipe: Option<impl Read + Send + 'static>, output: &Arc<Output>) {
    let pipe = pipe.expect("both outputs were asked for");
    let output = output.clone();
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            let mut lines = output.lock();
            if lines.kept.len() == KEPT_LINES {
                lines.kept.pop_front();
                lines.dropped += 1;
            }
            lines.kept.push_back(text);
            output.changed.notify_all();
            line.clear();
        }
        output.lock().open -= 1;
        output.changed.notify_all();
    });
}

/// Starts `command` from a thread that lives as long as this process.
///
/// The kernel kills a child that asked for it when the *thread* that started it ends, and tests are threads:
/// what several tests share must survive the test that happened to start it.
fn spawn_from_lasting_thread(command: Command) -> io::Result<process::Child> {
    type Job = (Command, Sender<io::Result<process::Child>>);
    static SPAWNER: OnceLock<Sender<Job>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (jobs, queue) = mpsc::channel::<Job>();
        thread::spawn(move || {
            for (mut command, answer) in queue {
                // The other end waits for the answer.
                let _ = answer.send(command.spawn());
            }
        });
        jobs
    });
    let (answer, result) = mpsc::channel();
    let gone = |_| io::Error::other("the thread that starts processes is gone");
    spawner.send((command, answer)).map_err(|_| gone(()))?;
    result.recv().map_err(|_| gone(()))?
}

/// The program itself, not what starts it.
fn name_of(command: &Command) -> String {
    let program = command.get_args().skip_while(|&argument| argument != "--").nth(1);
    let program = if command.get_program() == "setpriv" { program } else { None };
    let program: &OsStr = program.unwrap_or(command.get_program());
    PathBuf::from(program).file_name().unwrap_or(program).to_string_lossy().into_owned()
}

/// Where `program` is, if it is installed.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|path| path.is_file());
    }
    // System administration programs are not in every user's path.
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    directories.map(|directory| directory.join(program)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait;
    use crate::watchdog::Watchdog;

    const SOON: Duration = Duration::from_secs(60);

    fn sh(script: &str) -> Child {
        let mut command = command("sh").unwrap();
        command.args(["-c", script]);
        Child::spawn(command).unwrap()
    }

    #[test]
    fn lines_are_waited_for_and_kept() {
        let _watchdog = Watchdog::start(SOON * 2);
        let mut child = sh("echo port 7; read word; echo got $word >&2; exit 3");
        let port = child.wait_line(SOON, |line| line.strip_prefix("port ")?.parse::<u16>().ok()).unwrap();
        assert_eq!(port, 7);
        child.write_line("hello").unwrap();
        assert_eq!(child.wait(SOON).unwrap().code(), Some(3));
        assert_eq!(child.output(), "port 7\ngot hello\n");
        let error = child.wait_line(SOON, |line| line.strip_prefix("more").map(drop)).unwrap_err();
        assert!(error.to_string().starts_with("sh ended without the line waited for; it wrote:\nport 7"));
    }

    #[test]
    fn a_frozen_program_stands_still_until_it_is_thawed() {
        let _watchdog = Watchdog::start(SOON * 2);
        let mut child = sh("read word; echo awake; exec sleep 1000");
        child.freeze().unwrap();
        child.write_line("wake up").unwrap();
        let stopped =
            || std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap().contains(" T ");
        wait::until(SOON, "the program is stopped", stopped);
        assert_eq!(child.output(), "");
        child.thaw().unwrap();
        child.wait_line(SOON, |line| (line == "awake").then_some(())).unwrap();
        assert!(child.is_running());
        assert!(child.cpu_time().is_ok());
        child.kill().unwrap();
        assert!(!child.is_running());
    }

    #[test]
    fn a_program_ends_with_its_guard() {
        let _watchdog = Watchdog::start(SOON * 2);
        let child = sh("exec sleep 1000");
        let proc = PathBuf::from(format!("/proc/{}", child.id()));
        assert!(proc.exists());
        drop(child);
        assert!(!proc.exists());
    }

    #[test]
    fn a_program_outlives_the_thread_that_started_it() {
        let _watchdog = Watchdog::start(SOON * 2);
        let mut child = thread::spawn(|| sh("read word; echo alive")).join().unwrap();
        child.write_line("").unwrap();
        child.wait_line(SOON, |line| (line == "alive").then_some(())).unwrap();
    }

    #[test]
    fn what_is_not_installed_is_named() {
        let error = command("no-such-program").unwrap_err();
        assert_eq!(error.to_string(), "no-such-program is not installed");
        assert!(available("sh").is_ok() && available("no-such-program").is_err());
    }
}
