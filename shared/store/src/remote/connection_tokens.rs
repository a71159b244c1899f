//! Access tokens that processes share: one process fetches, the others wait for it.

use crate::database::pool::Store;
use crate::error::StoreError;
use crate::seal::{Place, SecretKeys};
use forebay_contract::Secret;
use forebay_contract::connection::{SharedToken, TokenFuture, TokenOwner, TokenStore, TokenStoreError, TokenTurn};
use std::time::Duration;
use tokio_postgres::Row;

const WHAT: &str = "the access token";
/// Time after which a process that fetches is taken to be gone: longer than the timeout of a token server.
const TURN_SECONDS: f64 = 20.0;
/// Retention of a row: after its token expires, or, without a usable token, after its last turn.
const ROW_SECONDS: f64 = 86_400.0;

impl TokenStore for Store {
    fn turn<'a>(&'a self, owner: &'a TokenOwner, refused: Option<&'a Secret>) -> TokenFuture<'a, TokenTurn> {
        Box::pin(async move { self.token_turn(owner, refused).await.map_err(|error| failed(&error)) })
    }

    fn end<'a>(&'a self, owner: &'a TokenOwner, turn: i64, fetched: Option<&'a SharedToken>) -> TokenFuture<'a, ()> {
        Box::pin(async move { self.end_turn(owner, turn, fetched).await.map_err(|error| failed(&error)) })
    }
}

impl Store {
    async fn token_turn(&self, owner: &TokenOwner, refused: Option<&Secret>) -> Result<TokenTurn, StoreError> {
        let operation = "look up an access token";
        let (keys, settings) = self.sealing(owner)?;
        let client = self.client(operation).await?;
        let (tenant, connection) = (owner.tenant.as_str(), owner.connection.as_str());
        // The server's clock counts for all processes.
        let sql = "select turn, coalesce(fetching_until > now(), false) as is_fetched, sealed, sealed_by,
                       extract(epoch from usable_until - now())::float8 as usable_for
                   from connection_tokens where tenant = $1 and connection = $2 and settings = $3";
        let row = client.query_opt(sql, &[&tenant, &connection, &settings]).await.map_err(StoreError::during(operation))?;
        if let Some(token) = row.as_ref().and_then(|row| usable(row, keys, owner)).filter(|shared| Some(&shared.token) != refused) {
            return Ok(TokenTurn::Use(token));
        }
        if row.as_ref().is_some_and(|row| row.get("is_fetched")) {
            return Ok(TokenTurn::Wait);
        }
        let turn_before: i64 = row.as_ref().map_or(0, |row| row.get("turn"));
        // A faster process has changed the turn by now, and perhaps stored a token.
        let sql = "insert into connection_tokens as stored (tenant, connection, settings, turn, fetching_until, expires_at)
                   values ($1, $2, $3, $4::bigint + 1, now() + make_interval(secs => $5), now() + make_interval(secs => $6))
                   on conflict (tenant, connection, settings) do update set turn = excluded.turn, fetching_until = excluded.fetching_until,
                       expires_at = greatest(stored.expires_at, excluded.expires_at)
                   where stored.turn = $4 and coalesce(stored.fetching_until <= now(), true)
                   returning turn";
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
            [&tenant, &connection, &settings, &turn_before, &TURN_SECONDS, &ROW_SECONDS];
        let turn = client.query_opt(sql, &parameters).await.map_err(StoreError::during(operation))?;
        Ok(turn.map_or(TokenTurn::Wait, |row| TokenTurn::Fetch(row.get("turn"))))
    }

    async fn end_turn(&self, owner: &TokenOwner, turn: i64, fetched: Option<&SharedToken>) -> Result<(), StoreError> {
        let operation = "store an access token";
        let (keys, settings) = self.sealing(owner)?;
        let sealed = match fetched {
            Some(shared) => Some(keys.seal(&place(owner, &earlier_place(owner)), shared.token.expose().as_bytes().to_vec())?),
            None => None,
        };
        let content = sealed.as_ref().map(|sealed| sealed.content.as_slice());
        let by = sealed.as_ref().map(|sealed| sealed.by.as_slice());
        let seconds = fetched.map(|shared| shared.usable_for.as_secs_f64());
        let client = self.client(operation).await?;
        // The token of a turn that another process has taken over is not stored.
        let sql = "update connection_tokens set fetching_until = null, sealed = $5, sealed_by = $6,
                       usable_until = now() + make_interval(secs => $7),
                       expires_at = now() + make_interval(secs => coalesce($7, 0) + $8)
                   where tenant = $1 and connection = $2 and settings = $3 and turn = $4";
        let (tenant, connection) = (owner.tenant.as_str(), owner.connection.as_str());
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 8] =
            [&tenant, &connection, &settings, &turn, &content, &by, &seconds, &ROW_SECONDS];
        client.execute(sql, &parameters).await.map_err(StoreError::during(operation))?;
        Ok(())
    }

    fn sealing(&self, owner: &TokenOwner) -> Result<(&SecretKeys, Vec<u8>), StoreError> {
        let missing = || StoreError::Invalid { what: WHAT, reason: "cannot be stored: this process has no FOREBAY_SECRET_KEY".to_owned() };
        let keys = self.secret_keys.as_deref().ok_or_else(missing)?;
        let settings = keys.digest(owner.settings.expose().as_bytes()).ok_or_else(missing)?;
        Ok((keys, settings))
    }
}

/// Returns the row's token if there is one that has not expired and can be opened.
fn usable(row: &Row, keys: &SecretKeys, owner: &TokenOwner) -> Option<SharedToken> {
    let (content, by): (Option<&[u8]>, Option<&[u8]>) = (row.get("sealed"), row.get("sealed_by"));
    let usable_for = Duration::try_from_secs_f64(row.get::<_, Option<f64>>("usable_for")?).ok().filter(|left| !left.is_zero())?;
    // An error: the key was removed from the settings. A new token is fetched then.
    let text = keys.open(&place(owner, &earlier_place(owner)), content?, by?).ok()?;
    Some(SharedToken { token: Secret::new(String::from_utf8(text).ok()?), usable_for })
}

fn place<'a>(owner: &'a TokenOwner, earlier: &'a [u8]) -> Place<'a> {
    Place { kind: WHAT, tenant: owner.tenant.as_str(), name: owner.connection.as_str(), earlier }
}

fn earlier_place(owner: &TokenOwner) -> Vec<u8> {
    format!("token/{}/{}", owner.tenant, owner.connection).into_bytes()
}

fn failed(error: &StoreError) -> TokenStoreError {
    TokenStoreError(error.to_string())
}
