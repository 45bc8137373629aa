//! A restore to any moment: first the moment is reached and kept as a backup, then that backup is restored.

use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueHint;
use fwb::{Compression, Connector, Error, Gtid, Keeping, Moment, MomentOptions, Result, Store, plan_moment};
use fwb_age::Age;
use fwb_cli::{Answers, Outcome, Session};
use fwb_mysql::Protocol;
use fwb_stores::ObjectStores;

use super::{Args, OnRecord, carry_out, manifests, one_of, tell};

/// Which moment is meant, and how it is reached.
#[derive(Debug, clap::Args)]
pub(crate) struct MomentArgs {
    /// The database as it was at this time, or after the group of this GTID
    ///
    /// The newest proved backup before it and the binary log after that backup are replayed on a throwaway server. What
    /// comes of it is kept in the store as a backup of kind moment, and restored. BACKUP names another base.
    #[arg(long, value_name = "WHEN|GTID", value_parser = fwb_cli::parse_moment, help_heading = "Any moment")]
    until: Option<Moment>,

    /// The database as it was before the group of this GTID
    #[arg(long, value_name = "GTID", value_parser = before, conflicts_with = "until", help_heading = "Any moment")]
    before: Option<Moment>,

    /// Leave these groups of the log out; without --until and --before, up to the end of the log
    #[arg(long, value_name = "GTIDS", value_delimiter = ',', value_parser = gtid, help_heading = "Any moment")]
    skip: Vec<Gtid>,

    /// Take the log from the server's own files in this directory, as they lie there [default: what fwb-follow has kept]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Any moment")]
    log: Option<PathBuf>,

    /// Where the data of the throwaway server go [default: the system's directory for temporary files]
    #[arg(long, value_name = "DIR", env = "FWB_DRILL_DIR", value_hint = ValueHint::DirPath)]
    #[arg(help_heading = "Any moment")]
    drill_dir: Option<PathBuf>,

    /// Directory of a server to replay on, as its package or archive unpacks; several with ':' between them
    #[arg(long, value_name = "DIR", env = "FWB_DRILL_SERVER_DIR", value_hint = ValueHint::DirPath)]
    #[arg(value_delimiter = ':', help_heading = "Any moment")]
    drill_server_dir: Vec<PathBuf>,

    /// Replay with so many threads
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=64))]
    #[arg(help_heading = "Any moment")]
    replay_threads: u32,
}

impl MomentArgs {
    /// Where the log stops; none where no moment is asked for.
    pub(crate) fn stop(&self) -> Option<Moment> {
        let skips = || (!self.skip.is_empty()).then_some(Moment::Newest);
        self.until.clone().or_else(|| self.before.clone()).or_else(skips)
    }
}

fn gtid(text: &str) -> Result<Gtid> {
    text.parse().map_err(|_| Error::Usage {
        message: format!("{text} is no GTID"),
        hint: Some(
            "MariaDB's are like 0-1-4711, MySQL's like 3e11fa47-71ca-11e1-9e33-c80aa9429562:23".into(),
        ),
    })
}

fn before(text: &str) -> Result<Moment> {
    gtid(text).map(Moment::Before)
}

/// Restores the database as it was at a moment.
pub(crate) fn restore(args: &Args, stop: Moment, session: &Session) -> Result<Outcome> {
    let keep_before = args.keep_before()?;
    let named = match args.backup.as_deref().or(args.file.as_deref()) {
        Some(backup) => Some(fwb_cli::place(backup, &args.store)?),
        None => one_of(&manifests(session)?.unwrap_or_default(), args, session)?,
    };
    let (location, base) = match named {
        Some((location, base)) => (location, Some(base)),
        None => (args.store.location()?, None),
    };
    if keep_before.is_some() && base.is_none() && args.database.is_none() {
        return Err(Error::usage("--drop-before and --keep-before need -B here, or the name of the base"));
    }
    let store = Store::open(&location, &ObjectStores, &session.context().cancel)?
        .with_identities(args.identity.identities(&Age, session));
    let addressed = args.server.to_domain()?;
    let options = MomentOptions {
        base,
        database: args.database.clone(),
        server: args.server.identity(&addressed, &Protocol, &session.context().cancel)?,
        stop,
        skip: args.moment.skip.clone(),
        log: args.moment.log.clone(),
        servers: args.moment.drill_server_dir.clone(),
        dir: args.moment.drill_dir.clone(),
        threads: args.moment.replay_threads,
    };
    let planned = plan_moment(&store, options, session.context())?;
    let plan = planned.plan();
    let mut out: Answers = session.answers(args.format)?;
    if args.dry_run {
        out.write(plan, |page| fwb_cli::moment_planned(plan, page))?;
        return Ok(Outcome::Done);
    }
    for step in &plan.steps {
        log::info!("{step}");
    }
    let mut on_record = OnRecord::new("restore", store.location(), Some(&plan.base), Some(&plan.database))?;
    on_record.begin();
    let connector: Arc<dyn Connector> = Arc::new(Protocol);
    let keeping = Keeping {
        encryption: args.recipients.encryption(&Age)?,
        cipher: Arc::new(Age),
        compression: Compression::default(),
        wait: args.lock.wait(),
    };
    let made = match planned.make(&keeping, &connector, session.context()) {
        Ok(made) => made,
        Err(error) => return on_record.end(Err(error)),
    };
    log::info!("the moment is kept as {}", made.name);
    if args.stdout {
        let mut stdout = session.stdout()?;
        let written = fwb::extract(
            &store,
            &made.name,
            &args.tables,
            &mut stdout,
            fwb_cli::WRITE_STDOUT,
            session.context(),
        );
        return on_record.end(written).map(|()| Outcome::Done);
    }
    let done = carry_out(args, &store, made.name, (&mut on_record, &mut out), session);
    tell(on_record.end(done)?, &mut out)
}
