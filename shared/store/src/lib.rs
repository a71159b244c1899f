//! The only user of Postgres: migrations, definitions, keys, executions, schedules, triggers, workers, alerts, people, audit.
//!
//! [`Store`] is a pool and is cheap to clone. Accepting a request needs none of its functions: [`Store::watch`] keeps a
//! [`Snapshot`] of definitions and key digests in memory, fresh within a second and alive while the database is away.
//!
//! Times are [`UnixMicros`](forebay_contract::UnixMicros).
//!
//! PostgreSQL 15 or newer, reached directly or through a pooler in session mode: LISTEN needs a session.

mod access;
mod cluster;
mod database;
mod definitions;
mod error;
mod executions;
mod history;
mod remote;
mod seal;
mod snapshot;
mod triggers;

pub use access::api_key::{ApiKey, LastUse};
pub use access::audit::{AuditEntry, AuditFilter};
pub use access::digests::key_digest;
pub use access::keys::{CreatedKey, KeyChange, KeyRow, NewKey};
pub use access::roles::{Grants, Role, Scope};
pub use access::sessions::SessionUse;
pub use access::signing::SigningKey;
pub use access::tokens::{CreatedToken, NewToken, TokenRow};
pub use access::users::{NewPassword, NewUser, UserChange, UserRow};
pub use cluster::broker_place::BrokerPlace;
pub use cluster::paused_queues::PausedQueueOpener;
pub use cluster::tenant_queues::{FIRST_TENANT_QUEUE, MAX_TENANT_QUEUES, TenantQueueOpener};
pub use cluster::workers::{WORKER_TTL, WorkerRow};
pub use database::audit_event::{AuditAction, AuditEvent, Principal, PrincipalKind};
pub use database::caps::Caps;
pub use database::listen::WorkerWatch;
pub use database::migrations::{MigrationReport, SCHEMA_VERSION};
pub use database::pool::{Store, StoreOptions};
pub use definitions::integrations::{Applied, Change, Integration, IntegrationRow, NewDefinition, is_same_text};
pub use definitions::tenants::{DocsAccess, TenantRow};
pub use definitions::trigger_kind::{SHARED_QUEUE_POLICY, TriggerKind};
pub use definitions::versions::{StoredVersion, Which};
pub use error::StoreError;
pub use executions::reservations::{EarlierCall, Reservation, Reserve, ReservedCall};
pub use history::activity::Activity;
pub use history::budget::PayloadUsage;
pub use history::charts::{StatisticsPoint, StatisticsQuery, StatisticsScope};
pub use history::diagnoses::DiagnosisRow;
pub use history::durations::{DURATION_BUCKETS, Durations};
pub use history::follow::{Follow, Followed, MAX_ANNOUNCED, OutcomeWatch};
pub use history::outcomes::{ExecutionDetail, ExecutionOutcome, ExecutionRow, FinishedExecution, RetryInput};
pub use history::record::{CheckpointBatch, Record, StoredRequest, StoredResponse};
pub use history::retention::MaintenanceReport;
pub use history::search::{Filter, LabelFilter};
pub use history::statistics::{Counts, MinuteStatistics};
pub use remote::remote_connections::{ConnectionRow, SealedConnection};
pub use remote::rotation::{Rotation, Runner};
pub use seal::SecretKeys;
pub use snapshot::Snapshot;
pub use snapshot::connections::Connections;
pub use snapshot::watch::{SnapshotHandle, WatchOptions};
pub use triggers::alert_evaluations::{AlertEvaluation, AlertPhase, AlertState, DueAlert, NotificationResult};
pub use triggers::alerts::{AlertRow, RaisedRow};
pub use triggers::pauses::{Pause, PauseCause, PauseTarget, Paused};
pub use triggers::schedule_listing::ScheduleRow;
pub use triggers::schedules::{DueSchedule, ScheduleStep};
pub use triggers::trigger_states::{Decision, DecisionEffect, TriggerPhase, TriggerRow, TriggerState};
