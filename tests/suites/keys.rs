use forebay_tests::{Stack, eventually};

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
