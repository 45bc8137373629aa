//! Child processes that end with the test.

use std::process::{Child, Command};

/// A process that is killed when this value is dropped.
pub(crate) struct Killed(pub(crate) Child);

impl Killed {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let child = command.spawn();
        Self(child.unwrap_or_else(|error| panic!("{}: {error}", command.get_program().to_string_lossy())))
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
