//! What packets travel over: a socket, or TLS over one.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use fwb::{SessionError, Stopper};
use rustix::net::sockopt;

/// A stream of bytes both ways.
pub(crate) trait Transport: Read + Write + Send {}

impl<T: Read + Write + Send> Transport for T {}

/// A connection before anything was said over it.
pub(crate) struct Channel {
    /// The bytes.
    pub(crate) stream: Box<dyn Transport>,
    /// Closes it from another thread.
    pub(crate) stopper: Stopper,
    /// Whether nobody else can listen: a unix socket.
    pub(crate) is_private: bool,
    /// Sets how long a read may wait; none for ever.
    pub(crate) patience: Patience,
    /// What carries it to a pod.
    pub(crate) carrier: Option<Arc<dyn Carrier>>,
}

/// What carries a connection to a pod.
pub(crate) trait Carrier: Send + Sync {
    /// What a failure of the stream means: what carries it has broken.
    fn cut(&self, source: io::Error) -> SessionError;

    /// Whether nobody but us can be at the other end; asked when the server has greeted us, before we say anything. The
    /// error says why that is not certain.
    fn check_peer(&self) -> Result<(), String>;

    /// Ends it after our last word, which still has to arrive.
    fn close(&self);
}

/// Sets how long a read may wait.
pub(crate) type Patience = Box<dyn Fn(Option<Duration>) -> io::Result<()> + Send>;

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("is_private", &self.is_private).finish_non_exhaustive()
    }
}

/// How long a peer may be silent before the kernel asks whether it is still there; how often it asks, and how many times
/// in vain: after two minutes a connection to a machine that is gone fails.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
const KEEP_ALIVE_BETWEEN: Duration = Duration::from_secs(15);
const KEEP_ALIVE_TIMES: u32 = 4;

impl Channel {
    /// A unix socket.
    ///
    /// # Errors
    /// The operating system refuses.
    pub(crate) fn unix(socket: UnixStream) -> io::Result<Self> {
        let (other, timed) = (socket.try_clone()?, socket.try_clone()?);
        Ok(Self {
            stream: Box::new(socket),
            stopper: Arc::new(move || other.shutdown(Shutdown::Both).unwrap_or_default()),
            is_private: true,
            patience: Box::new(move |time| timed.set_read_timeout(time)),
            carrier: None,
        })
    }

    /// A TCP connection.
    ///
    /// # Errors
    /// The operating system refuses.
    pub(crate) fn tcp(socket: TcpStream) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        sockopt::set_socket_keepalive(&socket, true)?;
        sockopt::set_tcp_keepidle(&socket, KEEP_ALIVE)?;
        sockopt::set_tcp_keepintvl(&socket, KEEP_ALIVE_BETWEEN)?;
        sockopt::set_tcp_keepcnt(&socket, KEEP_ALIVE_TIMES)?;
        let (other, timed) = (socket.try_clone()?, socket.try_clone()?);
        Ok(Self {
            stream: Box::new(socket),
            stopper: Arc::new(move || other.shutdown(Shutdown::Both).unwrap_or_default()),
            is_private: false,
            patience: Box::new(move |time| timed.set_read_timeout(time)),
            carrier: None,
        })
    }
}
