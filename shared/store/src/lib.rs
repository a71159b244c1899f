//! The only user of Postgres: migrations, definitions, keys, executions, schedules, triggers, workers, alerts, people, audit.
//!
//! [`Store`] is a pool and is cheap to clone. Accepting a request needs none of its functions: [`Store::watch`] keeps a
//! [`Snapshot`] of definitions and key digests in memory, fresh within a second and alive while the database is away.
//!
//! Times are microseconds of Unix time (`i64`) everywhere.
//!
//! PostgreSQL 15 or newer, reached directly or through a pooler in session mode: LISTEN needs a session.

mod activity;
mod alert_looks;
mod alerts;
mod audit;
mod broker_place;
mod budget;
mod caps;
mod charts;
mod claims;
mod connection;
mod connection_tokens;
mod connections;
mod definitions;
mod diagnoses;
mod digests;
mod durations;
mod error;
mod executions;
mod flashes;
mod follow;
mod grants;
mod installation;
mod kept;
mod keys;
mod listen;
mod listing;
mod load;
mod migrations;
mod opened;
mod partitions;
mod payload;
mod record;
mod record_write;
mod retention;
mod roles;
mod rotation;
mod schedule_listing;
mod schedules;
mod seal;
mod sealed;
mod search;
mod server;
mod sessions;
mod signing;
mod snapshot;
mod stretches;
mod tenant_queues;
mod tenants;
mod timestamp;
mod tokens;
mod traffic;
mod transition;
mod triggers;
mod users;
mod versions;
mod watch;
mod workers;

pub use activity::Activity;
pub use alert_looks::{AlertLook, AlertPhase, AlertState, DueAlert, Telling};
pub use alerts::{AlertRow, RaisedRow};
pub use audit::{AuditFilter, AuditRow, Deed, Who, WhoKind};
pub use broker_place::BrokerPlace;
pub use budget::PayloadUsage;
pub use caps::Caps;
pub use charts::{TrafficOf, TrafficPoint, TrafficQuery};
pub use claims::{FirstCall, KnownCall};
pub use connection::{Store, StoreOptions};
pub use connections::{ConnectionRow, SealedConnection};
pub use definitions::{Applied, Change, IntegrationRow, NewDefinition, is_same_text};
pub use diagnoses::DiagnosisRow;
pub use digests::key_digest;
pub use durations::{DURATION_BUCKETS, Durations};
pub use error::StoreError;
pub use executions::{ExecutionDetail, ExecutionOutcome, ExecutionRow, FinishedExecution, RetryInput};
pub use follow::{Follow, Followed, MOST_ANNOUNCED, OutcomeWatch};
pub use keys::{CreatedKey, KeyChange, KeyRow, NewKey};
pub use listen::WorkerWatch;
pub use migrations::{MigrationReport, SCHEMA_VERSION};
pub use opened::Connections;
pub use record::{KeptBatch, Record, StoredRequest, StoredResponse, TriggerKind};
pub use retention::MaintenanceReport;
pub use roles::{Grants, Role, Scope};
pub use rotation::{Rotation, Runner};
pub use schedule_listing::ScheduleRow;
pub use schedules::{DueSchedule, ScheduleStep};
pub use seal::SecretKeys;
pub use search::{Filter, LabelFilter};
pub use sessions::Seen;
pub use signing::SigningKey;
pub use snapshot::{ApiKey, Integration, LastUse, Snapshot};
pub use tenant_queues::{FIRST_TENANT_QUEUE, MAX_TENANT_QUEUES, TenantQueueOpener};
pub use tenants::{DocsAccess, TenantRow};
pub use tokens::{CreatedToken, NewToken, TokenRow};
pub use traffic::{Counts, TrafficCount};
pub use triggers::{Decision, DecisionEffect, TriggerPhase, TriggerRow, TriggerState};
pub use users::{NewPassword, NewUser, UserChange, UserRow};
pub use versions::{StoredVersion, Which};
pub use watch::{SnapshotHandle, WatchOptions};
pub use workers::{WORKER_TTL, WorkerRow};
