//! Progress for whoever waits: a bar where a line can be redrawn, elsewhere a log line now and then, so that a
//! nightly job's log shows that a long run is alive. Short runs show nothing.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fwb::{HowFar, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use log::Level;

use crate::console::{AssumedTerminal, Console, Fields, can_redraw};
use crate::duration::human_duration;
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

/// How long a phase takes, and how much of it must be done, in thousandths, before it tells how long the rest takes.
const TELLING: Duration = Duration::from_secs(2);
const LEAST_TELLING: u32 = 20;

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
        let far = progress.read();
        if far.doing.is_empty() && far.bytes == 0 {
            // A tool that waits for the one before it has nothing to say yet, and draws over nobody's bar.
            if pause(stopped, FRAME) {
                continue;
            }
            return;
        }
        let rate = rate.update(started.elapsed(), far.bytes);
        bar.set_style(style(if far.thousandths.is_some() { COUNTED } else { UNCOUNTED }));
        bar.set_length(1000);
        bar.set_position(far.thousandths.unwrap_or_default().into());
        bar.set_message(caption(&far, rate));
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

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ")
}

fn tell(progress: &Progress, console: &Console, stopped: &Receiver<()>) {
    let started = Instant::now();
    let mut rate = Rate::new(INTERVAL);
    while pause(stopped, INTERVAL) && !progress.is_endless() {
        let far = progress.read();
        let rate = rate.update(started.elapsed(), far.bytes);
        console.say(Level::Info, &line(&far, rate, started.elapsed()), &Fields::default());
    }
}

/// What stands beside a bar: `1.5 GiB of 6.0 GiB (25%), 41.0 MiB/s, 2m left  table files`.
fn caption(far: &HowFar, rate: u64) -> String {
    let doing = printable(&far.doing);
    match far.bytes {
        0 => doing.into_owned(),
        _ => format!("{}  {doing}", amount(far, rate)),
    }
}

/// What stands in a log: `table files: 1.5 GiB of 6.0 GiB (25%), 41.0 MiB/s, 2m left, after 1m`.
fn line(far: &HowFar, rate: u64, elapsed: Duration) -> String {
    let doing = if far.doing.is_empty() { "working" } else { &far.doing };
    let elapsed = whole_seconds(elapsed);
    match far.bytes {
        0 => format!("{doing}, after {elapsed}"),
        _ => format!("{doing}: {}, after {elapsed}", amount(far, rate)),
    }
}

/// How far, how fast in bytes a second, and how long it still takes.
fn amount(far: &HowFar, rate: u64) -> String {
    let mut text = human_size(far.bytes);
    match (far.total, far.thousandths) {
        (Some(total), Some(thousandths)) => {
            text += &format!(" of {} ({}%)", human_size(total), thousandths / 10);
        }
        (None, Some(thousandths)) => text += &format!(" (about {}%)", thousandths / 10),
        _ => {}
    }
    text += &format!(", {}/s", human_size(rate));
    if let Some(left) = far.thousandths.and_then(|thousandths| left(far.taken, thousandths)) {
        text += &format!(", {} left", whole_seconds(left));
    }
    text
}

/// How long a phase still takes that goes on as it did up to now; none where too little is done to tell.
fn left(taken: Duration, thousandths: u32) -> Option<Duration> {
    let rest = 1000_u32.checked_sub(thousandths).filter(|rest| *rest > 0)?;
    (taken >= TELLING && thousandths >= LEAST_TELLING).then(|| taken * rest / thousandths)
}

fn whole_seconds(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds => human_duration(Duration::from_secs(seconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn far(doing: &str, bytes: u64, total: Option<u64>, thousandths: Option<u32>) -> HowFar {
        HowFar { doing: doing.into(), bytes, total, thousandths, taken: Duration::from_secs(60) }
    }

    #[test]
    fn a_line_says_how_far_how_fast_and_how_long() {
        let minute = Duration::from_millis(60_400);
        let said = |doing, bytes, total, thousandths, rate| {
            line(&far(doing, bytes, total, thousandths), rate, minute)
        };
        let cases = [
            (
                said("table files", 3 << 29, Some(6 << 30), Some(250), 1 << 20),
                "table files: 1.5 GiB of 6.0 GiB (25%), 1.0 MiB/s, 3m left, after 1m",
            ),
            (
                said("table files", 3 << 29, None, Some(996), 1 << 20),
                "table files: 1.5 GiB (about 99%), 1.0 MiB/s, 0s left, after 1m",
            ),
            (said("table files", 1 << 20, None, None, 0), "table files: 1.0 MiB, 0 B/s, after 1m"),
            (said("waiting for the lock", 0, None, None, 0), "waiting for the lock, after 1m"),
            (said("", 0, None, None, 0), "working, after 1m"),
        ];
        for (said, expected) in cases {
            assert_eq!(said, expected);
        }
    }

    #[test]
    fn the_rest_is_told_once_something_tells_it() {
        let seconds = Duration::from_secs;
        let cases = [
            (seconds(1), 500, None),
            (seconds(10), 500, Some(seconds(10))),
            (seconds(10), 19, None),
            (seconds(100), 20, Some(seconds(4900))),
            (seconds(100), 1000, None),
        ];
        for (taken, thousandths, expected) in cases {
            assert_eq!(left(taken, thousandths), expected, "{taken:?} {thousandths}");
        }
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
