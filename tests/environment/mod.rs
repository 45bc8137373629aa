//! The surroundings of a backup gone wrong: the disk, the clock, the time zone, the standard streams, signals, the
//! server. What comes of it is a whole backup or a clear failure, and what was there before is there still.

mod clock;
mod disk;
mod full_disk;
mod place;
mod server;
mod signals;
mod streams;
mod zones;

pub(crate) use clock::Clock;
pub(crate) use disk::Disk;
pub(crate) use signals::Chance;
