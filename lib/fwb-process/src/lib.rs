//! Child processes. A child is a `Read` or a `Write`; a thread drains its stderr beside it, and its words become the
//! error. Every child leads its own process group, so that a Ctrl-C reaches us alone and we decide how it ends, and it
//! dies with this process, however that ends.
//!
//! It is a crate of its own so that whoever needs a child (kubectl, a throwaway server, a tool in a pipe) has it without
//! the domain, and the domain does not know that there are any.

mod error;
mod program;
mod stderr;
mod work;

pub use error::{Error, Result};
pub use program::{Child, Ended, Killer, Program};
pub use work::Worked;

use std::any::Any;
use std::sync::Arc;

/// What ends something at once, called from another thread.
pub type Stopper = Arc<dyn Fn() + Send + Sync>;

/// A request to stop, which children end with.
pub trait Stops {
    /// Calls `stop` when the request comes, from another thread, until the returned value is dropped; at once where it has
    /// come.
    fn register(&self, stop: Stopper) -> Box<dyn Any + Send + Sync>;

    /// The signal that asked us to stop.
    fn signal(&self) -> Option<i32>;
}

/// Nobody ever asks to stop.
#[derive(Debug, Clone, Copy)]
pub struct Unstoppable;

impl Stops for Unstoppable {
    fn register(&self, _stop: Stopper) -> Box<dyn Any + Send + Sync> {
        Box::new(())
    }

    fn signal(&self) -> Option<i32> {
        None
    }
}
