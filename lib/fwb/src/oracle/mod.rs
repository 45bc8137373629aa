//! Slow, plain second implementations, against which tests and fuzz targets hold the fast ones. Nothing here is in a
//! released program.

mod second_reading;

pub(crate) use second_reading::{admit, divide_tables};
