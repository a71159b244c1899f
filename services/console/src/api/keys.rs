//! Keys of callers.

use super::ApiResult;
use crate::auth::Caller;
use actix_web::{HttpResponse, web};
use forebay_contract::Name;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
pub(super) struct Asked {
    tenant: Option<String>,
}

/// `GET /api/v1/keys`.
pub(super) async fn list(caller: Caller, asked: web::Query<Asked>) -> ApiResult {
    let tenant = asked.tenant.as_deref().map(str::parse::<Name>).transpose();
    let tenant = tenant.map_err(|error| crate::failure::Failure::bad_request(error.to_string()))?;
    let keys = caller.state.operations.list_keys(&caller.actor, tenant.as_ref()).await?;
    Ok(HttpResponse::Ok().json(keys.iter().map(|key| json!({ "id": key.id, "label": key.label })).collect::<Value>()))
}
