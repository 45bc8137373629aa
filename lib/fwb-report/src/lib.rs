//! A report in the forms that people and programs read, and a small server of it. What a report says is computed in `fwb`; here
//! it is written, and certificates are read.

#![forbid(unsafe_code)]

mod certificates;
mod html;
mod prometheus;
mod serve;
mod text;
mod words;

pub use certificates::{certificate_files, certificates};
pub use html::html;
pub use prometheus::{Service, metrics};
pub use serve::{Served, serve};
pub use text::text;
