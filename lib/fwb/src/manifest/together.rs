//! Databases that were dumped together.

use serde::{Deserialize, Serialize};

/// The run that a database was dumped in with others. Backups that have the same run and the same moment in it show their databases as
/// they were at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Together {
    /// What tells the run from every other one.
    pub run: String,
    /// Which moment of the run, from 1: a database that could not be read to its end leaves those after it another one.
    pub moment: u32,
    /// How many databases were to be dumped in the run.
    pub databases: usize,
}

impl Together {
    /// Whether two backups are of one moment.
    pub fn is_of_one_moment(&self, other: &Self) -> bool {
        (&self.run, self.moment) == (&other.run, other.moment)
    }
}
