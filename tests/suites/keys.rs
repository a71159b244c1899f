use forebay_contract::UnixMicros;
use forebay_contract::authentication::{Sender, SignatureScheme};
use forebay_tests::{Answer, Process, Stack, eventually};

/// Returns the parts of a response that could distinguish paths, without the tenant and the path.
fn described(answer: &Answer, tenant: &str) -> (u16, String, String) {
    let challenge = answer.header("www-authenticate").replace(tenant, "TENANT");
    (answer.status, challenge, String::from_utf8(answer.body.clone()).unwrap().replace(tenant, "TENANT"))
}

/// With `hide`, callers without a valid key, and those with a key of another integration, cannot tell whether a name exists.
#[tokio::test]
async fn names_that_do_not_exist_can_be_answered_as_those_that_need_a_key() {
    let stack = Stack::new().await;
    stack.apply(&format!("{TWO}---\ntenant: t1\nname: off\nenabled: false\ntrigger: {{ webhook: {{ methods: [POST] }} }}\n")).await;
    let key = stack.command_json(&["keys", "create", "--tenant", "t1", "--label", "A", "--integration", "first"]).await;
    let key = key["key"].as_str().unwrap().to_owned();
    let telling = stack.start("ingress").await;
    let hiding = stack.start_with("ingress", &[("FOREBAY_UNKNOWN_NAMES", "hide")]).await;
    let ask = async |process: &Process, method: &str, path: &str, key: Option<&str>| {
        let mut request =
            stack.http.request(method.parse().unwrap(), format!("{}{path}", process.url)).header("content-type", "application/json");
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        stack.send(request.body("{}")).await
    };
    eventually("the key opens it", || async {
        (ask(&hiding, "POST", "/t1/first", Some(&key)).await.status == 202
            && ask(&telling, "POST", "/t1/first", Some(&key)).await.status == 202)
            .then_some(())
    })
    .await;
    assert_eq!(ask(&telling, "POST", "/t1/nothing", None).await.status, 404);
    for (method, suffix) in [("POST", ""), ("GET", ""), ("OPTIONS", ""), ("GET", "/executions/abc"), ("DELETE", "/executions/abc")] {
        for key in [None, Some("wrong")] {
            let of_known = described(&ask(&hiding, method, &format!("/t1/first{suffix}"), key).await, "t1");
            assert_eq!(of_known.0, 401, "{method} {suffix}");
            for (tenant, name) in [("t1", "nothing"), ("nobody", "first"), ("t2", "other"), ("t1", "off")] {
                let other = described(&ask(&hiding, method, &format!("/{tenant}/{name}{suffix}"), key).await, tenant);
                assert_eq!(other, of_known, "{method} /{tenant}/{name}{suffix} {key:?}");
            }
        }
    }
    let of_its_tenant = async |name: &str| ask(&hiding, "POST", &format!("/t1/{name}"), Some(&key)).await.status;
    assert_eq!((of_its_tenant("second").await, of_its_tenant("nothing").await), (404, 404), "a key tells what it opens and nothing more");
    for path in ["/", "/openapi.json"] {
        let of_known = described(&ask(&hiding, "GET", &format!("/t1{path}"), Some("wrong")).await, "t1");
        assert_eq!(
            (of_known.0, &described(&ask(&hiding, "GET", &format!("/nobody{path}"), Some("wrong")).await, "nobody")),
            (401, &of_known)
        );
    }
}

const TWO: &str = "
tenant: t1
name: first
trigger: { webhook: { methods: [POST] } }
---
tenant: t1
name: second
trigger: { webhook: { methods: [POST] } }
---
tenant: t2
name: other
trigger: { webhook: { methods: [POST] } }
";

#[tokio::test]
async fn a_key_opens_what_it_is_granted_and_nothing_after_it_is_deleted() {
    let stack = Stack::new().await;
    stack.apply(TWO).await;
    let ingress = stack.start("ingress").await;
    let pasted = "a-key-that-a-partner-chose";
    let create = ["keys", "create", "--tenant", "t1", "--label", "ACME", "--integration", "first", "--key", pasted];
    let created = stack.command_json(&create).await;
    let generated = stack
        .command_json(&["keys", "create", "--tenant", "t1", "--label", "B", "--integration", "first", "--integration", "second"])
        .await;
    let generated_key = generated["key"].as_str().unwrap().to_owned();
    let call = async |path: &str, key: Option<&str>, bearer: bool| {
        let mut request = stack.http.post(format!("{}{path}", ingress.url));
        if let Some(key) = key {
            request = if bearer { request.header("authorization", format!("Bearer {key}")) } else { request.header("x-api-key", key) };
        }
        stack.send(request).await
    };
    eventually("both keys are known to the ingress", || async {
        let both = call("/t1/first", Some(pasted), false).await.status == 202
            && call("/t1/second", Some(&generated_key), true).await.status == 202;
        both.then_some(())
    })
    .await;
    let without = call("/t1/first", None, false).await;
    assert_eq!(without.status, 401);
    assert!(without.header("www-authenticate").starts_with("Bearer"));
    assert_eq!(without.header("content-type"), "application/problem+json");
    assert_eq!(call("/t1/first", Some("nonsense"), false).await.status, 401);
    assert_eq!(call("/t1/second", Some(pasted), false).await.status, 403);
    assert_eq!(call("/t2/other", Some(pasted), false).await.status, 401, "another tenant's key is no key");

    let listed = stack.command_json(&["keys", "list", "--tenant", "t1"]).await;
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert!(!listed.to_string().contains(pasted) && !listed.to_string().contains(&generated_key), "a key is shown once");
    let id = created["id"].as_str().unwrap();
    stack.command(&["keys", "update", id, "--label", "ACME Inc"]).await;
    stack.command(&["keys", "delete", id]).await;
    eventually("the deleted key is refused", || async { (call("/t1/first", Some(pasted), false).await.status == 401).then_some(()) }).await;
    assert_eq!(call("/t1/first", Some(&generated_key), false).await.status, 202);
}

#[tokio::test]
async fn one_key_opens_several_webhooks_by_granting_and_a_key_that_exists_says_how() {
    let stack = Stack::new().await;
    stack.apply(TWO).await;
    let ingress = stack.start("ingress").await;
    let key = "a-key-that-partner-p-has";
    let create = |tenant: &'static str, label: &'static str, integration: &'static str| {
        ["keys", "create", "--tenant", tenant, "--label", label, "--integration", integration, "--key", key]
    };
    let id = stack.command_json(&create("t1", "Partner P", "first")).await["id"].as_str().unwrap().to_owned();
    let answers = async |path: &str, status: u16| {
        let what = format!("{path} answers {status}");
        let ask = || async {
            let answer = stack.send(stack.http.post(format!("{}{path}", ingress.url)).header("x-api-key", key)).await;
            (answer.status == status).then_some(())
        };
        eventually(&what, ask).await;
    };
    answers("/t1/first", 202).await;
    answers("/t1/second", 403).await;

    // The same value again: the error for the same tenant explains what to do.
    let (code, error) = stack.command_fails(&create("t1", "Again", "second")).await;
    assert!(
        code == 1 && error.contains("The key 'Partner P'") && error.contains(&format!("`forebay keys grant {id} --integration second`")),
        "{error}"
    );
    let (_, error) = stack.command_fails(&create("t1", "Again", "first")).await;
    assert!(error.contains("It may already call these integrations"), "{error}");
    // Another tenant learns nothing of it: it may have its own key of the same value.
    let theirs = stack.command_json(&create("t2", "Theirs", "other")).await;
    answers("/t2/other", 202).await;
    answers("/t1/first", 202).await;
    stack.command(&["keys", "delete", theirs["id"].as_str().unwrap()]).await;
    answers("/t2/other", 401).await;
    answers("/t1/first", 202).await;

    let granted = stack.command_json(&["keys", "grant", &id, "--integration", "second"]).await;
    assert_eq!(granted["integrations"], serde_json::json!(["first", "second"]));
    answers("/t1/second", 202).await;
    // Granted again by its label: no change, and no error.
    let output = stack.command(&["keys", "grant", "--label", "Partner P", "--tenant", "t1", "--integration", "first"]).await;
    assert!(output.contains("may call first second"), "{output}");
    stack.command(&["keys", "revoke", "--label", "Partner P", "--integration", "first"]).await;
    answers("/t1/first", 403).await;
    answers("/t1/second", 202).await;

    for (arguments, expected) in [
        (["keys", "grant", id.as_str(), "--integration", "secnd"], "has no integration secnd"),
        (["keys", "grant", id.as_str(), "--integration", "other"], "has no integration other"),
        (["keys", "revoke", id.as_str(), "--integration", "first"], "does not open first; it opens second"),
    ] {
        let (code, error) = stack.command_fails(&arguments).await;
        assert!(code == 1 && error.contains(expected), "{arguments:?}: {error}");
    }
    let (_, error) = stack.command_fails(&["keys", "grant", "--label", "Nobody", "--integration", "first"]).await;
    assert!(error.contains("no key has the label 'Nobody'"), "{error}");
    stack.command(&["keys", "create", "--tenant", "t2", "--label", "Partner P", "--integration", "other"]).await;
    let (code, error) = stack.command_fails(&["keys", "grant", "--label", "Partner P", "--integration", "first"]).await;
    assert!(code == 2 && error.contains("2 keys have the label") && error.contains(&id), "{error}");

    let log = stack.command_json(&["audit", "list", "--tenant", "t1", "--action", "key.update"]).await;
    let changes: Vec<(serde_json::Value, serde_json::Value)> = log
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (line["before"]["integrations"].clone(), line["after"]["integrations"].clone()))
        .collect();
    let (first, both, second) = (serde_json::json!(["first"]), serde_json::json!(["first", "second"]), serde_json::json!(["second"]));
    assert_eq!(changes, [(both.clone(), second), (both.clone(), both.clone()), (first, both)]);
}

#[tokio::test]
async fn a_key_ends_when_it_was_meant_to_and_its_last_use_is_known() {
    let stack = Stack::new().await;
    stack.apply(TWO).await;
    let ingress = stack.start("ingress").await;
    let key = "a-key-that-ends-some-day";
    let create = ["keys", "create", "--tenant", "t1", "--label", "ACME", "--integration", "first", "--key", key, "--expires", "30d"];
    let id = stack.command_json(&create).await["id"].as_str().unwrap().to_owned();
    let call = async || stack.send(stack.http.post(format!("{}/t1/first", ingress.url)).header("x-api-key", key)).await;
    let listed = async || stack.command_json(&["keys", "list", "--tenant", "t1"]).await[0].clone();
    assert_eq!(listed().await["lastUsedAt"], serde_json::Value::Null);
    eventually("the key is known to the ingress", || async { (call().await.status == 202).then_some(()) }).await;
    eventually("its use is listed", || async { listed().await["lastUsedAt"].is_string().then_some(()) }).await;

    stack.command(&["keys", "update", &id, "--expires", "1s"]).await;
    let refused = eventually("the key ends", || async {
        let answer = call().await;
        (answer.status != 202).then_some(answer)
    })
    .await;
    assert_eq!(refused.status, 401);
    assert!(refused.json()["detail"].as_str().unwrap().contains("has expired"), "{}", refused.json());
    stack.command(&["keys", "update", &id, "--expires", "never"]).await;
    assert_eq!(listed().await["expiresAt"], serde_json::Value::Null);
    eventually("a key without an end opens again", || async { (call().await.status == 202).then_some(()) }).await;
}

#[tokio::test]
async fn every_change_leaves_a_line_that_tells_who_did_what_and_no_secret() {
    let stack = Stack::new().await;
    stack.apply(TWO).await;
    stack.apply(&TWO.replace("name: first", "name: first\ndescription: changed")).await;
    let key = "a-key-that-nobody-must-read";
    let create = ["keys", "create", "--tenant", "t1", "--label", "ACME", "--integration", "first", "--key", key];
    let id = stack.command_json(&create).await["id"].as_str().unwrap().to_owned();
    stack.command(&["keys", "update", &id, "--label", "ACME Inc"]).await;
    stack.command(&["keys", "delete", &id]).await;
    stack.command(&["tenants", "set", "t1", "--docs", "open", "--payloads", "1GiB"]).await;
    stack.command(&["diagnostics", "on", "t1/first", "--for", "1h"]).await;
    stack.command(&["diagnostics", "off", "t1/first"]).await;
    let erp = "tenant: t1\nconnection: erp\nhttp: { url: 'http://127.0.0.1:1', authentication: { bearer: { token: hunter2-hunter2 } } }\n";
    stack.connect(erp).await;

    let log = stack.command_json(&["audit", "list", "--tenant", "t1"]).await;
    let lines = log.as_array().unwrap();
    let actions: Vec<&str> = lines.iter().map(|line| line["action"].as_str().unwrap()).collect();
    let expected = [
        "connection.create",
        "diagnostics.off",
        "diagnostics.on",
        "tenant.payloads",
        "tenant.docs",
        "key.delete",
        "key.update",
        "key.create",
        "integration.update",
        "integration.create",
        "integration.create",
    ];
    assert_eq!(actions, expected);
    let of = |action: &str| lines.iter().find(|line| line["action"] == action).unwrap();
    assert_eq!((&of("key.update")["before"]["label"], &of("key.update")["after"]["label"]), (&"ACME".into(), &"ACME Inc".into()));
    assert_eq!(of("tenant.docs")["before"]["docs"], "key");
    assert_eq!(of("tenant.payloads")["after"]["payloadBytes"], 1 << 30);
    assert_eq!(of("integration.update")["target"], "t1/first");
    for line in lines {
        assert!(line["by"].as_str().unwrap().contains('@') && line["byKind"] == "host", "{line}");
    }
    assert!(!log.to_string().contains(key) && !log.to_string().contains("hunter2"), "{log}");
    let keys = stack.command_json(&["audit", "list", "--action", "key", "--limit", "2"]).await;
    assert_eq!(keys.as_array().unwrap().len(), 2);
    assert_eq!(stack.command_json(&["audit", "list", "--tenant", "t2"]).await.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_wrong_definition_is_refused_with_every_problem_and_its_place() {
    let stack = Stack::new().await;
    let file = std::env::temp_dir().join(format!("wrong-{}.yaml", std::process::id()));
    std::fs::write(
        &file,
        "tenant: t1\nname: x\ntrigger: { webhook: { methodes: [POST] } }\ninput: '{ a: '\nsteps: [{ id: s, set: '1 +' }]\n",
    )
    .unwrap();
    let (code, error) = stack.command_fails(&["apply", file.to_str().unwrap(), "--yes"]).await;
    std::fs::remove_file(&file).unwrap();
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("methodes") && error.contains("did you mean 'methods'"), "{error}");
}

const SIGNED: &str = "
tenant: t1
name: signed
trigger: { webhook: { methods: [POST], authentication: { signature: github }, rate: { calls: 20, per: 1d, scope: key } } }
---
tenant: t1
name: paid
trigger: { webhook: { methods: [POST], authentication: { signature: stripe } } }
---
tenant: t1
name: first
trigger: { webhook: { methods: [POST] } }
";

async fn signed(stack: &Stack, process: &Process, sender: Sender, secret: &str, at: UnixMicros, body: &str) -> Answer {
    let path = if sender == Sender::Stripe { "paid" } else { "signed" };
    let mut request = stack.http.post(format!("{}/t1/{path}", process.url)).body(body.to_owned());
    for (name, value) in SignatureScheme::Of(sender).sign(secret, "id", body.as_bytes(), at) {
        request = request.header(name, value);
    }
    stack.send(request).await
}

#[tokio::test]
async fn signed_calls_are_accepted_and_those_that_are_not_rightly_signed_get_401() {
    let stack = Stack::new().await;
    stack.apply(SIGNED).await;
    let ingress = stack.start("ingress").await;
    let (old, new, now) = ("It's a Secret to Everybody", "the next secret", UnixMicros::now());
    let key = async |label: &str, more: &[&str]| {
        let mut create = vec!["keys", "create", "--tenant", "t1", "--label", label, "--integration", "signed", "paid", "first"];
        create.extend(more);
        stack.command_json(&create).await
    };
    let old_id = key("old", &["--signing", "--key", old]).await["id"].as_str().unwrap().to_owned();
    key("new", &["--signing", "--key", new]).await;
    // A second key with the same secret could not be distinguished from the first.
    let again = ["keys", "create", "--tenant", "t1", "--label", "again", "--integration", "first", "--signing", "--key", old];
    let (code, error) = stack.command_fails(&again).await;
    assert!(code == 1 && error.contains(&format!("The key 'old' (id {old_id}) already has this value")), "{error}");
    let api_key = key("outcomes", &[]).await["key"].as_str().unwrap().to_owned();
    let call = async |secret: &str, body: &str| signed(&stack, &ingress, Sender::GitHub, secret, now, body).await;
    let accepted = eventually("the keys are known to the ingress", || async {
        let answer = call(old, "{}").await;
        (answer.status == 202 && call(new, "{}").await.status == 202).then_some(answer)
    })
    .await;
    // Large bodies are checked on another thread.
    assert_eq!(call(new, &format!("\"{}\"", "x".repeat(200_000))).await.status, 202);
    let wrong = call("another secret", "{}").await;
    assert_eq!((wrong.status, wrong.header("content-type")), (401, "application/problem+json"));
    assert!(wrong.json()["detail"].as_str().unwrap().contains("no signing key of this endpoint"), "{}", wrong.json());
    let unsigned = stack.send(stack.http.post(format!("{}/t1/signed", ingress.url)).header("x-api-key", &api_key)).await;
    assert_eq!((unsigned.status, unsigned.header("www-authenticate")), (401, "Signature realm=\"t1\", header=\"X-Hub-Signature-256\""));
    assert!(unsigned.json()["detail"].as_str().unwrap().contains("'X-Hub-Signature-256' is missing"), "{}", unsigned.json());
    let late = signed(&stack, &ingress, Sender::Stripe, new, now - std::time::Duration::from_secs(600), "{}").await;
    assert!(late.status == 401 && late.json()["detail"].as_str().unwrap().contains("more than 5m from now"), "{}", late.json());
    assert_eq!(signed(&stack, &ingress, Sender::Stripe, new, now, "{}").await.status, 202);
    let as_api_key = stack.send(stack.http.post(format!("{}/t1/first", ingress.url)).header("x-api-key", new)).await;
    assert_eq!(as_api_key.status, 401, "what signs is not sent");

    let invoke = ["invoke", "t1/paid", "--data", "{}", "--url", &ingress.url, "--sign", "stripe", "--key"];
    assert!(stack.command(&[&invoke[..], &[new]].concat()).await.contains("202"));
    assert!(stack.command_fails(&[&invoke[..], &["another secret"]].concat()).await.1.contains("401"));

    // Its outcome can be read with an API key.
    let place = format!("{}{}", ingress.url, accepted.header("location"));
    assert_eq!(stack.send(stack.http.get(&place)).await.status, 401);
    assert_eq!(stack.send(stack.http.get(&place).header("x-api-key", &api_key)).await.json()["status"], "queued");
    let listed = stack.command_json(&["keys", "list", "--tenant", "t1"]).await;
    let signing = listed.as_array().unwrap().iter().filter(|key| key["signs"] == true).count();
    let shown = format!("{listed} {}", stack.command(&["audit", "list", "--output", "json"]).await);
    assert!(signing == 2 && !shown.contains(old) && !shown.contains(new), "{shown}");
    let openapi = stack.send(stack.http.get(format!("{}/t1/openapi.json", ingress.url)).header("x-api-key", &api_key)).await.json();
    let security = openapi["paths"]["/t1/signed"]["post"]["security"][0].as_object().unwrap().keys().next().unwrap().clone();
    assert_eq!(openapi["components"]["securitySchemes"][security.as_str()]["name"], "X-Hub-Signature-256");

    stack.command(&["keys", "delete", &old_id]).await;
    eventually("the deleted key is refused", || async { (call(old, "{}").await.status == 401).then_some(()) }).await;
    assert_eq!(call(new, "{}").await.status, 202);
    let mut statuses = Vec::new();
    for _ in 0..20 {
        statuses.push(call(new, "{}").await.status);
    }
    assert!(statuses.contains(&202) && statuses.ends_with(&[429]), "each key has its rate: {statuses:?}");
}

#[tokio::test]
async fn a_signing_key_is_kept_under_the_secret_key_and_moves_to_the_next_one() {
    let stack = Stack::new().await;
    stack.apply(SIGNED).await;
    let create = ["keys", "create", "--tenant", "t1", "--label", "GitHub", "--integration", "signed", "--signing"];
    let (code, _, error) = stack.command_ends_with(&create, &[("FOREBAY_SECRET_KEY", "")]).await;
    assert!(code == 1 && error.contains("FOREBAY_SECRET_KEY"), "{code} {error}");
    let secret = stack.command_json(&create).await["key"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("fbs_"), "{secret}");
    assert_eq!(stack.sql(&format!("select count(*) from api_keys where sealed = '{secret}'::bytea")).await.trim(), "0");
    let (old, new) = ("0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210");
    let both = format!("{new},{old}");
    let (code, output, error) = stack.command_ends_with(&["connections", "rotate"], &[("FOREBAY_SECRET_KEY", &both)]).await;
    assert!(code == 0 && output.contains('1'), "{output} {error}");
    let ingress = stack.start_with("ingress", &[("FOREBAY_SECRET_KEY", new)]).await;
    assert_eq!(signed(&stack, &ingress, Sender::GitHub, &secret, UnixMicros::now(), "{}").await.status, 202);
    drop(ingress);
    let ingress = stack.start("ingress").await;
    assert_eq!(signed(&stack, &ingress, Sender::GitHub, &secret, UnixMicros::now(), "{}").await.status, 401);
    assert!(stack.log_of("ingress").contains("a signing key is left out"), "{}", stack.log_of("ingress"));
}
