//! Many servers in one file: what it says of each, whose run is next, and what all runs come to. `docs/FLEETS.md` describes the file.
//!
//! Nothing here runs anything. `fwb-run --fleet` runs each server's chain as a process of its own, with what the file says in its
//! environment; `fwb-report --fleet` asks the file which servers should have backups.

mod file;
mod queue;
mod record;
mod settings;

pub use file::{Fleet, FleetServer};
pub use queue::{FleetNext, FleetQueue};
pub use record::{FLEET_SCHEMA, FleetFailure, FleetRecord};
