//! A measured process that listens: this program again, which says itself how much CPU time it has used.

use std::env;
use std::fs;
use std::io::{self, BufRead as _};
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use valkka::usage;
use valkka_testkit::process::Child;

/// A running one, from outside; it ends when this is dropped.
pub(crate) struct Measured {
    child: Child,
    address: SocketAddr,
    asked: u32,
}

impl Measured {
    /// Starts this program with `arguments`, by which it has to come to [`answer_until_closed`].
    pub(crate) fn start(arguments: [&str; 2]) -> io::Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.args(arguments);
        let child = Child::spawn(command)?;
        let address = child.wait_line(PATIENCE, |line| line.strip_prefix("address ")?.parse().ok())?;
        Ok(Self { child, address, asked: 0 })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// CPU time of all its threads so far, to the microsecond.
    pub(crate) fn cpu_time(&mut self) -> io::Result<Duration> {
        self.asked += 1;
        let asked = self.asked;
        self.child.write_line(&format!("cpu {asked}"))?;
        let answer = format!("cpu {asked} ");
        self.child.wait_line(PATIENCE, |line| {
            Duration::try_from_secs_f64(line.strip_prefix(&answer)?.parse().ok()?).ok()
        })
    }

    /// Its resident memory in bytes.
    pub(crate) fn rss_bytes(&self) -> io::Result<u64> {
        rss_bytes(self.child.id())
    }
}

/// In the measured process: says that it listens at `address`, and answers until nobody asks any more.
pub(crate) fn answer_until_closed(address: SocketAddr) -> io::Result<()> {
    println!("address {address}");
    for line in io::stdin().lock().lines() {
        let line = line?;
        if line.starts_with("cpu ") {
            println!("{line} {:.6}", usage::cpu_time().as_secs_f64());
        }
    }
    Ok(())
}

/// The resident memory of a process in bytes.
pub(crate) fn rss_bytes(process: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.map(|kib| kib * 1024).ok_or_else(|| io::Error::other("the kernel does not tell its memory"))
}

const PATIENCE: Duration = Duration::from_secs(30);
