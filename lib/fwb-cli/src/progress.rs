//! Progress for whoever waits: a bar where a line can be redrawn, elsewhere a log line now and then, so that a
//! nightly job's log shows that a long run is alive. Short runs show nothing.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fwb::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use log::Level;

use crate::console::{AssumedTerminal, Console, can_redraw};
use crate::options::{LogFormat, ProgressMode};
use crate::printable::printable;
use crate::size::human_size;

/// Between two looks at the counts, for a bar.
const FRAME: Duration = Duration::from_millis(100);
/// How long a run is before it gets a bar.
const SHORT: Duration = Duration::from_millis(400);
/// Between two log lines.
const INTERVAL: Duration = Duration::from_secs(30);

const COUNTED: &str = "[{elapsed}] {bar:24} {percent:>3}% {binary_bytes} of {binary_total_bytes} \
                       {binary_bytes_per_sec}  {wide_msg}";
const UNCOUNTED: &str = "[{elapsed}] {binary_bytes} {binary_bytes_per_sec}  {wide_msg}";
const WORDS: &str = "[{elapsed}] {wide_msg}";

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
    let bar = ProgressBar::with_draw_target(None, target).with_elapsed(started.elapsed());
    console.show(Some(bar.clone()));
    let (mut shown_bytes, mut shown_template) = (0, "");
    loop {
        let (bytes, total, doing) = progress.read();
        let template = template_for(bytes, total);
        if template != shown_template {
            bar.set_style(style(template));
            shown_template = template;
        }
        if bytes < shown_bytes {
            // A new phase has begun: its rate is its own.
            bar.reset_eta();
        }
        shown_bytes = bytes;
        if total == 0 {
            bar.unset_length();
        } else {
            bar.set_length(total);
        }
        bar.set_position(bytes);
        bar.set_message(printable(&doing).into_owned());
        bar.tick();
        if !pause(stopped, FRAME) {
            break;
        }
    }
    console.show(None);
    bar.finish_and_clear();
}

fn template_for(bytes: u64, total: u64) -> &'static str {
    match (bytes, total) {
        (0, 0) => WORDS,
        (_, 0) => UNCOUNTED,
        _ => COUNTED,
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ")
}

fn tell(progress: &Progress, console: &Console, stopped: &Receiver<()>) {
    let started = Instant::now();
    let mut told = 0;
    while pause(stopped, INTERVAL) {
        let (bytes, total, doing) = progress.read();
        // Where a phase has begun since, all of its bytes are new.
        let fresh = bytes.checked_sub(told).unwrap_or(bytes);
        told = bytes;
        console.say(Level::Info, &line(&doing, bytes, total, fresh, started.elapsed()));
    }
}

/// `dumping files: 1.2 GiB of 4.0 GiB (30%), 41.0 MiB/s, after 30s`; `fresh` counts the bytes of one interval.
fn line(doing: &str, bytes: u64, total: u64, fresh: u64, elapsed: Duration) -> String {
    let doing = if doing.is_empty() { "working" } else { doing };
    let elapsed = humantime::format_duration(Duration::from_secs(elapsed.as_secs()));
    if bytes == 0 {
        return format!("{doing}, after {elapsed}");
    }
    let share = match (u128::from(bytes) * 100).checked_div(u128::from(total)) {
        Some(percent) => format!(" of {} ({percent}%)", human_size(total)),
        None => String::new(),
    };
    let rate = human_size(fresh / INTERVAL.as_secs());
    format!("{doing}: {}{share}, {rate}/s, after {elapsed}", human_size(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_and_how_fast() {
        let minute = Duration::from_millis(60_400);
        let cases = [
            (
                line("table files", 3 << 29, 6 << 30, 30 << 20, minute),
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
    fn the_templates_are_valid() {
        for template in [COUNTED, UNCOUNTED, WORDS] {
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
