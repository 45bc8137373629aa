//! Copies backups from one store to another. A copy has the bytes of its original, unless it is encrypted to others; and it is held
//! against what was written, on both sides.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::artifact::{Artifact, MaybeEncrypted, Members, WRITE_ARTIFACT, Written};
use crate::encryption::{EncryptTo, Identities, Keys, SUFFIX};
use crate::error::{Error, Result};
use crate::manifest::{Encryption, Manifest};
use crate::progress::Context;
use crate::store::{Retention, Store, StoreLock, Upload, Wait, publish, read_back};
use crate::verify::prove_written;

/// How to copy.
#[derive(Debug, Clone)]
pub struct CopyOptions {
    /// To whom copies are encrypted; none: they are as their originals are.
    pub encryption: Option<EncryptTo>,
    /// Read each copy back whole, also one that was there.
    pub verify: bool,
    /// Bytes a second at most.
    pub bandwidth: Option<u64>,
    /// Until when the store is to keep copies from being deleted; none: it is not to.
    pub retention: Option<Retention>,
    /// Whether to wait for the lock of the store that is copied to.
    pub wait: Wait,
}

/// A backup that was copied.
#[derive(Debug)]
pub struct Copied {
    /// The copy's manifest.
    pub manifest: Manifest,
    /// Whether the copy was there before.
    pub was_there: bool,
}

/// Copies to one store, whose lock it holds.
#[derive(Debug)]
pub struct Copier<'a> {
    target: &'a Store,
    lock: StoreLock,
    options: &'a CopyOptions,
}

impl<'a> Copier<'a> {
    /// Takes the lock of the store that is copied to.
    ///
    /// # Errors
    /// Another run holds it, or the store cannot be written.
    pub fn new(target: &'a Store, options: &'a CopyOptions, context: &Context) -> Result<Self> {
        let lock = target.lock(options.wait, &context.cancel)?;
        target.tidy(&lock)?;
        Ok(Self { target, lock, options })
    }

    /// Copies the backup `name`. One that is there and is the same stays as it is.
    ///
    /// # Errors
    /// There is no such backup, it is damaged, or encrypted where it is to be encrypted to others; another one of its name is
    /// there; either store fails. Nothing is published then.
    pub fn copy(&self, source: &Store, name: &str, context: &Context) -> Result<Copied> {
        if source.is(self.target) {
            return Err(Error::Usage {
                message: format!(
                    "{name} is in {} already, which is where it was to be copied",
                    source.location()
                ),
                hint: Some("give another store with --to".into()),
            });
        }
        let entry = source.entry(name)?;
        if let Some(problem) = entry.problems.first() {
            return Err(Error::damaged(name, problem.clone()));
        }
        let artifact = source.artifact(name)?;
        let retained_until = self.options.retention.map(|retention| retention.until);
        let mut manifest = Manifest { retained_until, ..entry.manifest };
        match self.options.encryption.as_ref().filter(|encryption| !is_encrypted_to(&manifest, encryption)) {
            Some(encryption) => {
                if let Some(why) = artifact.locked() {
                    return Err(Error::Encrypted { name: name.into(), why });
                }
                manifest.name = format!("{}{SUFFIX}", name.strip_suffix(SUFFIX).unwrap_or(name));
                manifest.encryption =
                    Some(Encryption::age(encryption.recipients.names(), encryption.sidecar));
                self.anew(&artifact, manifest, encryption, context)
            }
            None => self.as_it_is(&artifact, manifest, context),
        }
    }

    /// A copy of the same bytes.
    fn as_it_is(&self, artifact: &Artifact, manifest: Manifest, context: &Context) -> Result<Copied> {
        let name = manifest.name.clone();
        if let Some(there) = self.there(&name)? {
            return self.the_same(artifact, manifest, there, context);
        }
        let Some(mut upload) = self.begin(&name)? else { return Err(self.another(&name)) };
        context.progress.begin(format!("copying {name}"), artifact.stored_size());
        let mut sha256 = Sha256::new();
        {
            let mut writer = Throttled::new(upload.writer()?, self.options.bandwidth, context);
            artifact.each_stored(|bytes| {
                sha256.update(bytes);
                writer.write_all(bytes).map_err(Error::io("write", upload.path()))
            })?;
        }
        let sha256 = hex::encode(sha256.finalize());
        if manifest.sha256.as_ref().is_some_and(|said| *said != sha256) {
            return Err(Error::damaged(name, "the artifact differs from the SHA-256 in its sidecar"));
        }
        let manifest = Manifest { sha256: Some(sha256), ..manifest };
        // A directory does not say what it has stored; an object store does, and is held to it.
        if self.target.is_near() || self.options.verify {
            self.compare(&mut *upload, &manifest, context)?;
        }
        publish(upload, &manifest, &self.lock, &context.cancel)?;
        Ok(Copied { manifest: self.of_target(manifest), was_there: false })
    }

    /// A copy that is encrypted to others, with a footer of its own.
    fn anew(
        &self,
        artifact: &Artifact,
        mut manifest: Manifest,
        encryption: &EncryptTo,
        context: &Context,
    ) -> Result<Copied> {
        let name = manifest.name.clone();
        if let Some(there) = self.there(&name)? {
            if there.started_at != manifest.started_at || there.database != manifest.database {
                return Err(self.another(&name));
            }
            if !is_encrypted_to(&there, encryption) {
                return Err(Error::Usage {
                    message: format!("{} has {name} already, encrypted to others", self.target.location()),
                    hint: Some(
                        "copy to another prefix to have it for these; else retention removes it in its time"
                            .into(),
                    ),
                });
            }
            if self.options.verify {
                self.look_at(&there, context)?;
            }
            return self.was_there(there);
        }
        let Some(mut upload) = self.begin(&name)? else { return Err(self.another(&name)) };
        context.progress.begin(format!("encrypting {name}"), artifact.size());
        let writer = Throttled::new(upload.writer()?, self.options.bandwidth, context);
        let path = upload.path();
        let written = write_anew(artifact, &manifest, writer, encryption).map_err(|error| match error {
            Error::Stream { action: WRITE_ARTIFACT, source } => Error::io("write", &path)(source),
            other => other,
        });
        let (Written { size, sha256 }, key) = written?;
        (manifest.size, manifest.sha256) = (size, Some(hex::encode(sha256)));
        let Some(key) = key else { return Err(Error::usage("a copy was to be encrypted, and is not")) };
        self.target.remember(Arc::clone(&key));
        let copy = read_back(&mut *upload, key)?;
        manifest.verification = Some(prove_written(&Arc::new(copy), &manifest, context)?);
        publish(upload, &manifest, &self.lock, &context.cancel)?;
        Ok(Copied { manifest: self.of_target(manifest).printed(), was_there: false })
    }

    fn begin(&self, name: &str) -> Result<Option<Box<dyn Upload>>> {
        let taken = self.target.take_name_of_copy(name, &self.lock)?;
        let Some(taken) = taken else { return Ok(None) };
        let mut upload = self.target.begin(&taken, &self.lock)?;
        if let Some(retention) = self.options.retention {
            upload.retain(retention)?;
        }
        Ok(Some(upload))
    }

    /// What has the name in the target.
    ///
    /// # Errors
    /// [`Error::Damaged`] where it is a backup that is not whole.
    fn there(&self, name: &str) -> Result<Option<Manifest>> {
        match self.target.entry(name) {
            // A sidecar alone is what somebody has lost; the copy brings it back.
            Ok(_) if self.target.artifact_if_there(name)?.is_none() => Ok(None),
            Ok(entry) => match entry.problems.into_iter().next() {
                Some(problem) => Err(self.damaged(name, &problem)),
                None => Ok(Some(entry.manifest)),
            },
            Err(Error::NoBackup { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn damaged(&self, name: &str, problem: &str) -> Error {
        Error::damaged(name, format!("the copy in {} is not whole: {problem}", self.target.location()))
    }

    /// What becomes of a backup of the name that is there: it is the copy, or another one.
    fn the_same(
        &self,
        artifact: &Artifact,
        manifest: Manifest,
        there: Manifest,
        context: &Context,
    ) -> Result<Copied> {
        let name = &manifest.name;
        let sha256 = match &manifest.sha256 {
            Some(sha256) => sha256.clone(),
            None => hex::encode(artifact.stored_sha256()?),
        };
        let copy = self.target.artifact(name)?;
        let has_size = copy.stored_size() == artifact.stored_size();
        if there.sha256.as_ref() == Some(&sha256) && has_size {
            if self.options.verify {
                self.look_at(&there, context)?;
            }
            return self.was_there(there);
        }
        if !has_size || hex::encode(copy.stored_sha256()?) != sha256 {
            return Err(self.another(name));
        }
        // A copy that was cut off before its sidecar was written.
        if let Some(retention) = self.options.retention {
            self.target.retain(name, retention)?;
        }
        let manifest = Manifest { sha256: Some(sha256), ..manifest };
        self.target.complete(&manifest, &self.lock)?;
        Ok(Copied { manifest: self.of_target(manifest), was_there: true })
    }

    /// Reads a copy that was there, and holds it against its sidecar.
    fn look_at(&self, there: &Manifest, context: &Context) -> Result<()> {
        context.progress.begin(format!("reading {}", there.name), there.size);
        let sha256 = hex::encode(self.target.artifact(&there.name)?.stored_sha256()?);
        match &there.sha256 {
            Some(said) if *said != sha256 => {
                Err(self.damaged(&there.name, "it differs from the SHA-256 in its sidecar"))
            }
            _ => Ok(()),
        }
    }

    /// A copy that was there. It is kept for as long as was asked for now.
    fn was_there(&self, there: Manifest) -> Result<Copied> {
        let mut manifest = there;
        if let Some(retention) = self.options.retention
            && manifest.retained_until.is_none_or(|until| until < retention.until)
        {
            self.target.retain(&manifest.name, retention)?;
            manifest.retained_until = Some(retention.until);
            self.target.complete(&manifest, &self.lock)?;
        }
        Ok(Copied { manifest: self.of_target(manifest), was_there: true })
    }

    /// Reads a copy back and holds it against what was written.
    fn compare(&self, upload: &mut dyn Upload, manifest: &Manifest, context: &Context) -> Result<()> {
        self.lock.check()?;
        context.progress.begin(format!("reading back {}", manifest.name), manifest.size);
        let opened = upload.read_back()?;
        let copy = Artifact::new(opened, &upload.path(), &Keys::default())?;
        let mut sha256 = Sha256::new();
        copy.each_stored(|bytes| {
            context.cancel.check()?;
            context.progress.advance(bytes.len() as u64);
            sha256.update(bytes);
            Ok(())
        })?;
        if manifest.sha256.as_ref() == Some(&hex::encode(sha256.finalize())) {
            return Ok(());
        }
        Err(Error::damaged(&manifest.name, "read back from where it was copied, it has another SHA-256"))
    }

    fn another(&self, name: &str) -> Error {
        Error::Usage {
            message: format!("{} has another backup of the name {name}", self.target.location()),
            hint: Some(
                "look at both: fwb-ls; delete the one that is not needed, or copy to another prefix".into(),
            ),
        }
    }

    fn of_target(&self, manifest: Manifest) -> Manifest {
        Manifest { store: Some(self.target.place()), decision: None, ..manifest }.printed()
    }
}

/// Whether a backup is encrypted to just these recipients.
fn is_encrypted_to(manifest: &Manifest, to: &EncryptTo) -> bool {
    let sorted = |names: &[String]| {
        let mut names = names.to_vec();
        names.sort();
        names
    };
    let is = |encryption: &Encryption| sorted(&encryption.recipients) == sorted(to.recipients.names());
    manifest.encryption.as_ref().is_some_and(is)
}

/// Writes what is inside an artifact, encrypted, with a footer that says to whom.
fn write_anew<W: Write + Send + 'static>(
    artifact: &Artifact,
    manifest: &Manifest,
    writer: Throttled<W>,
    encryption: &EncryptTo,
) -> Result<(Written, Option<Arc<dyn Identities>>)> {
    let sink = MaybeEncrypted::new(writer, Some(&*encryption.recipients))?;
    let footer = artifact.footer()?;
    let (Some(footer), Some(codec)) = (footer, artifact.codec()?) else {
        // What another program wrote has no footer.
        let mut sink = sink;
        artifact.each_plain(artifact.size(), |bytes| {
            sink.write_all(bytes).map_err(|source| Error::Stream { action: WRITE_ARTIFACT, source })
        })?;
        return sink.finish(Written { size: 0, sha256: [0; 32] });
    };
    let mut members = Members::new(sink, codec);
    artifact.each_plain(footer.offset, |bytes| members.put(bytes))?;
    let (sink, written) = members.finish(&manifest.core()?)?;
    sink.finish(written)
}

/// Writes no faster than it may.
struct Throttled<W> {
    inner: W,
    bandwidth: Option<u64>,
    begun: Instant,
    written: u64,
    context: Context,
}

impl<W: Write> Throttled<W> {
    fn new(inner: W, bandwidth: Option<u64>, context: &Context) -> Self {
        Self { inner, bandwidth, begun: Instant::now(), written: 0, context: context.clone() }
    }

    fn pause(&self) -> Result<()> {
        let Some(bandwidth) = self.bandwidth else { return self.context.cancel.check() };
        let due = Duration::from_millis(self.written.saturating_mul(1000) / bandwidth.max(1));
        self.context.cancel.sleep(due.saturating_sub(self.begun.elapsed()))
    }
}

impl<W: Write> Write for Throttled<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pause().map_err(io::Error::other)?;
        let written = self.inner.write(bytes)?;
        self.written += written as u64;
        self.context.progress.advance(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
