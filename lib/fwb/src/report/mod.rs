//! What the backups and the runs of stores come to: how often runs end well, how old the newest proof is, how sizes go, when a
//! store is full, and what needs a person. Pure functions of plain values and the time; reading stores is apart from them.

mod change;
mod compute;
mod facts;
mod fleet;
mod forecast;
mod log;
mod model;
mod subject;
mod tables;
mod trend;
mod trouble;

pub use compute::report;
pub use facts::{BackupFacts, CertificateFacts, ReportInput, StoreFacts, TableFacts};
pub use fleet::{FleetFacts, FleetServerFacts};
pub use forecast::{Forecast, FreeOnDay, Verdict};
pub use log::ShippedLog;
pub use model::{
    BackupReport, CertificateReport, CopyReport, DatabaseReport, DayReport, DrillReport, FleetReport,
    FleetServerReport, FollowerReport, HoleVerdict, KindReport, LogReport, REPORT_SCHEMA, ReachProofReport,
    ReachReport, ReportDocument, RunBrief, RunsReport, SizePoint, SpanReport, StoreReport, TablePoint,
    TableReport, WindowReport,
};
pub use subject::Scope;
pub use trend::Trend;
pub use trouble::{Trouble, TroubleOptions, troubles};
