//! The backup of what a restore overwrites.

use super::options::{RestoreOptions, Strategy};
use super::plan::Prepared;
use crate::dump::{DumpOptions, Exclude, dump_locked};
use crate::encryption::EncryptTo;
use crate::error::{Error, Result, deadly_table};
use crate::load::OpenBackup;
use crate::manifest::{Kind, Level, Verification};
use crate::progress::Context;
use crate::verify::{Recording, verify};

/// To whom the safety backup is encrypted: where the backup is, what is there is not written in clear either. A file that has no
/// manifest inside does not say to whom: what stands beside it anybody may have written.
///
/// # Errors
/// A usage error where nobody knows to whom, or the recipients cannot be used.
pub(super) fn encryption(input: &OpenBackup, options: &RestoreOptions) -> Result<Option<EncryptTo>> {
    if options.encryption.is_some() || !input.is_encrypted() {
        return Ok(options.encryption.clone());
    }
    let of_backup = input
        .manifest
        .encryption
        .as_ref()
        .filter(|encryption| input.manifest.kind != Kind::Foreign && !encryption.recipients.is_empty());
    let Some(of_backup) = of_backup else {
        return Err(Error::Usage {
            message: format!(
                "the backup {} is encrypted, and does not say to whom: the safety backup would be in clear",
                input.manifest.name
            ),
            hint: Some("say to whom with --recipient, or make none: --no-safety-backup".into()),
        });
    };
    let recipients = options.cipher.recipients(&of_backup.recipients)?;
    Ok(Some(EncryptTo { recipients, sidecar: of_backup.sidecar }))
}

impl Prepared<'_> {
    /// What is there may be too damaged for a dump. A swap keeps it as it is; over it, nothing is loaded then.
    pub(super) fn back_up_if_possible(&self, context: &Context) -> Result<Option<String>> {
        match self.back_up(context) {
            Err(Error::SafetyBackup { database, cause }) => {
                context.cancel.check()?;
                if let Some(table) = deadly_table(&cause) {
                    return Err(Error::Look { table, cause });
                }
                if cause.refusal().is_none() || cause.is_lost() {
                    // What says nothing of the database is no reason to go on.
                    return Err(Error::SafetyBackup { database, cause });
                }
                if self.plan.strategy == Strategy::InPlace {
                    return Err(Error::Preflight {
                        finding: format!("what {database} holds now cannot be backed up: {cause}"),
                        remedy: "use --strategy swap, which keeps what is there; or --no-safety-backup, if it may be lost".into(),
                    });
                }
                log::warn!(code = crate::notice::NO_SAFETY.code;
                    "what {database} holds now cannot be dumped: {cause}; the swap keeps it all the same"
                );
                Ok(None)
            }
            made => made.map(Some),
        }
    }

    /// Backs up what is there, and proves that backup: it is what a rollback stands on.
    fn back_up(&self, context: &Context) -> Result<String> {
        let options = DumpOptions {
            database: self.plan.database.clone(),
            // What is not touched needs no way back, and may be large, or damaged.
            tables: self.plan.replaced.clone(),
            // What stays as it is is there all the same, and nobody knows what a failure leaves of it.
            exclude: Exclude::default(),
            server: self.options.server.clone(),
            kind: Kind::Safety,
            moment: None,
            prefix: None,
            compression: self.options.compression,
            encryption: self.safety_encryption.clone(),
            strict: false,
            allow_partial: false,
            lock_tables: false,
            hold_definitions: true,
            retention: None,
            together: None,
        };
        let lock = self.store.lock(self.options.wait, &context.cancel)?;
        self.store.tidy(&lock)?;
        let made = dump_locked(self.store, &lock, self.server, &options, context).map_err(|cause| {
            Error::SafetyBackup { database: options.database.clone(), cause: Box::new(cause) }
        })?;
        drop(lock);
        if made.verification.as_ref().is_some_and(Verification::proves) {
            return Ok(made.name);
        }
        let proved = verify(self.store, &made.name, Level::Full, Recording::Known, context)?;
        let problem = proved.manifest.verification.and_then(|outcome| outcome.problems.into_iter().next());
        problem.map_or(Ok(made.name.clone()), |problem| Err(Error::damaged(made.name, problem)))
    }
}
