//! Changes, their entries in the audit log, and what they announce.

use crate::database::{Database, with_store};
use crate::samples::{apply, name, path};
use forebay_contract::alert::Alert;
use forebay_contract::connection::Connection;
use forebay_contract::{Secret, UnixMicros};
use forebay_store::{
    AuditFilter, DocsAccess, Grants, KeyChange, NewKey, NewToken, NewUser, PauseTarget, Principal, Role, Scope, SecretKeys, Store,
    StoreError, StoreOptions, UserChange,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const OLD: &str = "0123456789abcdef0123456789abcdef";
const NEW: &str = "fedcba9876543210fedcba9876543210";
const HOUR: Duration = Duration::from_secs(3600);

fn keys(text: &str) -> SecretKeys {
    SecretKeys::from(&text.parse().unwrap())
}

async fn with_keys(database: &Database, text: &str) -> Store {
    let options = StoreOptions { max_connections: 4, secret_keys: Some(Arc::new(keys(text))), ..StoreOptions::default() };
    Store::connect(&database.url(), options).await.unwrap()
}

fn connection(name: &str, password: &str) -> (Connection, Value) {
    let document = json!({ "tenant": "t", "connection": name, "amqp": { "url": format!("amqp://u:{password}@h") } });
    (Connection::from_value(&document).unwrap(), document)
}

fn key(value: &str, signs: bool) -> NewKey {
    NewKey {
        tenant: name("t"),
        label: value.to_owned(),
        integrations: vec![name("n")],
        value: Some(Secret::new(value)),
        expires_at: None,
        signs,
        reads_all_outcomes: false,
    }
}

fn user(name: &str) -> NewUser {
    NewUser { name: name.to_owned(), full_name: String::new(), password: None, grants: Grants::everywhere(Role::Viewer) }
}

/// A digest of the rows of each table.
async fn rows(database: &Database) -> Vec<(String, String)> {
    let client = database.client().await;
    let sql = "select c.relname::text from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' order by 1";
    let mut digests = Vec::new();
    for row in client.query(sql, &[]).await.unwrap() {
        let table: String = row.get(0);
        let sql = format!("select md5(coalesce(string_agg(t::text, ' ' order by t::text), '')) from {table} t");
        let digest = client.query_one(&sql, &[]).await.unwrap().get(0);
        digests.push((table, digest));
    }
    digests
}

async fn actions(store: &Store) -> Vec<String> {
    let entries = store.list_audit(&AuditFilter { limit: 100, ..AuditFilter::default() }).await.unwrap();
    entries.into_iter().map(|entry| entry.action).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_change_is_made_when_its_audit_entry_cannot_be_written() {
    with_store(|_, database| async move {
        let store = with_keys(&database, OLD).await;
        let by = Principal::from("test");
        apply(&store, "t/n", "").await;
        let person = store.create_user(user("anna"), &by).await.unwrap().id;
        store.create_user(NewUser { grants: Grants::everywhere(Role::Administrator), ..user("root") }, &by).await.unwrap();
        let api_key = store.create_key(key("0123456789abcdef", false), &by).await.unwrap().id;
        store.create_key(key("a-signing-key", true), &by).await.unwrap();
        let token = NewToken { user: person, label: "CI".to_owned(), role: Role::Viewer, scopes: vec![Scope::Everywhere], lifetime: HOUR };
        let token_id = store.create_token(token.clone(), &by).await.unwrap().id;
        let (bus, document) = connection("bus", "one");
        store.put_connection(&bus, &document, &keys(OLD), None, &by).await.unwrap();
        let rule = json!({ "tenant": "t", "alert": "late", "when": { "halted": {} }, "send": { "webhook": { "url": "https://example.com/hook" } } });
        let alert = Alert::from_value(&rule).unwrap();
        store.put_alert(&alert, &rule, None, &by).await.unwrap();
        let integration = store.list_integrations(None).await.unwrap()[0].id;
        store.diagnose(integration, UnixMicros::now() + HOUR, &by).await.unwrap();
        let paused = PauseTarget::Trigger(path("t/n"));
        store.pause(&paused, "", None, &by).await.unwrap();

        let client = database.client().await;
        client
            .batch_execute("update audit set at = now() - interval '2 hours'; alter table audit add check (false) not valid")
            .await
            .unwrap();
        let before = rows(&database).await;
        let both = keys(&format!("{NEW},{OLD}"));
        let (other, other_document) = connection("bus", "two");
        let changed = KeyChange { label: Some("other".to_owned()), ..KeyChange::default() };
        let disabled = UserChange { enabled: Some(false), ..UserChange::default() };
        let refused: [(&str, Result<(), StoreError>); 18] = [
            ("create a key", store.create_key(key("fedcba9876543210", false), &by).await.map(drop)),
            ("update a key", store.update_key(api_key, changed, None, &by).await.map(drop)),
            ("delete a key", store.delete_key(api_key, None, &by).await),
            ("create a user", store.create_user(user("bert"), &by).await.map(drop)),
            ("update a user", store.update_user(person, disabled, None, &by).await.map(drop)),
            ("delete a user", store.delete_user(person, None, &by).await),
            ("create a token", store.create_token(token, &by).await.map(drop)),
            ("delete a token", store.delete_token(token_id, &by).await),
            ("put a connection", store.put_connection(&other, &other_document, &keys(OLD), None, &by).await.map(drop)),
            ("delete a connection", store.delete_connection(&name("t"), &name("bus"), None, &by).await),
            ("encrypt anew", store.reseal_connections(&both, &by).await.map(drop)),
            ("delete an alert", store.delete_alert(&name("t"), &name("late"), None, &by).await),
            ("set who reads documents", store.set_tenant_docs(&name("t"), DocsAccess::Off, &by).await),
            ("set a budget", store.set_tenant_payload_bytes(&name("t"), Some(1), &by).await),
            ("end diagnostics", store.end_diagnosis(integration, &by).await.map(drop)),
            ("pause", store.pause(&PauseTarget::Tenant(name("t")), "", None, &by).await),
            ("end a pause", store.end_pause(&paused, &by).await.map(drop)),
            ("delete old entries", store.delete_old_audit_entries(UnixMicros::now(), HOUR).await.map(drop)),
        ];
        for (change, result) in refused {
            assert!(matches!(result, Err(StoreError::Statement { .. })), "{change}: {result:?}");
        }
        assert_eq!(rows(&database).await, before);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_encrypted_anew_together_with_one_audit_entry() {
    with_store(|_, database| async move {
        let store = with_keys(&database, OLD).await;
        let by = Principal::from("test");
        apply(&store, "t/n", "").await;
        let (bus, document) = connection("bus", "one");
        store.put_connection(&bus, &document, &keys(OLD), None, &by).await.unwrap();
        store.create_key(key("a-signing-key", true), &by).await.unwrap();
        store.create_key(key("0123456789abcdef", false), &by).await.unwrap();
        let listed = store.list_connections(None).await.unwrap();

        // One connection that no given key opens: nothing is encrypted anew.
        let (lost, lost_document) = connection("lost", "one");
        store.put_connection(&lost, &lost_document, &keys(&"x".repeat(32)), None, &by).await.unwrap();
        let before = rows(&database).await;
        let both = keys(&format!("{NEW},{OLD}"));
        assert!(matches!(store.reseal_connections(&both, &by).await, Err(StoreError::Invalid { .. })));
        assert_eq!(rows(&database).await, before);

        store.delete_connection(&name("t"), &name("lost"), None, &by).await.unwrap();
        assert_eq!(store.reseal_connections(&both, &by).await.unwrap(), 3);
        assert_eq!(actions(&store).await[0], "connection.rotate");
        assert_eq!(store.list_connections(None).await.unwrap(), listed, "neither the revision nor the time changes");
        let store = with_keys(&database, NEW).await;
        assert_eq!(store.connection_document(&name("t"), &name("bus"), &keys(NEW)).await.unwrap(), document);
        assert!(store.key_of_value(&name("t"), &Secret::new("a-signing-key"), true).await.unwrap().is_some());
        assert!(store.key_of_value(&name("t"), &Secret::new("0123456789abcdef"), false).await.unwrap().is_some());
    })
    .await;
}

#[tokio::test]
async fn a_look_up_of_a_key_writes_nothing() {
    with_store(|_, database| async move {
        let store = with_keys(&database, OLD).await;
        let before = rows(&database).await;
        assert!(store.key_of_value(&name("t"), &Secret::new("0123456789abcdef"), false).await.unwrap().is_none());
        assert_eq!(rows(&database).await, before);
    })
    .await;
}
