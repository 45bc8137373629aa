//! Child processes, as lib/fwb-process has them, with errors of the domain.

use std::any::Any;

pub(crate) use fwb_process::{Child, Program};

use crate::error::Error;
use crate::progress::Cancel;
use crate::server::Stopper;

impl fwb_process::Stops for Cancel {
    fn register(&self, stop: Stopper) -> Box<dyn Any + Send + Sync> {
        Box::new(self.stops(stop))
    }

    fn signal(&self) -> Option<i32> {
        match self.check() {
            Err(Error::Interrupted(signal)) => Some(signal),
            _ => None,
        }
    }
}

impl From<fwb_process::Error> for Error {
    fn from(error: fwb_process::Error) -> Self {
        use fwb_process::Error as Process;
        match error {
            Process::Spawn { program, source } => Self::Spawn { program, source },
            Process::Failed { program, doing, reason } => Self::Child { program, doing, reason },
            Process::Stream { action, source } => Self::Stream { action, source },
            Process::Interrupted(signal) => Self::Interrupted(signal),
            other => Self::Stream { action: "run a program", source: std::io::Error::other(other) },
        }
    }
}
