use crate::database::with_store;
use crate::samples::{Sample, apply, name};
use forebay_contract::UnixMicros;
use forebay_contract::alert::{Alert, Event, Notification, NotificationEntry};
use forebay_contract::definition::documents;
use forebay_store::{AlertEvaluation, AlertPhase, AlertState, AuditFilter, DueAlert, NotificationResult, Principal, Store, StoreError};
use serde_json::Value;
use std::time::Duration;
use uuid::Uuid;

const EVERY: Duration = Duration::from_secs(15);
const LEASE: Duration = Duration::from_secs(60);

fn alert(path: &str, more: &str) -> (Alert, Value) {
    let (tenant, name) = path.split_once('/').unwrap();
    let when = if more.contains("when:") { "" } else { "when: { halted: {} }\n" };
    let text = format!("tenant: {tenant}\nalert: {name}\nsend: {{ webhook: {{ url: 'https://a.example/secret' }} }}\n{when}{more}");
    let document = documents(&text).unwrap().remove(0);
    (Alert::from_value(&document).unwrap(), document)
}

async fn put(store: &Store, path: &str, more: &str, expected: Option<i32>) -> Result<Uuid, StoreError> {
    let (alert, document) = alert(path, more);
    store.put_alert(&alert, &document, expected, &Principal::from("anna")).await
}

async fn claim(store: &Store, me: Uuid) -> Vec<DueAlert> {
    store.claim_alerts(me, 10, EVERY, LEASE).await.unwrap()
}

/// Makes every alert due now.
async fn due_again(database: &crate::database::Database) {
    database.client().await.batch_execute("update alert_rules set look_at = now()").await.unwrap();
}

fn raised(integration: Uuid) -> AlertState {
    AlertState {
        integration,
        phase: AlertPhase::Raised,
        watched_since: UnixMicros::new(1_700_000_000_000_001),
        waiting_since: Some(UnixMicros::new(1_700_000_000_000_002)),
        raised_at: Some(UnixMicros::new(1_700_000_000_000_003)),
        clear_since: Some(UnixMicros::new(1_700_000_000_000_004)),
        notified_at: Some(UnixMicros::new(1_700_000_000_000_005)),
        over_at: Some(UnixMicros::new(1_700_000_000_000_006)),
        flaps: 3,
        detail: "it is so".to_owned(),
    }
}

fn notification(number: i64) -> Notification {
    let entry = NotificationEntry {
        integration: name("n"),
        event: Event::Raised,
        since: UnixMicros::new(1_700_000_000_000_003),
        detail: "it is so".to_owned(),
    };
    Notification { number, at: UnixMicros::new(1_700_000_000_000_007), entries: vec![entry] }
}

#[tokio::test]
async fn an_alert_is_stored_listed_by_tenant_changed_by_one_at_a_time_and_deleted() {
    with_store(|store, _| async move {
        let id = put(&store, "t/a", "description: x\n", Some(0)).await.unwrap();
        put(&store, "u/b", "enabled: false\n", None).await.unwrap();
        assert!(matches!(put(&store, "t/a", "", Some(0)).await, Err(StoreError::Changed { .. })));
        assert_eq!(put(&store, "t/a", "repeat: 1h\n", Some(1)).await.unwrap(), id);
        assert!(matches!(put(&store, "t/a", "", Some(1)).await, Err(StoreError::Changed { .. })));
        let row = store.alert(&name("t"), &name("a")).await.unwrap();
        assert_eq!((row.id, row.revision, row.alert.repeat), (id, 2, Duration::from_secs(3600)));
        assert_eq!((row.document["repeat"].as_str(), row.raised.len(), row.is_pending), (Some("1h"), 0, false));
        let paths = async |tenants: Option<&[_]>| {
            let rows = store.list_alerts(tenants).await.unwrap();
            rows.iter().map(|row| row.alert.path().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(paths(None).await, ["t/a", "u/b"]);
        assert_eq!(paths(Some(&[name("u")])).await, ["u/b"]);
        assert!(paths(Some(&[])).await.is_empty());
        let principal = Principal::from("anna");
        assert!(matches!(store.delete_alert(&name("t"), &name("a"), Some(1), &principal).await, Err(StoreError::Changed { .. })));
        store.delete_alert(&name("t"), &name("a"), Some(2), &principal).await.unwrap();
        assert!(matches!(store.delete_alert(&name("t"), &name("a"), None, &principal).await, Err(StoreError::NotFound { .. })));
        assert!(matches!(store.alert(&name("t"), &name("a")).await, Err(StoreError::NotFound { .. })));
        let lines = store.list_audit(&AuditFilter { target: Some("t/a".to_owned()), limit: 10, ..AuditFilter::default() }).await.unwrap();
        let actions: Vec<&str> = lines.iter().map(|line| line.action.as_str()).collect();
        assert_eq!(actions, ["alert.delete", "alert.update", "alert.create"]);
        assert!(!format!("{lines:?}").contains("secret"), "an address may be one");
    })
    .await;
}

#[tokio::test]
async fn one_scheduler_has_an_alert_until_it_gives_it_back_or_dies() {
    with_store(|store, database| async move {
        for path in ["t/a", "t/b"] {
            put(&store, path, "", None).await.unwrap();
        }
        put(&store, "t/off", "enabled: false\n", None).await.unwrap();
        let (one, other) = (Uuid::new_v4(), Uuid::new_v4());
        let (first, second) = tokio::join!(claim(&store, one), claim(&store, other));
        assert_eq!(first.len() + second.len(), 2, "each is claimed once, and none that is disabled");
        due_again(&database).await;
        assert!(claim(&store, other).await.is_empty());
        for due in first.iter().chain(&second) {
            store.release_alert(one, due.id).await.unwrap();
            store.release_alert(other, due.id).await.unwrap();
        }
        let again = claim(&store, one).await;
        assert_eq!(again.len(), 2);
        for due in &again {
            store.release_alert(one, due.id).await.unwrap();
        }
        assert!(claim(&store, other).await.is_empty(), "they were looked at just now");
        due_again(&database).await;
        assert_eq!(claim(&store, one).await.len(), 2);
        // It died, and its time is over.
        let client = database.client().await;
        client.batch_execute("update alert_rules set look_at = now(), claimed_until = now() - interval '1 second'").await.unwrap();
        let taken = claim(&store, other).await;
        assert_eq!(taken.len(), 2);
        let evaluation = AlertEvaluation { notification: Some((notification(1), false)), ..AlertEvaluation::default() };
        assert!(!store.save_alert_evaluation(one, &taken[0], &evaluation).await.unwrap(), "it is not dead, and does not have it any more");
        assert!(store.save_alert_evaluation(other, &taken[0], &evaluation).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn where_an_alert_stands_and_what_has_to_be_sent_is_there_for_the_next_look() {
    with_store(|store, database| async move {
        let integration = apply(&store, "t/n", "").await.id;
        put(&store, "t/a", "", None).await.unwrap();
        let me = Uuid::new_v4();
        let due = claim(&store, me).await.remove(0);
        assert_eq!((due.number, due.pending.clone(), due.states.len()), (0, None, 0));
        let evaluation =
            AlertEvaluation { changed: vec![raised(integration)], forgotten: Vec::new(), notification: Some((notification(1), true)) };
        assert!(store.save_alert_evaluation(me, &due, &evaluation).await.unwrap());
        let failed = Some(("webhook: \0 refused".to_owned(), Duration::from_secs(30)));
        store.record_notification(due.id, &NotificationResult { number: 1, delivered: vec!["email".to_owned()], failed }).await.unwrap();
        let listed = store.alert(&name("t"), &name("a")).await.unwrap();
        assert_eq!((listed.is_pending, listed.attempts, listed.messages, listed.sent_at), (true, 1, 1, None));
        assert!(listed.error.unwrap().ends_with("refused") && listed.try_at > listed.error_at && listed.error_at.is_some());
        assert_eq!((listed.raised[0].integration.as_str(), listed.raised[0].since), ("n", UnixMicros::new(1_700_000_000_000_003)));
        store.release_alert(me, due.id).await.unwrap();

        due_again(&database).await;
        let next = claim(&store, me).await.remove(0);
        assert_eq!(next.states, [raised(integration)]);
        assert_eq!((next.pending, next.delivered, next.attempts, next.number), (Some(notification(1)), vec!["email".to_owned()], 1, 1));
        assert_eq!((next.notified_at, next.reminded_at), (Some(notification(1).at), Some(notification(1).at)));
        let arrived = NotificationResult { number: 1, delivered: vec!["email".to_owned(), "webhook".to_owned()], failed: None };
        store.record_notification(due.id, &NotificationResult { number: 0, ..arrived.clone() }).await.unwrap();
        assert!(store.alert(&name("t"), &name("a")).await.unwrap().is_pending, "that was another message");
        store.record_notification(due.id, &arrived).await.unwrap();
        let listed = store.alert(&name("t"), &name("a")).await.unwrap();
        assert_eq!((listed.is_pending, listed.attempts, listed.error, listed.sent_at.is_some()), (false, 0, None, true));
        store.release_alert(me, due.id).await.unwrap();

        due_again(&database).await;
        let last = claim(&store, me).await.remove(0);
        let forget = AlertEvaluation { forgotten: vec![integration], ..AlertEvaluation::default() };
        assert!(store.save_alert_evaluation(me, &last, &forget).await.unwrap());
        assert!(store.alert(&name("t"), &name("a")).await.unwrap().raised.is_empty());
    })
    .await;
}

#[tokio::test]
async fn an_alert_that_is_changed_ends_the_claim_and_another_condition_begins_anew() {
    with_store(|store, _| async move {
        let integration = apply(&store, "t/n", "").await.id;
        put(&store, "t/a", "", None).await.unwrap();
        let me = Uuid::new_v4();
        let due = claim(&store, me).await.remove(0);
        let evaluation =
            AlertEvaluation { changed: vec![raised(integration)], forgotten: Vec::new(), notification: Some((notification(1), false)) };
        assert!(store.save_alert_evaluation(me, &due, &evaluation).await.unwrap());
        put(&store, "t/a", "repeat: 1h\n", None).await.unwrap();
        assert!(!store.save_alert_evaluation(me, &due, &evaluation).await.unwrap(), "what was looked at is not there any more");
        let reclaimed = claim(&store, me).await.remove(0);
        assert_eq!((reclaimed.states.len(), reclaimed.pending), (1, Some(notification(1))), "it is the same condition");
        put(&store, "t/a", "when: { silent: { for: 1h } }\n", None).await.unwrap();
        let restarted = claim(&store, me).await.remove(0);
        assert_eq!((restarted.states.len(), restarted.pending, restarted.number), (0, None, 1));
    })
    .await;
}

#[tokio::test]
async fn the_last_acceptance_of_each_integration_is_known() {
    with_store(|store, _| async move {
        let (sample, none) = (Sample::make(&store, "t/n").await, apply(&store, "t/none", "").await.id);
        let ids = [1_700_000_000_000_000, 1_700_000_100_000_000].map(|micros| sample.id_at(UnixMicros::new(micros)));
        for id in [ids[1], ids[0]] {
            store.record(&[sample.record(id)]).await.unwrap();
        }
        let last = store.last_accepted(&[sample.integration.id, none]).await.unwrap();
        assert_eq!(last.into_iter().collect::<Vec<_>>(), [(sample.integration.id, UnixMicros::new(1_700_000_100_000_000))]);
    })
    .await;
}
