//! Paths that the operator names to be written, outside of any store (`-o`, `--manifest`): whether the path is written
//! into, as a device or a pipe is, or gets a new file, and which paths are left alone. Others may be able to write the
//! directory, and the tool may run as root: a path is believed for what it is, not for its name.

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::fs::OFlags;

use crate::error::{Error, Result};
use crate::progress::Cancel;
use crate::store::{Partial, stage, sync_dir};

/// Between two looks whether a pipe has a reader.
const PAUSE: Duration = Duration::from_millis(50);

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Nothing,
    File,
    Directory,
    Device,
    Pipe,
    Socket,
    Link,
}

impl Kind {
    fn of(found: FileType) -> Self {
        match found {
            found if found.is_file() => Self::File,
            found if found.is_dir() => Self::Directory,
            found if found.is_fifo() => Self::Pipe,
            found if found.is_socket() => Self::Socket,
            found if found.is_symlink() => Self::Link,
            _ => Self::Device,
        }
    }
}

/// What a path gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// A new file, which takes the place of a regular one.
    NewFile,
    /// The bytes, written into what is there.
    Stream(Kind),
    /// Nothing, for this reason.
    Refused(&'static str),
}

/// What is to be known of a path to judge it.
#[derive(Debug, Clone, Copy)]
struct Found {
    /// What is there.
    kind: Kind,
    /// What is at the end of a link; else the same as `kind`.
    end: Kind,
    /// Whether what is there, or at the end of a link, belongs to this user or to root.
    is_trusted: bool,
    /// Whether nobody but this user and root may write the directory.
    is_private_place: bool,
}

const ANOTHER_USERS: &str = "belongs to another user";
const LINK: &str = "is a symbolic link";
const DIRECTORY: &str = "is a directory";

/// What a path gets.
fn judge(found: Found) -> Verdict {
    match (found.kind, found.end) {
        (Kind::Nothing | Kind::File, _) => Verdict::NewFile,
        (Kind::Directory, _) => Verdict::Refused(DIRECTORY),
        // The system's own, such as /dev/stdout, /dev/fd/63 and /proc/self/fd/1.
        (Kind::Link, end @ (Kind::Device | Kind::Pipe | Kind::Socket))
            if found.is_private_place && found.is_trusted =>
        {
            Verdict::Stream(end)
        }
        (Kind::Link, _) => Verdict::Refused(LINK),
        // Only root can make a device.
        (Kind::Device, _) => Verdict::Stream(Kind::Device),
        // Whoever reads at the other end reads the whole database.
        (Kind::Pipe | Kind::Socket, _) if !found.is_trusted => Verdict::Refused(ANOTHER_USERS),
        (kind @ (Kind::Pipe | Kind::Socket), _) => Verdict::Stream(kind),
    }
}

/// Looks at a path without opening it.
fn look(path: &Path) -> Result<Found> {
    if path.file_name().is_none() {
        return Err(Error::usage(format!("{} names no file", path.display())));
    }
    let examine = || Error::io("examine", path);
    let is_trusted = |found: &Metadata| [0, rustix::process::geteuid().as_raw()].contains(&found.uid());
    let there = match path.symlink_metadata() {
        Ok(there) => there,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            let (kind, end) = (Kind::Nothing, Kind::Nothing);
            return Ok(Found { kind, end, is_trusted: true, is_private_place: false });
        }
        Err(error) => return Err(examine()(error)),
    };
    let kind = Kind::of(there.file_type());
    // A link that leads nowhere leads to nothing that could be written into.
    let end = if kind == Kind::Link { path.metadata().ok() } else { Some(there.clone()) };
    let directory = directory_of(path).metadata().map_err(examine())?;
    let is_private_place = is_trusted(&directory) && directory.mode() & 0o022 == 0;
    Ok(Found {
        kind,
        end: end.as_ref().map_or(Kind::Nothing, |end| Kind::of(end.file_type())),
        is_trusted: end.as_ref().is_some_and(is_trusted),
        is_private_place,
    })
}

fn refused(path: &Path, why: &str) -> Error {
    let hint = match why {
        LINK => "give the path that it leads to, or open it yourself: -o - > PATH".into(),
        ANOTHER_USERS => "give another path, or open it yourself: -o - > PATH".into(),
        DIRECTORY => format!("give the path of a file in it: {}", path.join("NAME.sql.gz").display()),
        _ => "look at who writes that directory".into(),
    };
    Error::Usage { message: format!("{} is not written: it {why}", path.display()), hint: Some(hint) }
}

/// Finds out early whether a path can be written at all.
///
/// # Errors
/// A usage error where it is one that is left alone.
pub fn check_output(path: &Path) -> Result<()> {
    match judge(look(path)?) {
        Verdict::Refused(why) => Err(refused(path, why)),
        _ => Ok(()),
    }
}

/// Opens what is at a path, where that is to be written into: a device, a pipe, a socket. None: a file is to be made
/// there. A pipe is waited for until it has a reader.
///
/// # Errors
/// A usage error where the path is one that is left alone; it cannot be opened; a signal arrived.
pub fn open_stream(path: &Path, cancel: &Cancel) -> Result<Option<File>> {
    let found = look(path)?;
    let kind = match judge(found) {
        Verdict::NewFile => return Ok(None),
        Verdict::Refused(why) => return Err(refused(path, why)),
        Verdict::Stream(kind) => kind,
    };
    let open = || Error::io("open", path);
    if kind == Kind::Socket {
        let socket = UnixStream::connect(path).map_err(open())?;
        return Ok(Some(File::from(OwnedFd::from(socket))));
    }
    let follow = if found.kind == Kind::Link { OFlags::empty() } else { OFlags::NOFOLLOW };
    let flags = (follow | OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = loop {
        match OpenOptions::new().write(true).custom_flags(flags).open(path) {
            Err(error) if kind == Kind::Pipe && has_no_reader(&error) => {
                cancel.check()?;
                std::thread::sleep(PAUSE);
            }
            opened => break opened.map_err(open())?,
        }
    };
    // Somebody may have put something else there since we looked.
    if Kind::of(file.metadata().map_err(open())?.file_type()) != kind {
        return Err(refused(path, "was changed while it was opened"));
    }
    let blocking = |error: rustix::io::Errno| open()(error.into());
    let flags = rustix::fs::fcntl_getfl(&file).map_err(blocking)?;
    rustix::fs::fcntl_setfl(&file, flags - OFlags::NONBLOCK).map_err(blocking)?;
    Ok(Some(file))
}

/// Waits until what was written is on the device, where it is one that keeps anything.
///
/// # Errors
/// The device reports a failure.
pub fn sync_stream(file: &File, path: &Path) -> Result<()> {
    match file.sync_all() {
        // A pipe, a terminal or /dev/null keeps nothing (fsync(2): EINVAL).
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            Ok(())
        }
        synced => synced.map_err(Error::io("write", path)),
    }
}

/// Writes a file, which appears when it is complete; or into the device, pipe or socket that the path is.
///
/// # Errors
/// The path cannot be written, or is one that is left alone.
pub fn write_file(path: &Path, bytes: &[u8], cancel: &Cancel) -> Result<()> {
    if let Some(mut stream) = open_stream(path, cancel)? {
        stream.write_all(bytes).map_err(Error::io("write", path))?;
        return sync_stream(&stream, path);
    }
    stage(Partial::beside(path)?, bytes)?.publish()?;
    sync_dir(directory_of(path))
}

/// open(2): a pipe without a reader, opened for writing without waiting.
fn has_no_reader(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error())
}

/// The directory that a path is in.
pub(crate) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_gets_what_it_is_meant_for() {
        use Kind::{Device, Directory, File, Link, Nothing, Pipe, Socket};
        let streams = Verdict::Stream;
        let link = Verdict::Refused(LINK);
        let others = Verdict::Refused(ANOTHER_USERS);
        // What is there, what it leads to, whether that is ours or root's, whether the directory is.
        let cases = [
            (Nothing, Nothing, true, false, Verdict::NewFile),
            (File, File, true, false, Verdict::NewFile),
            // Whose file may be replaced is for whoever makes the new one.
            (File, File, false, false, Verdict::NewFile),
            (Directory, Directory, true, true, Verdict::Refused("is a directory")),
            (Device, Device, true, true, streams(Device)),
            (Device, Device, false, false, streams(Device)),
            (Pipe, Pipe, true, false, streams(Pipe)),
            (Socket, Socket, true, false, streams(Socket)),
            (Pipe, Pipe, false, true, others),
            (Socket, Socket, false, false, others),
            (Link, Device, true, true, streams(Device)),
            (Link, Pipe, true, true, streams(Pipe)),
            (Link, Pipe, false, true, link),
            (Link, Device, true, false, link),
            (Link, File, true, true, link),
            (Link, Nothing, true, true, link),
            (Link, Directory, true, true, link),
        ];
        for (kind, end, is_trusted, is_private_place, expected) in cases {
            let found = Found { kind, end, is_trusted, is_private_place };
            assert_eq!(judge(found), expected, "{found:?}");
        }
    }

    #[test]
    fn the_systems_own_links_lead_to_streams() {
        let cancel = Cancel::default();
        for path in ["/dev/null", "/dev/zero"] {
            assert!(open_stream(Path::new(path), &cancel).unwrap().is_some(), "{path}");
        }
        let (_reader, writer) = io::pipe().unwrap();
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&writer));
        assert!(open_stream(Path::new(&path), &cancel).unwrap().is_some());
    }

    #[test]
    fn a_signal_ends_the_wait_for_a_reader() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let cancel = Cancel::default();
        cancel.raise(15);
        assert!(matches!(open_stream(&path, &cancel), Err(Error::Interrupted(15))));
    }
}
