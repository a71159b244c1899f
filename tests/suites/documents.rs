use forebay_tests::{Answer, Process, Stack, eventually};
use serde_json::{Value, json};

const DEFINITIONS: &str = r#"
tenant: t1
name: order
description: "Orders <script>alert('x')</script>"
trigger:
  webhook:
    methods: [POST, GET]
    query:
      customerid: { type: integer, required: true, description: Number of the customer }
      site: { default: main }
    body: { max_bytes: 2000 }
---
tenant: t1
name: price
trigger: { webhook: { methods: [GET], authentication: none, response: { wait: 10s } } }
respond: { status: 201 }
---
tenant: t1
name: gone
enabled: false
trigger: { webhook: {} }
---
tenant: t2
name: other
trigger: { webhook: {} }
"#;

struct Documented {
    stack: Stack,
    ingress: Process,
    /// The keys of t1 and of t2.
    keys: [String; 2],
}

async fn ready() -> Documented {
    let stack = Stack::new().await;
    stack.apply(DEFINITIONS).await;
    let ingress = stack.start("ingress").await;
    let mut keys = Vec::new();
    for (tenant, name) in [("t1", "order"), ("t2", "other")] {
        let created = stack.command_json(&["keys", "create", "--tenant", tenant, "--label", "l", "--integration", name]).await;
        keys.push(created["key"].as_str().unwrap().to_owned());
    }
    let documented = Documented { stack, ingress, keys: keys.try_into().unwrap() };
    eventually("the keys are known", || async {
        let all = [documented.get("/t1", Some(0)).await.status, documented.get("/t2", Some(1)).await.status];
        (all == [200, 200]).then_some(())
    })
    .await;
    documented
}

impl Documented {
    async fn get(&self, path: &str, key: Option<usize>) -> Answer {
        let mut request = self.stack.http.get(format!("{}{path}", self.ingress.url));
        if let Some(key) = key {
            request = request.header("x-api-key", &self.keys[key]);
        }
        self.stack.send(request).await
    }

    async fn set_docs(&self, access: &str, path: &str, status: u16) {
        self.stack.command(&["tenants", "set", "t1", "--docs", access]).await;
        eventually("the setting is effective", || async { (self.get(path, None).await.status == status).then_some(()) }).await;
    }
}

#[tokio::test]
async fn the_openapi_document_has_every_enabled_endpoint_with_its_parameters_body_and_answers() {
    let documented = ready().await;
    let answer = documented.get("/t1/openapi.json", Some(0)).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    let document = answer.json();
    assert_eq!((&document["openapi"], &document["info"]["title"]), (&json!("3.1.0"), &json!("t1")));
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    let expected = ["/t1/order", "/t1/order/executions/{executionId}", "/t1/price", "/t1/price/executions/{executionId}"];
    assert_eq!(paths, expected, "neither disabled ones nor another tenant's");

    let order = &document["paths"]["/t1/order"]["post"];
    let parameters = order["parameters"].as_array().unwrap();
    assert_eq!(parameters[0]["schema"], json!({"type": "integer", "format": "int64"}));
    assert_eq!((&parameters[0]["required"], &parameters[0]["description"]), (&json!(true), &json!("Number of the customer")));
    assert_eq!(parameters[1]["schema"], json!({"type": "string", "default": "main"}));
    assert!(order["requestBody"]["description"].as_str().unwrap().contains("2000 bytes"));
    assert!(document["paths"]["/t1/order"]["get"].get("requestBody").is_none());
    assert_eq!(order["security"], json!([{"apiKey": []}, {"bearer": []}]));
    let statuses = |operation: &Value| operation["responses"].as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(statuses(order), "202 400 401 403 404 408 413 414 415 422 429 431 503");
    let price = &document["paths"]["/t1/price"]["get"];
    assert_eq!(statuses(price), "201 202 400 404 408 409 413 414 415 422 429 431 500 503 504");
    assert_eq!(price["security"], json!([]));
    assert_every_reference_is_there(&document, &document);
}

fn assert_every_reference_is_there(document: &Value, value: &Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
            }
            fields.values().for_each(|value| assert_every_reference_is_there(document, value));
        }
        Value::Array(items) => items.iter().for_each(|item| assert_every_reference_is_there(document, item)),
        _ => {}
    }
}

#[tokio::test]
async fn a_key_reads_of_what_it_opens_and_of_what_anybody_may_call() {
    let documented = ready().await;
    let arguments = ["keys", "create", "--tenant", "t1", "--label", "another", "--integration", "price"];
    let created = documented.stack.command_json(&arguments).await;
    let key = created["key"].as_str().unwrap();
    let document = eventually("the key is known", || async {
        let request = documented.stack.http.get(format!("{}/t1/openapi.json", documented.ingress.url)).header("x-api-key", key);
        let answer = documented.stack.send(request).await;
        (answer.status == 200).then(|| answer.json())
    })
    .await;
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths, ["/t1/price", "/t1/price/executions/{executionId}"]);
}

#[tokio::test]
async fn the_page_is_made_of_the_same_and_nothing_in_it_is_active() {
    let documented = ready().await;
    for path in ["/t1", "/t1/"] {
        let answer = documented.get(path, Some(0)).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "text/html; charset=utf-8"));
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        let page = String::from_utf8(answer.body).unwrap();
        assert!(page.contains("Orders &lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;") && !page.contains("<script"), "{page}");
        let curl =
            format!("curl -i '{}/t1/order?customerid=1' -H 'X-API-Key: KEY' -H 'Content-Type: application/json'", documented.ingress.url);
        assert!(page.contains(&curl) && page.contains("/t1/price'</pre>"), "{page}");
        assert!(!page.contains("/t1/gone") && !page.contains("/t2"), "{page}");
    }
    // The `Host` header of a caller is not trusted, and is never inserted into a shell command.
    let request = documented.stack.http.get(format!("{}/t1", documented.ingress.url)).header("x-api-key", &documented.keys[0]);
    let answer = documented.stack.send(request.header("x-forwarded-host", "a';rm -rf /<b>")).await;
    let page = String::from_utf8(answer.body).unwrap();
    assert!(page.contains(&format!("{}/t1/price", documented.ingress.url)) && !page.contains("rm -rf"), "{page}");
}

#[tokio::test]
async fn the_documents_are_open_behind_a_key_or_not_there_as_the_tenant_chooses() {
    let documented = ready().await;
    for path in ["/t1", "/t1/openapi.json"] {
        let without = documented.get(path, None).await;
        assert_eq!(without.status, 401);
        let challenge = without.header("www-authenticate");
        assert!(challenge.starts_with("Bearer realm=\"t1\"") && challenge.contains("Basic realm=\"t1\""), "{challenge}");
        assert_eq!(without.header("content-type"), "application/problem+json");
        assert_eq!(documented.get(path, Some(1)).await.status, 401, "another tenant's key opens nothing");
        assert_eq!(documented.get(path, Some(0)).await.status, 200);
        let request = documented.stack.http.get(format!("{}{path}", documented.ingress.url)).basic_auth("any", Some(&documented.keys[0]));
        assert_eq!(documented.stack.send(request).await.status, 200, "as a browser sends what it asked its user for");
    }
    assert_eq!(documented.get("/nobody", Some(0)).await.status, 404);
    documented.set_docs("open", "/t1/openapi.json", 200).await;
    assert_eq!(documented.get("/t1", None).await.status, 200);
    assert_eq!(documented.get("/t2", None).await.status, 401, "another tenant's setting is its own");
    documented.set_docs("off", "/t1/openapi.json", 404).await;
    assert_eq!(documented.get("/t1", Some(0)).await.status, 404);
    documented.set_docs("key", "/t1", 401).await;
    let tenants = documented.stack.command_json(&["tenants", "list"]).await;
    assert_eq!(tenants[0], json!({"tenant": "t1", "integrations": 3, "docs": "key", "payloadBytes": null}));
    let (code, error) = documented.stack.command_fails(&["tenants", "set", "t1", "--docs", "public"]).await;
    assert!(code == 2 && error.contains("open, key, off"), "{error}");
}

#[tokio::test]
async fn a_document_that_the_caller_has_is_not_sent_again_until_a_definition_changes() {
    let documented = ready().await;
    let first = documented.get("/t1/openapi.json", Some(0)).await;
    let etag = first.header("etag").to_owned();
    let ask = async |method: reqwest::Method| {
        let request = documented.stack.http.request(method, format!("{}/t1/openapi.json", documented.ingress.url));
        documented.stack.send(request.header("x-api-key", &documented.keys[0]).header("if-none-match", &etag)).await
    };
    let again = ask(reqwest::Method::GET).await;
    assert_eq!((again.status, again.body.len(), again.header("cache-control")), (304, 0, "private, no-cache"));
    let request =
        documented.stack.http.head(format!("{}/t1/openapi.json", documented.ingress.url)).header("x-api-key", &documented.keys[0]);
    let head = documented.stack.send(request).await;
    assert_eq!((head.status, head.body.len(), head.header("etag")), (200, 0, etag.as_str()));
    let refused = ask(reqwest::Method::POST).await;
    assert_eq!((refused.status, refused.header("allow")), (405, "GET, HEAD"));

    documented.stack.apply("tenant: t1\nname: fresh\ntrigger: { webhook: { authentication: none } }\n").await;
    let changed = eventually("the new endpoint is in the document", || async {
        let answer = ask(reqwest::Method::GET).await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert!(changed.json()["paths"].get("/t1/fresh").is_some() && changed.header("etag") != etag);
}
