//! Whether a thread still does its work.

use std::sync::mpsc;
use std::time::Duration;

use tokio::runtime::Handle;

/// Whether the runtime of `handle` gets to a new task within `limit`.
pub(crate) fn answers(handle: &Handle, limit: Duration) -> bool {
    let (tx, rx) = mpsc::sync_channel(1);
    handle.spawn(async move {
        // Nobody may be waiting any more.
        let _ = tx.try_send(());
    });
    rx.recv_timeout(limit).is_ok()
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::thread;

    use tokio::runtime::Builder;
    use tokio::time::timeout;

    use super::*;

    #[test]
    fn a_runtime_answers_while_somebody_runs_it() {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        let handle = runtime.handle().clone();
        assert!(!answers(&handle, Duration::from_millis(1)));
        thread::spawn(move || {
            runtime.block_on(async { timeout(Duration::from_secs(600), pending::<()>()).await })
        });
        assert!(answers(&handle, Duration::from_secs(60)));
    }
}
