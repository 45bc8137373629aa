//! Tells all targets at the same time, each within a time of its own, and comes back when that is over, whatever they do.

use std::time::Duration;

use futures_util::future::join_all;
use fwb::Cancel;
use tokio::time::{Instant, sleep, timeout_at};

use crate::failure::Failure;
use crate::forms;
use crate::http::{Clients, Refused};
use crate::message::Message;
use crate::settings::Authorities;
use crate::target::{Target, Way};

/// Before the second try, where the server does not say how long.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two looks whether a signal arrived.
const LOOK: Duration = Duration::from_millis(50);

/// Sends `message` to each target.
pub(crate) fn deliver(
    targets: &[&Target],
    message: &Message,
    authorities: &Authorities,
    within: Duration,
    cancel: &Cancel,
) -> Vec<Failure> {
    let all_failed = |reason: &str| targets.iter().map(|target| failure(target, reason)).collect();
    let clients = match Clients::new(authorities) {
        Ok(clients) => clients,
        Err(error) => return all_failed(&error.to_string()),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return all_failed(&error.to_string()),
    };
    let failures = runtime.block_on(async {
        let deadline = Instant::now() + within;
        let one = |target| one(target, message, &clients, authorities, deadline, within);
        join_all(targets.iter().map(|target| async {
            let told = tokio::select! {
                told = one(target) => told,
                () = signal(cancel) => Err("a signal ended it".to_owned()),
            };
            told.err().map(|reason| failure(target, &reason))
        }))
        .await
    });
    // A name that is still being looked up must not be waited for.
    runtime.shutdown_background();
    failures.into_iter().flatten().collect()
}

fn failure(target: &Target, reason: &str) -> Failure {
    Failure { kind: target.kind, host: target.host.clone(), reason: target.secrets.without(reason) }
}

async fn signal(cancel: &Cancel) {
    while cancel.check().is_ok() {
        sleep(LOOK).await;
    }
}

/// Tells one target: a second time where the first may have failed by accident and the time suffices.
async fn one(
    target: &Target,
    message: &Message,
    clients: &Clients,
    authorities: &Authorities,
    deadline: Instant,
    within: Duration,
) -> Result<(), String> {
    let mut before: Option<String> = None;
    loop {
        let refused = match timeout_at(deadline, once(target, message, clients, authorities, within)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(refused)) => refused,
            Err(_) => Refused::finally(format!("it gave no answer within {} s", within.as_secs_f32().ceil())),
        };
        let pause = refused.after.unwrap_or(PAUSE).max(PAUSE);
        let is_worth_it = before.is_none() && refused.again && Instant::now() + pause < deadline;
        if !is_worth_it {
            let first = before.filter(|before| *before != refused.reason);
            let first = first.map(|first| format!("; the first try: {first}")).unwrap_or_default();
            return Err(format!("{}{first}", refused.reason));
        }
        before = Some(refused.reason);
        sleep(pause).await;
    }
}

async fn once(
    target: &Target,
    message: &Message,
    clients: &Clients,
    authorities: &Authorities,
    within: Duration,
) -> Result<(), Refused> {
    match &target.way {
        Way::Http(to) => clients.post(target.kind, to, forms::request(target.kind, to, message)).await,
        Way::Mail(mail) => mail.send(message, authorities, within).await,
    }
}
