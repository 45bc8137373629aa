//! Prometheus, Alertmanager and the report, each running on a port of its own until its test ends.

use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::program;
use crate::support::{Tool, until};

/// A process that is killed when this value is dropped.
pub(super) struct Running {
    child: Child,
    /// Where it listens.
    pub(super) address: String,
}

impl Running {
    /// Starts it and waits until it says where it listens: in a line of this stream, which `address` understands.
    fn start(
        mut command: Command,
        stream: fn(&mut Child) -> Box<dyn Read + Send>,
        address: fn(&str) -> Option<String>,
    ) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = BufReader::new(stream(&mut child));
        let (tell, told) = channel();
        std::thread::spawn(move || {
            // To its end, so that it is never kept from writing.
            let mut words = String::new();
            for line in said.lines().map_while(Result::ok) {
                match address(&line) {
                    Some(address) => drop(tell.send(Ok(address))),
                    None if words.len() < 1 << 16 => words.push_str(&(line + "\n")),
                    None => {}
                }
            }
            let _ = tell.send(Err(words));
        });
        let mut running = Self { child, address: String::new() };
        let told = told.recv_timeout(Duration::from_secs(300)).expect("it says where it listens");
        running.address = told.unwrap_or_else(|words| panic!("it ended: {words}"));
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `fwb-report --listen`, which says its address on standard output.
pub(super) fn report(tool: Tool) -> Running {
    let stdout = |child: &mut Child| -> Box<dyn Read + Send> {
        let stderr = child.stderr.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut BufReader::new(stderr), &mut std::io::sink()));
        Box::new(child.stdout.take().unwrap())
    };
    Running::start(tool.command(), stdout, |line| {
        line.strip_prefix("http://").map(|address| address.trim_end_matches('/').to_owned())
    })
}

/// What Prometheus and Alertmanager write when they listen.
fn listening(line: &str) -> Option<String> {
    let (_, address) = line.split_once("msg=\"Listening on\" address=")?;
    address.split_whitespace().next().map(ToOwned::to_owned)
}

fn stderr(child: &mut Child) -> Box<dyn Read + Send> {
    Box::new(child.stderr.take().unwrap())
}

/// Alertmanager.
pub(super) struct Alertmanager {
    pub(super) running: Running,
    _dir: TempDir,
}

impl Alertmanager {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("alertmanager.yml");
        fs::write(&config, "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n").unwrap();
        let mut command = Command::new(program("alertmanager"));
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", dir.path().join("data").display()))
            .args(["--web.listen-address=127.0.0.1:0", "--cluster.listen-address="]);
        Self { running: Running::start(command, stderr, listening), _dir: dir }
    }

    /// The alerts that hold.
    pub(super) fn holding(&self) -> Vec<Value> {
        let url = format!("http://{}", self.running.address);
        let asked = Tool::program(program("amtool"))
            .args(["--alertmanager.url", &url, "alert", "query", "-o", "json"])
            .run();
        // It is not ready at once.
        if asked.code == Some(0) { serde_json::from_slice(&asked.stdout).unwrap() } else { Vec::new() }
    }
}

/// Prometheus.
pub(super) struct Prometheus {
    running: Running,
    _dir: TempDir,
}

impl Prometheus {
    /// Scrapes a report every second, and evaluates these rules as often.
    pub(super) fn new(report: &str, rules: &str, alertmanager: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("fwb.rules.yaml"), rules).unwrap();
        let config = dir.path().join("prometheus.yml");
        let text = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [fwb.rules.yaml]\n\
             scrape_configs: [{{job_name: fwb-report, static_configs: [{{targets: ['{report}']}}]}}]\n\
             alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{alertmanager}']}}]}}]}}\n"
        );
        fs::write(&config, text).unwrap();
        let mut command = Command::new(program("prometheus"));
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
            .args(["--web.listen-address=127.0.0.1:0", "--rules.alert.resend-delay=1s"])
            .current_dir(dir.path());
        Self { running: Running::start(command, stderr, listening), _dir: dir }
    }

    /// What an expression comes to now.
    pub(super) fn ask(&self, expression: &str) -> Result<Vec<Value>, String> {
        let url = format!("http://{}", self.running.address);
        let asked = Tool::program(program("promtool"))
            .args(["query", "instant", "-o", "json", &url, expression])
            .run();
        if asked.code == Some(0) {
            Ok(serde_json::from_slice(&asked.stdout).unwrap())
        } else {
            Err(asked.stderr)
        }
    }

    /// Waits until an expression has a value.
    pub(super) fn has(&self, expression: &str) {
        until(expression, || self.ask(expression).ok().filter(|found| !found.is_empty()));
    }
}
