use forebay_tests::{Stack, eventually};
use serde_json::{Value, json};

const FIRST: &str = "# the first
tenant: t1
name: answer
trigger: { webhook: { methods: [POST], authentication: none, response: { wait: 20s } } }
input: |
  { n: .body.n,
    version: 1 }
respond: { body: .input.version }
";
const OTHER: &str = "tenant: t2\nname: other\ntrigger: { webhook: {} }\n";

fn second() -> String {
    FIRST.replace("version: 1", "version: 2")
}

#[tokio::test]
async fn diff_tells_what_apply_would_change_and_apply_makes_versions_of_what_differs_only() {
    let stack = Stack::new().await;
    let file = stack.named_file("all.yaml", &format!("{FIRST}---\n{OTHER}"));
    let (code, text, _) = stack.command_ends(&["diff", &file]).await;
    assert!(code == 1 && text.contains("t1/answer  created"), "{code} {text}");
    let (code, error) = stack.command_fails(&["apply", &file]).await;
    assert!(code == 2 && error.contains("t1/answer  created") && error.contains("no terminal for the confirmation"), "{error}");
    stack.command(&["apply", &file, "--yes"]).await;
    assert_eq!(stack.command_ends(&["diff", &file]).await, (0, String::new(), String::new()));
    assert_eq!(stack.command_json(&["diff", &file]).await, json!([]));

    let changed = format!("# another comment\n{}enabled: false\n---\n{OTHER}", second());
    let file = stack.named_file("all.yaml", &changed);
    let (code, text, _) = stack.command_ends(&["diff", &file]).await;
    assert_eq!(code, 1);
    for line in ["t1/answer  changed, version 1 -> 2", "THIS DISABLES IT", "-   version: 1", "+   version: 2", "+ enabled: false"] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("t2/other"), "{text}");
    let (code, text, _) = stack.command_ends(&["diff", &file, "--output", "json"]).await;
    let differs: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, differs.as_array().unwrap().len(), &differs[0]["enabled"]), (1, 1, &json!(false)));
    assert_eq!(differs[0]["differences"][1], json!({"path": "enabled", "after": false}));

    let applied = stack.command_json(&["apply", &file, "--yes"]).await;
    let change = |index: usize| (applied[index]["change"].as_str().unwrap(), applied[index]["version"].as_i64().unwrap());
    assert_eq!((change(0), change(1)), (("updated", 2), ("unchanged", 1)));
}

#[tokio::test]
async fn a_change_of_comments_alone_is_a_version_and_none_of_them_is_lost() {
    let stack = Stack::new().await;
    stack.apply(FIRST).await;
    let commented = FIRST.replace("# the first", "# the first, as ACME asked on 2 May");
    let file = stack.named_file("all.yaml", &commented);
    let (code, text, _) = stack.command_ends(&["diff", &file]).await;
    assert_eq!(code, 1, "{text}");
    for line in ["t1/answer  changed, version 1 -> 2", "only comments or layout differ", "- # the first", "+ # the first, as ACME asked"] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    let (_, text, _) = stack.command_ends(&["diff", &file, "--output", "json"]).await;
    let differs: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&differs[0]["differences"], differs[0]["textDifferences"].as_array().unwrap().len()), (&json!([]), 2));

    let applied = stack.command_json(&["apply", &file, "--yes"]).await;
    assert_eq!((&applied[0]["change"], &applied[0]["version"]), (&json!("updated"), &json!(2)));
    assert_eq!(stack.command(&["export", "t1/answer"]).await, commented);
    assert!(stack.command(&["versions", "t1/answer"]).await.contains("only comments or layout"));
    // The same text is no change, and neither is another end of lines.
    assert_eq!(stack.command_ends(&["diff", &file]).await.0, 0);
    let file = stack.named_file("all.yaml", &commented.replace('\n', "\r\n"));
    assert_eq!(stack.command_ends(&["diff", &file]).await.0, 0);

    let rolled = stack.command_json(&["rollback", "t1/answer", "--yes"]).await;
    assert_eq!((&rolled["change"], &rolled["version"], &rolled["sameAs"]), (&json!("updated"), &json!(3), &json!(1)));
    assert_eq!(stack.command(&["export", "t1/answer"]).await, FIRST);
}

#[tokio::test]
async fn one_wrong_definition_of_many_applies_nothing() {
    let stack = Stack::new().await;
    let file = stack.named_file("all.yaml", &format!("{FIRST}---\n{OTHER}steps:\n  - id: a\n    set: '1 +'\n"));
    let (code, error) = stack.command_fails(&["apply", &file]).await;
    assert!(code == 1 && error.contains("all.yaml:15: steps[0].set: line 1, column 4") && error.contains("nothing was applied"), "{error}");
    assert_eq!(stack.command_json(&["export"]).await, json!([]));
    // No service is needed for the same result.
    let (code, text, _) = stack.command_ends(&["validate", &file, "--output", "json", "--database-url", "postgres://127.0.0.1:1/x"]).await;
    let problems: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (code, &problems[0]["line"], &problems[0]["document"], &problems[0]["path"]),
        (1, &json!(15), &json!(2), &json!("steps[0].set"))
    );
}

#[tokio::test]
async fn a_rollback_makes_the_older_definition_the_newest_version_and_calls_get_it() {
    let stack = Stack::new().await;
    stack.apply(FIRST).await;
    let process = stack.start("dev").await;
    let answers = async |expected: &str| {
        let what = format!("the answer is {expected}");
        let ask = || async { (stack.post(&process, "/t1/answer", "{}").await.body == expected.as_bytes()).then_some(()) };
        eventually(&what, ask).await;
    };
    answers("1").await;
    let (_, error) = stack.command_fails(&["rollback", "t1/answer"]).await;
    assert!(error.contains("has only one version"), "{error}");
    stack.apply(&second()).await;
    answers("2").await;
    let rolled = stack.command_json(&["rollback", "t1/answer", "--yes"]).await;
    assert_eq!((&rolled["version"], &rolled["sameAs"]), (&json!(3), &json!(1)));
    answers("1").await;
    stack.command(&["rollback", "t1/answer", "--to", "2", "--yes"]).await;
    answers("2").await;

    let versions = stack.command_json(&["versions", "t1/answer"]).await;
    let listed: Vec<_> =
        versions.as_array().unwrap().iter().map(|one| (one["version"].as_i64().unwrap(), one["sameAs"].as_i64())).collect();
    assert_eq!(listed, [(4, Some(2)), (3, Some(1)), (2, None), (1, None)]);
    assert_eq!((&versions[0]["current"], &versions[2]["differences"][0]["path"]), (&json!(true), &json!("input")));
    let (code, error) = stack.command_fails(&["rollback", "t1/answer", "--to", "9"]).await;
    assert!(code == 1 && error.contains("has no version 9: it has the versions 1 to 4"), "{error}");
    // Each call was run by the version that accepted it.
    eventually("the first call ran version 1 and the last one version 4", || async {
        let mut ran = stack.executions("answer").await;
        ran.sort_by_key(|execution| execution["receivedAt"].as_str().unwrap().to_owned());
        (ran.first()?["version"] == 1 && ran.last()?["version"] == 4).then_some(())
    })
    .await;
}

/// A version of a release that treated an empty field as absent.
#[tokio::test]
async fn a_version_that_todays_reader_refuses_is_gone_back_to_as_it_is_and_not_applied_anew() {
    let stack = Stack::new().await;
    let steps = "steps: [{ id: kept, when: , set: .body }]\n";
    stack.apply(FIRST).await;
    stack
        .sql(&format!(
            "update integration_versions set source = source || '{steps}',
                 document = (document::jsonb || '{{\"steps\": [{{\"id\": \"kept\", \"when\": null, \"set\": \".body\"}}]}}')::json"
        ))
        .await;
    stack.apply(&second()).await;
    let process = stack.start("dev").await;
    let answers = async |expected: &str| {
        let what = format!("the answer is {expected}");
        let ask = || async { (stack.post(&process, "/t1/answer", "{}").await.body == expected.as_bytes()).then_some(()) };
        eventually(&what, ask).await;
    };
    answers("2").await;
    let rolled = stack.command_json(&["rollback", "t1/answer", "--to", "1", "--yes"]).await;
    assert_eq!((&rolled["version"], &rolled["sameAs"]), (&json!(3), &json!(1)));
    answers("1").await;
    let ran = stack.executions("answer").await;
    assert!(ran.iter().any(|execution| execution["version"] == 3 && execution["status"] == "succeeded"), "{ran:?}");

    let exported = stack.command(&["export", "t1/answer"]).await;
    assert_eq!(exported, format!("{FIRST}{steps}"));
    let (code, error) = stack.command_fails(&["apply", &stack.named_file("old.yaml", &exported), "--yes"]).await;
    assert!(code == 1 && error.contains("old.yaml:9: steps[0].when: is empty"), "{error}");
}

#[tokio::test]
async fn files_without_a_document_and_words_of_yaml_are_told_in_ours() {
    let stack = Stack::new().await;
    let cases = [
        ("", "all.yaml: contains no document: write a definition, a connection or an alert rule"),
        ("# only words\n---\n", "all.yaml: contains no document"),
        ("tenant: t\ntenant: u\n", "all.yaml:2: the field 'tenant' is given twice: remove one (column 1)\n"),
        ("tenant: t\n~: 1\n", "all.yaml:2: the name of a field is missing"),
        ("tenant: t\nname: n\ntrigger: { webhook: {} }\nsteps: [~]\n", "all.yaml:4: steps[0]: is empty: write its fields, or remove it"),
        (
            "tenant: t\nname: n\ntrigger: { webhook: { authentication: {} } }\n",
            "authentication: must be api_key, none, { signature: github }",
        ),
        ("tenant: t\nconnection: c\nhttp: { url: { env: } }\n", "all.yaml:3: http.url: names no variable: write { env: NAME }"),
        ("tenant: t\nname: n\ndescription: \"a\\0b\"\ntrigger: { webhook: {} }\n", "all.yaml:3: description: a description cannot hold"),
    ];
    for (text, expected) in cases {
        let (code, output, _) = stack.command_ends(&["validate", &stack.named_file("all.yaml", text)]).await;
        assert!(code == 1 && output.contains(expected), "{text}: {code} {output}");
    }
}

#[tokio::test]
async fn what_is_exported_is_what_was_applied_byte_for_byte_and_applying_it_changes_nothing() {
    let stack = Stack::new().await;
    stack.apply(FIRST).await;
    stack.apply(&format!("{OTHER}# no line break at the end")).await;
    stack.apply(&second()).await;
    assert_eq!(stack.command(&["export", "t1/answer"]).await, second());
    assert_eq!(stack.command(&["export", "t1/answer", "--version", "1"]).await, FIRST);
    assert_eq!(stack.command(&["export"]).await, format!("{}---\n{OTHER}# no line break at the end", second()));
    assert_eq!(stack.command_json(&["export", "t2/other"]).await["name"], "other");
    assert_eq!(stack.command_json(&["export", "--tenant", "t2"]).await.as_array().unwrap().len(), 1);
    let folder = stack.named_file("marker", "");
    let folder = folder.replace("marker", "exported");
    stack.command(&["export", "--to", &folder]).await;
    assert_eq!(std::fs::read_to_string(format!("{folder}/t1/answer.yaml")).unwrap(), second());
    assert_eq!(stack.command_ends(&["diff", &folder]).await.0, 0);
}
