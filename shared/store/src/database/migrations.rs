//! Numbered SQL files, applied once each, in order.

use crate::database::change_transaction::{ChangeTransaction, NO_PART};
use crate::database::installation;
use crate::database::partitions;
use crate::database::pool::Store;
use crate::database::timestamp::Timestamp;
use crate::error::StoreError;
use deadpool_postgres::Transaction;
use sha2::{Digest, Sha256};

struct Migration {
    version: i32,
    name: &'static str,
    sql: &'static str,
}

/// The migrations. Applied ones are never edited: their checksums are compared at each start.
const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "initial", sql: include_str!("../../migrations/0001_initial.sql") },
    Migration { version: 2, name: "schedules", sql: include_str!("../../migrations/0002_schedules.sql") },
    Migration { version: 3, name: "tenants", sql: include_str!("../../migrations/0003_tenants.sql") },
    Migration { version: 4, name: "workflows", sql: include_str!("../../migrations/0004_workflows.sql") },
    Migration { version: 5, name: "history", sql: include_str!("../../migrations/0005_history.sql") },
    Migration { version: 6, name: "people", sql: include_str!("../../migrations/0006_people.sql") },
    Migration { version: 7, name: "alerts", sql: include_str!("../../migrations/0007_alerts.sql") },
    Migration { version: 8, name: "traffic", sql: include_str!("../../migrations/0008_traffic.sql") },
    Migration { version: 9, name: "triggers", sql: include_str!("../../migrations/0009_triggers.sql") },
    Migration { version: 10, name: "traces", sql: include_str!("../../migrations/0010_traces.sql") },
    Migration { version: 11, name: "signing_keys", sql: include_str!("../../migrations/0011_signing_keys.sql") },
    Migration { version: 12, name: "installation_broker", sql: include_str!("../../migrations/0012_installation_broker.sql") },
    Migration { version: 13, name: "flashes", sql: include_str!("../../migrations/0013_flashes.sql") },
    Migration { version: 14, name: "connection_tokens", sql: include_str!("../../migrations/0014_connection_tokens.sql") },
    Migration { version: 15, name: "tenant_queues", sql: include_str!("../../migrations/0015_tenant_queues.sql") },
    Migration { version: 16, name: "audit_addresses", sql: include_str!("../../migrations/0016_audit_addresses.sql") },
    Migration { version: 17, name: "key_rotation", sql: include_str!("../../migrations/0017_key_rotation.sql") },
    Migration { version: 18, name: "pasted_keys", sql: include_str!("../../migrations/0018_pasted_keys.sql") },
    Migration { version: 19, name: "callers", sql: include_str!("../../migrations/0019_callers.sql") },
    Migration { version: 20, name: "pauses", sql: include_str!("../../migrations/0020_pauses.sql") },
];

/// The version of the schema that this program brings a database to.
pub const SCHEMA_VERSION: i32 = MIGRATIONS[MIGRATIONS.len() - 1].version;

/// The lock of migrations: "forebay" in ASCII, which no other program on the same database is likely to use.
const LOCK: i64 = 0x66_6f72_6562_6179;
const OPERATION: &str = "migrate";

/// The result of a migration run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationReport {
    /// The names of applied migrations, in order; empty: the database was up to date.
    pub applied: Vec<&'static str>,
    /// The database's version now.
    pub version: i32,
}

impl Store {
    /// Brings the schema up to date, makes the installation's key, and creates the partitions of the coming days. Any number of processes
    /// may call it at once: the others wait for the first, then find nothing to do.
    ///
    /// # Errors
    /// [`StoreError::Newer`] and [`StoreError::OtherMigration`] when the database is of another program; those of the database.
    pub async fn migrate(&self) -> Result<MigrationReport, StoreError> {
        let mut client = self.client(OPERATION).await?;
        let transaction = ChangeTransaction::begin(&mut client, OPERATION, NO_PART).await?;
        let report = run(&transaction).await?;
        transaction.commit_unaudited().await?;
        Ok(report)
    }
}

async fn run(transaction: &Transaction<'_>) -> Result<MigrationReport, StoreError> {
    let failed = StoreError::during(OPERATION);
    // Waiting for another process, and a large migration, may take longer than a statement of daily work.
    transaction.batch_execute("set local statement_timeout = '10min'").await.map_err(failed)?;
    transaction.execute("select pg_advisory_xact_lock($1)", &[&LOCK]).await.map_err(failed)?;
    transaction
        .batch_execute(
            "create table if not exists forebay_migrations (
                 version integer primary key, name text not null, checksum text not null, applied_at timestamptz not null default now())",
        )
        .await
        .map_err(failed)?;
    let earlier = verify_applied(transaction).await?;
    let mut applied = Vec::new();
    for migration in MIGRATIONS.iter().filter(|migration| !earlier.contains(&migration.version)) {
        transaction.batch_execute(migration.sql).await.map_err(failed)?;
        transaction
            .execute(
                "insert into forebay_migrations (version, name, checksum) values ($1, $2, $3)",
                &[&migration.version, &migration.name, &migration.checksum()],
            )
            .await
            .map_err(failed)?;
        applied.push(migration.name);
    }
    installation::make_key(transaction).await?;
    partitions::create_coming(transaction, Timestamp::now()).await?;
    Ok(MigrationReport { applied, version: SCHEMA_VERSION })
}

/// Returns the versions that the database has; an error unless every applied migration is one of this program's.
async fn verify_applied(transaction: &Transaction<'_>) -> Result<Vec<i32>, StoreError> {
    let rows = transaction
        .query("select version, checksum from forebay_migrations order by version", &[])
        .await
        .map_err(StoreError::during(OPERATION))?;
    let mut versions = Vec::with_capacity(rows.len());
    for row in &rows {
        let version: i32 = row.get("version");
        let checksum: String = row.get("checksum");
        let Some(migration) = MIGRATIONS.iter().find(|migration| migration.version == version) else {
            let database = rows.last().map_or(version, |last| last.get("version"));
            return Err(StoreError::Newer { database, program: SCHEMA_VERSION });
        };
        if migration.checksum() != checksum {
            return Err(StoreError::OtherMigration { version, name: migration.name });
        }
        versions.push(version);
    }
    Ok(versions)
}

impl Migration {
    fn checksum(&self) -> String {
        data_encoding::HEXLOWER.encode(&Sha256::digest(self.sql))
    }
}
