use crate::database::with_store;
use crate::samples::{apply, name};
use forebay_contract::{Secret, UnixMicros};
use forebay_store::{
    AuditAction, AuditEvent, AuditFilter, Grants, KeyChange, NewKey, NewPassword, NewToken, NewUser, Principal, PrincipalKind, Role, Scope,
    SessionUse, Store, StoreError, UserChange, UserRow, key_digest,
};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

fn new_user(name: &str, grants: Grants) -> NewUser {
    NewUser { name: name.to_owned(), full_name: "Anna A".to_owned(), password: Some(Secret::new("$argon2id$digest")), grants }
}

async fn first(store: &Store) -> UserRow {
    store.create_first_user(new_user("Root", Grants::default()), None).await.unwrap()
}

fn principal() -> Principal {
    Principal { kind: PrincipalKind::User, name: "root".to_owned(), user: None, address: None }
}

fn opened() -> AuditEvent {
    AuditEvent { tenant: None, action: AuditAction::SessionOpen, target: "anna".to_owned(), before: None, after: None }
}

#[tokio::test]
async fn only_the_first_user_is_made_without_another_one() {
    with_store(|store, _| async move {
        assert!(!store.has_users().await.unwrap());
        let user = first(&store).await;
        assert!(store.has_users().await.unwrap());
        assert_eq!((user.name.as_str(), user.grants.role_everywhere()), ("root", Some(Role::Administrator)));
        let again = store.create_first_user(new_user("mallory", Grants::default()), None).await;
        assert!(matches!(again, Err(StoreError::Exists { .. })), "{again:?}");
        assert!(matches!(store.create_user(new_user("ROOT", Grants::default()), &principal()).await, Err(StoreError::Exists { .. })));
    })
    .await;
}

#[tokio::test]
async fn nobody_is_locked_out_and_an_edit_of_an_old_state_is_refused() {
    with_store(|store, _| async move {
        let root = first(&store).await;
        let weaker = UserChange { grants: Some(Grants::everywhere(Role::Viewer)), ..UserChange::default() };
        assert!(matches!(store.update_user(root.id, weaker.clone(), None, &principal()).await, Err(StoreError::LastAdministrator)));
        let disabled = UserChange { enabled: Some(false), ..UserChange::default() };
        assert!(matches!(store.update_user(root.id, disabled, None, &principal()).await, Err(StoreError::LastAdministrator)));
        assert!(matches!(store.delete_user(root.id, None, &principal()).await, Err(StoreError::LastAdministrator)));

        let other = store.create_user(new_user("anna", Grants::everywhere(Role::Administrator)), &principal()).await.unwrap();
        let root = store.update_user(root.id, weaker.clone(), Some(root.revision), &principal()).await.unwrap();
        assert_eq!(root.grants.role_everywhere(), Some(Role::Viewer));
        assert!(matches!(store.update_user(root.id, weaker, Some(1), &principal()).await, Err(StoreError::Changed { .. })));
        assert!(matches!(store.delete_user(other.id, None, &principal()).await, Err(StoreError::LastAdministrator)));
        store.delete_user(root.id, Some(root.revision), &principal()).await.unwrap();
        assert_eq!(store.list_users().await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_session_ends_by_time_by_idleness_by_sign_out_and_by_a_new_password() {
    with_store(|store, _| async move {
        let user = first(&store).await;
        let digest = key_digest("cookie");
        let is_open = async |idle: Duration| store.session_user(&digest, idle, SessionUse::Active).await.unwrap().is_some();
        store.open_session(user.id, &digest, HOUR, HOUR, &principal(), &opened()).await.unwrap();
        assert!(is_open(HOUR).await);
        assert!(!is_open(Duration::ZERO).await, "idle for longer than it may be");
        store.close_session(&digest).await.unwrap();
        assert!(!is_open(HOUR).await);

        store.open_session(user.id, &digest, Duration::ZERO, HOUR, &principal(), &opened()).await.unwrap();
        assert!(!is_open(HOUR).await, "its time is over");
        store.close_session(&digest).await.unwrap();

        store.open_session(user.id, &digest, HOUR, HOUR, &principal(), &opened()).await.unwrap();
        let password =
            UserChange { password: Some(NewPassword { digest: Secret::new("$argon2id$other"), is_reset: false }), ..UserChange::default() };
        store.update_user(user.id, password, None, &principal()).await.unwrap();
        assert!(!is_open(HOUR).await, "a new password signs everybody out");
    })
    .await;
}

#[tokio::test]
async fn a_token_is_stored_as_a_digest_and_works_until_it_ends() {
    with_store(|store, database| async move {
        let user = first(&store).await;
        let scopes = vec![Scope::Tenant(name("t"))];
        let new = NewToken { user: user.id, label: "CI".to_owned(), role: Role::Operator, scopes, lifetime: HOUR };
        let created = store.create_token(new.clone(), &principal()).await.unwrap();
        let stored: String = database.client().await.query_one("select t::text from api_tokens t", &[]).await.unwrap().get(0);
        assert!(!stored.contains(created.token.expose()), "{stored}");
        let (token, owner) = store.token(&key_digest(created.token.expose())).await.unwrap().unwrap();
        assert_eq!((token.id, token.role, owner.id), (created.id, Role::Operator, user.id));
        assert_eq!(token.scopes, new.scopes);
        assert!(store.list_tokens(Some(user.id)).await.unwrap()[0].last_used_at.is_some());

        let ended = store.create_token(NewToken { lifetime: Duration::ZERO, ..new }, &principal()).await.unwrap();
        assert!(store.token(&key_digest(ended.token.expose())).await.unwrap().is_none());
        store.delete_token(created.id, &principal()).await.unwrap();
        assert!(store.token(&key_digest(created.token.expose())).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn every_change_is_in_the_audit_log_with_before_and_after_and_no_secret() {
    with_store(|store, database| async move {
        apply(&store, "t/n", "").await;
        apply(&store, "other/n", "").await;
        let secret = "hunter2hunter2hunter2";
        let key = NewKey {
            tenant: name("t"),
            label: "ACME".to_owned(),
            integrations: vec![name("n")],
            value: Some(Secret::new(secret)),
            expires_at: None,
            signs: false,
            reads_all_outcomes: false,
        };
        let created = store.create_key(key, &principal()).await.unwrap();
        let change = KeyChange { label: Some("ACME Inc".to_owned()), ..KeyChange::default() };
        store.update_key(created.id, change, Some(1), &principal()).await.unwrap();
        first(&store).await;

        let of_tenant = AuditFilter { tenants: Some(vec![name("t")]), limit: 10, ..AuditFilter::default() };
        let lines = store.list_audit(&of_tenant).await.unwrap();
        let actions: Vec<&str> = lines.iter().map(|line| line.action.as_str()).collect();
        assert_eq!(actions, ["key.update", "key.create", "integration.create"]);
        assert_eq!(lines[0].principal, principal());
        assert_eq!(lines[0].before.as_ref().unwrap()["label"], "ACME");
        assert_eq!(lines[0].after.as_ref().unwrap()["label"], "ACME Inc");

        let all = store.list_audit(&AuditFilter { limit: 10, ..AuditFilter::default() }).await.unwrap();
        assert_eq!(all.len(), 5, "another tenant's line, and the user's, which belongs to none");
        let of_keys = AuditFilter { action: Some("key".to_owned()), limit: 1, ..AuditFilter::default() };
        let newest = store.list_audit(&of_keys).await.unwrap().remove(0);
        let older = store.list_audit(&AuditFilter { before: Some(newest.id), ..of_keys }).await.unwrap();
        assert_eq!(older[0].action, "key.create");
        let text: String = database.client().await.query_one("select string_agg(a::text, '') from audit a", &[]).await.unwrap().get(0);
        assert!(!text.contains("hunter2") && !text.contains("argon2id"), "{text}");
    })
    .await;
}

#[tokio::test]
async fn old_lines_of_the_audit_log_go_and_a_line_says_so() {
    with_store(|store, database| async move {
        first(&store).await;
        for name in ["anna", "bert"] {
            store.create_user(new_user(name, Grants::default()), &principal()).await.unwrap();
        }
        database.client().await.execute("update audit set at = now() - interval '2 hours' where target <> 'bert'", &[]).await.unwrap();
        let now = database.client().await.query_one("select (extract(epoch from now()) * 1000000)::bigint", &[]).await.unwrap().get(0);
        let now = UnixMicros::new(now);
        assert_eq!(store.delete_old_audit_entries(now, HOUR).await.unwrap(), 2);
        assert_eq!(store.delete_old_audit_entries(now, HOUR).await.unwrap(), 0);
        let lines = store.list_audit(&AuditFilter { limit: 10, ..AuditFilter::default() }).await.unwrap();
        let entries: Vec<(&str, &str)> = lines.iter().map(|line| (line.action.as_str(), line.target.as_str())).collect();
        assert_eq!(entries, [("audit.forget", "*"), ("user.create", "bert")]);
        assert_eq!(lines[0].after.as_ref().unwrap()["lines"], 2);
    })
    .await;
}
