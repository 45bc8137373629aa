//! Progress for whoever waits: a bar where a line can be redrawn, elsewhere a log line now and then, so that a
//! nightly job's log shows that a long run is alive. Short runs show nothing.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fwb::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use log::Level;

use crate::console::{AssumedTerminal, Console, Fields, can_redraw};
use crate::options::{LogFormat, ProgressMode};
use crate::printable::printable;
use crate::rate::Rate;
use crate::size::human_size;

/// Between two looks at the counts, for a bar.
const FRAME: Duration = Duration::from_millis(100);
/// How long a run is before it gets a bar.
const SHORT: Duration = Duration::from_millis(400);
/// Between two log lines.
const INTERVAL: Duration = Duration::from_secs(30);

/// Over which the rate beside a bar is taken.
const WINDOW: Duration = Duration::from_secs(5);

const COUNTED: &str = "[{elapsed}] {bar:24} {wide_msg}";
const UNCOUNTED: &str = "[{elapsed}] {wide_msg}";

/// A running display; dropping it clears and ends it.
#[derive(Debug)]
pub(crate) struct Display {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Display {
    fn drop(&mut self) {
        drop(self.stop.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            log::debug!("the progress display had failed");
        }
    }
}

/// Shows `progress` from now on, in the way that `mode` and the terminal ask for.
///
/// # Errors
/// The operating system refuses a thread.
pub(crate) fn show(
    mode: ProgressMode,
    progress: &Progress,
    console: &Console,
) -> io::Result<Option<Display>> {
    let target: Option<fn() -> ProgressDrawTarget> = match mode {
        ProgressMode::Never => return Ok(None),
        ProgressMode::Always if can_redraw() => Some(ProgressDrawTarget::stderr),
        ProgressMode::Always => Some(|| ProgressDrawTarget::term_like_with_hz(Box::new(AssumedTerminal), 10)),
        ProgressMode::Auto if can_redraw() && console.format() == LogFormat::Text => {
            Some(ProgressDrawTarget::stderr)
        }
        ProgressMode::Auto => None,
    };
    let (progress, console) = (progress.clone(), console.clone());
    let (stop, stopped) = channel();
    let work = move || match target {
        Some(target) => draw(&progress, &console, &stopped, target()),
        None => tell(&progress, &console, &stopped),
    };
    let thread = std::thread::Builder::new().name("progress".into()).spawn(work)?;
    Ok(Some(Display { stop: Some(stop), thread: Some(thread) }))
}

/// Whether to go on after a pause.
fn pause(stopped: &Receiver<()>, length: Duration) -> bool {
    matches!(stopped.recv_timeout(length), Err(RecvTimeoutError::Timeout))
}

fn draw(progress: &Progress, console: &Console, stopped: &Receiver<()>, target: ProgressDrawTarget) {
    let started = Instant::now();
    if !pause(stopped, SHORT) {
        return;
    }
    // Hidden until there is something on it.
    let bar = ProgressBar::hidden().with_elapsed(started.elapsed());
    let mut target = Some(target);
    let mut rate = Rate::new(WINDOW);
    loop {
        let (bytes, total, doing) = counts(progress);
        if doing.is_empty() && bytes == 0 {
            // A tool that waits for the one before it has nothing to say yet, and draws over nobody's bar.
            if pause(stopped, FRAME) {
                continue;
            }
            return;
        }
        let rate = rate.update(started.elapsed(), bytes);
        bar.set_style(style(if total == 0 { UNCOUNTED } else { COUNTED }));
        bar.set_length(total);
        bar.set_position(bytes);
        bar.set_message(caption(&printable(&doing), bytes, total, rate));
        if let Some(target) = target.take() {
            // In this order: while a question stands, this waits.
            console.show(Some(bar.clone()));
            bar.set_draw_target(target);
        }
        bar.tick();
        if !pause(stopped, FRAME) {
            break;
        }
    }
    bar.finish_and_clear();
    console.show(None);
}

/// What the progress says. A total that has been passed was none: a compressed file's size says little of what is in it.
fn counts(progress: &Progress) -> (u64, u64, String) {
    let (bytes, total, doing) = progress.read();
    (bytes, if bytes > total { 0 } else { total }, doing)
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ")
}

fn tell(progress: &Progress, console: &Console, stopped: &Receiver<()>) {
    let started = Instant::now();
    let mut rate = Rate::new(INTERVAL);
    while pause(stopped, INTERVAL) && !progress.is_endless() {
        let (bytes, total, doing) = counts(progress);
        let rate = rate.update(started.elapsed(), bytes);
        console.say(Level::Info, &line(&doing, bytes, total, rate, started.elapsed()), &Fields::default());
    }
}

/// What stands beside a bar: `1.5 GiB of 6.0 GiB (25%), 41.0 MiB/s  table files`.
fn caption(doing: &str, bytes: u64, total: u64, rate: u64) -> String {
    match bytes {
        0 => doing.into(),
        _ => format!("{}  {doing}", amount(bytes, total, rate)),
    }
}

/// What stands in a log: `table files: 1.5 GiB of 6.0 GiB (25%), 41.0 MiB/s, after 1m`.
fn line(doing: &str, bytes: u64, total: u64, rate: u64, elapsed: Duration) -> String {
    let doing = if doing.is_empty() { "working" } else { doing };
    let elapsed = humantime::format_duration(Duration::from_secs(elapsed.as_secs()));
    match bytes {
        0 => format!("{doing}, after {elapsed}"),
        _ => format!("{doing}: {}, after {elapsed}", amount(bytes, total, rate)),
    }
}

/// How far, and how fast in bytes a second; a `total` of 0 is not known.
fn amount(bytes: u64, total: u64, rate: u64) -> String {
    let share = match (u128::from(bytes) * 100).checked_div(u128::from(total)) {
        Some(percent) => format!(" of {} ({percent}%)", human_size(total)),
        None => String::new(),
    };
    format!("{}{share}, {}/s", human_size(bytes), human_size(rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_and_how_fast() {
        let minute = Duration::from_millis(60_400);
        let cases = [
            (
                line("table files", 3 << 29, 6 << 30, 1 << 20, minute),
                "table files: 1.5 GiB of 6.0 GiB (25%), 1.0 MiB/s, after 1m",
            ),
            (line("table files", 1 << 20, 0, 0, minute), "table files: 1.0 MiB, 0 B/s, after 1m"),
            (line("waiting for the lock", 0, 0, 0, minute), "waiting for the lock, after 1m"),
            (line("", 0, 0, 0, minute), "working, after 1m"),
        ];
        for (said, expected) in cases {
            assert_eq!(said, expected);
        }
    }

    #[test]
    fn a_total_that_was_passed_is_not_told() {
        let progress = Progress::default();
        progress.begin("verifying old.sql.gz", 100);
        progress.advance(100);
        assert_eq!(counts(&progress).1, 100);
        progress.advance(1358);
        assert_eq!(counts(&progress).1, 0, "and not 1458 %");
    }

    #[test]
    fn the_templates_are_valid() {
        for template in [COUNTED, UNCOUNTED] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn a_display_ends_when_it_is_dropped() {
        let console = Console::new("fwb-test", LogFormat::Text);
        for mode in [ProgressMode::Auto, ProgressMode::Never] {
            drop(show(mode, &Progress::default(), &console).unwrap());
        }
    }
}
