//! The definitions of `examples/`, with the kinds of servers that they are for.

use crate::databases::{Mariadb, postgres_connection};
use forebay_contract::authentication::{Sender, SignatureScheme};
use forebay_tests::{Answer, FileServer, MailServer, Process, Sink, Stack};
use serde_json::{Value, json};
use std::time::Duration;

/// Returns an example's text, with `authentication: none` where it would need an API key.
fn example(name: &str) -> String {
    let path = format!("{}/../examples/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    if text.contains("    authentication: ") { text } else { text.replace("  webhook:\n", "  webhook:\n    authentication: none\n") }
}

async fn serving(stack: &Stack) -> (Process, Process) {
    (stack.start("ingress").await, stack.start("worker").await)
}

fn http_connection(name: &str, address: &str) -> String {
    format!("tenant: t37ed\nconnection: {name}\nhttp: {{ url: '{address}/{name}' }}\n")
}

async fn post(stack: &Stack, ingress: &Process, path: &str, headers: &[(&str, &str)], body: String) -> Answer {
    let mut request = stack.http.post(format!("{}{path}", ingress.url)).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    stack.send(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_work_order_goes_into_two_databases() {
    let (stack, mariadb) = (Stack::new().await, Mariadb::new().await);
    stack.connect(&format!("{}---\n{}", postgres_connection(&stack, "t37ed", "erp"), mariadb.connection("t37ed", "workshop"))).await;
    stack.sql("create table work_orders (id text primary key, total integer); create table work_order_lines (work_order text, item text, count integer, primary key (work_order, item))").await;
    mariadb.sql("create table jobs (id varchar(64) primary key, total integer)").await;
    stack.apply(&example("order-to-databases.yaml")).await;
    let (ingress, _worker) = serving(&stack).await;
    let order = json!({"workOrder": {"id": "WO-1", "lines": [{"item": "bolt", "count": 4}, {"item": "nut", "count": 6}]}}).to_string();
    let json = [("content-type", "application/json")];
    let answer = post(&stack, &ingress, "/t37ed/OrderToDatabases", &json, order.clone()).await;
    assert_eq!((answer.status, answer.json()), (201, json!({"id": "WO-1", "lines": 2})), "{answer:?}");
    stack.ended("OrderToDatabases", 1).await;
    let again = post(&stack, &ingress, "/t37ed/OrderToDatabases", &json, order).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (201, "true"));
    assert_eq!(mariadb.sql("select concat(id, ' ', total) from jobs").await, "WO-1 10");
    let refused = post(&stack, &ingress, "/t37ed/OrderToDatabases", &json, json!({"workOrder": {"id": "", "lines": []}}).to_string()).await;
    assert_eq!((refused.status, refused.json()["errors"].as_array().unwrap().len()), (422, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_joins_prices_of_a_database_with_the_stock_of_another_system() {
    let (stack, warehouse) = (Stack::new().await, Sink::start(Duration::ZERO).await);
    warehouse.answer_body(&json!([{"item": "A-1", "onHand": 7}]).to_string());
    stack
        .connect(&format!("{}---\n{}", postgres_connection(&stack, "t37ed", "erp"), http_connection("warehouse", warehouse.address())))
        .await;
    stack.sql("create table prices (item text, price numeric); insert into prices values ('A-1', 12.50), ('A-2', 3), ('B-1', 1)").await;
    stack.apply(&example("item-offer.yaml")).await;
    let (ingress, _worker) = serving(&stack).await;
    let get = || stack.http.get(format!("{}/t37ed/ItemOffer?itemno=A-", ingress.url));
    let answer = stack.send(get()).await;
    let expected = r#"[{"item":"A-1","price":12.50,"onHand":7},{"item":"A-2","price":3}]"#;
    assert_eq!(String::from_utf8_lossy(&answer.body), expected, "as the database has them");
    assert_eq!(warehouse.calls()[0].path, "/warehouse/stock?item=A-");
    warehouse.answer_with(404);
    assert_eq!(stack.send(get()).await.json()[0].to_string(), r#"{"item":"A-1","price":12.50}"#);
}

const UBL: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Order xmlns="urn:oasis:names:specification:ubl:schema:xsd:Order-2"
  xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"
  xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2">
  <cbc:ID>34</cbc:ID><cbc:IssueDate>2026-01-20</cbc:IssueDate>
  <cac:BuyerCustomerParty><cac:Party><cac:PartyName><cbc:Name>Johnsson &amp; Co</cbc:Name></cac:PartyName></cac:Party></cac:BuyerCustomerParty>
  <cac:OrderLine><cac:LineItem><cbc:ID>1</cbc:ID><cbc:Quantity unitCode="KGM">120</cbc:Quantity><cac:Item><cbc:Name>Road salt</cbc:Name></cac:Item></cac:LineItem></cac:OrderLine>
</Order>"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_ubl_order_is_answered_in_ubl() {
    let stack = Stack::new().await;
    stack.apply(&example("ubl-order.yaml")).await;
    let (ingress, _worker) = serving(&stack).await;
    let xml = [("content-type", "application/xml")];
    let answer = post(&stack, &ingress, "/t37ed/UblOrder", &xml, UBL.to_owned()).await;
    let text = String::from_utf8(answer.body).unwrap();
    assert_eq!((answer.status, answer.headers["content-type"].to_str().unwrap()), (200, "application/xml"), "{text}");
    for part in [
        "<OrderResponseSimple xmlns=\"urn:oasis",
        "<cbc:ID>R-34</cbc:ID>",
        "<cbc:AcceptedIndicator>true<",
        "<cac:OrderReference><cbc:ID>34<",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(post(&stack, &ingress, "/t37ed/UblOrder", &xml, "<Order><cbc:ID>".to_owned()).await.status, 400);
    let entity = "<!DOCTYPE o [<!ENTITY a 'b'>]><Order>&a;</Order>";
    assert_eq!(post(&stack, &ingress, "/t37ed/UblOrder", &xml, entity.to_owned()).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_event_that_github_signed_is_fanned_out() {
    let (stack, sink) = (Stack::new().await, Sink::start(Duration::ZERO).await);
    stack.connect(&format!("{}---\n{}", http_connection("builds", sink.address()), http_connection("chat", sink.address()))).await;
    stack.apply(&example("github-push.yaml")).await;
    let (tenant, secret) = ("t37ed", "It's a Secret to Everybody");
    let key = ["keys", "create", "--tenant", tenant, "--label", "GitHub", "--integration", "GitHubPush", "--signing", "--key", secret];
    stack.command(&key).await;
    let (ingress, _worker) = serving(&stack).await;
    let commit = |id: &str| json!({"id": id, "author": {"name": "Monalisa"}, "added": ["a"], "modified": [], "removed": ["b"]});
    let event = json!({
        "ref": "refs/heads/main", "repository": {"full_name": "octo-org/octo-repo"}, "pusher": {"name": "Monalisa"},
        "commits": [commit("c1"), commit("c2"), commit("c3")],
    });
    let push = async |kind: &str, delivery: &str, body: String| {
        let signature =
            SignatureScheme::Of(Sender::GitHub).sign(secret, "", body.as_bytes(), forebay_contract::UnixMicros::default()).remove(0).1;
        let headers = [
            ("content-type", "application/json"),
            ("x-github-event", kind),
            ("x-github-delivery", delivery),
            ("x-hub-signature-256", &signature),
        ];
        post(&stack, &ingress, "/t37ed/GitHubPush", &headers, body).await.status
    };
    for _ in 0..2 {
        // GitHub repeats a delivery without a response, under the same id.
        assert_eq!(push("push", "d1", event.to_string()).await, 202);
    }
    assert_eq!(push("ping", "d2", "{}".to_owned()).await, 202);
    let ended = stack.ended("GitHubPush", 2).await;
    assert!(ended.iter().all(|execution| execution["status"] == "succeeded"), "{ended:?}");
    let calls = sink.calls();
    let mut commits: Vec<Value> = calls
        .iter()
        .filter(|call| call.path == "/builds/builds/octo-org-octo-repo")
        .map(|call| serde_json::from_str(&call.body).unwrap())
        .collect();
    commits.sort_by_key(|commit: &Value| commit["commit"].to_string());
    assert_eq!((calls.len(), commits.len(), &commits[0]), (4, 3, &json!({"commit": "c1", "author": "Monalisa", "changed": ["a", "b"]})));
    let chat = calls.iter().find(|call| call.path == "/chat/messages").unwrap();
    assert_eq!(chat.body, r#"{"text":"Monalisa pushed 3 commits to main"}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_list_goes_from_a_file_server_into_the_shop_with_a_report_by_mail() {
    let (stack, shop) = (Stack::new().await, Sink::start(Duration::ZERO).await);
    let (files, mail) = (FileServer::start().await, MailServer::start().await);
    let folder = files.files();
    std::fs::create_dir_all(folder.join("done")).unwrap();
    std::fs::write(folder.join("prices.csv"), "item;price\nA-1;12,50\nA-2;7\nB-1;0,10\nB-2;19.99\n").unwrap();
    let key = files.private_key().lines().map(|line| format!("    {line}\n")).collect::<String>();
    stack
        .connect(&format!(
            "tenant: t37ed\nconnection: drop\nsftp:\n  host: 127.0.0.1\n  port: {}\n  username: {}\n  host_key: '{}'\n  folder: {}\n  private_key: |\n{key}---\n\
             {}---\ntenant: t37ed\nconnection: mail\nsmtp: {{ host: 127.0.0.1, port: {}, tls: disable, from: forebay@acme.example }}\n",
            files.port(),
            files.username(),
            files.host_key(),
            folder.display(),
            http_connection("shop", shop.address()),
            mail.port(),
        ))
        .await;
    stack.apply(&example("price-list-import.yaml")).await;
    let _worker = stack.start("worker").await;
    stack.command(&["schedules", "run", "t37ed/PriceListImport"]).await;
    let ended = stack.ended("PriceListImport", 1).await;
    assert_eq!(ended[0]["status"], "succeeded", "{ended:?}");
    let mut puts: Vec<(String, String)> = shop.calls().into_iter().map(|call| (call.path, call.body)).collect();
    puts.sort();
    let expected =
        [("/shop/prices/A-1", r#"{"price":12.50}"#), ("/shop/prices/A-2", r#"{"price":7}"#), ("/shop/prices/B-1", r#"{"price":0.10}"#)];
    let expected: Vec<(String, String)> = expected.iter().map(|(path, body)| ((*path).to_owned(), (*body).to_owned())).collect();
    assert_eq!(puts, expected, "19.99 is no price of this list, and not 1999");
    let mails = mail.mails();
    assert_eq!((mails.len(), &mails[0].to), (1, &vec!["purchasing@acme.example".to_owned()]));
    assert!(mails[0].data.contains("Subject: Price list: 4 rows, 1 refused") && mails[0].data.contains("rows.csv"), "{}", mails[0].data);
    let done = std::fs::read_dir(folder.join("done")).unwrap().count();
    assert_eq!((done, folder.join("prices.csv").exists()), (1, false));
}
