//! The integrations of a run.

use std::fmt::Write;

pub(crate) const QUIET_TENANTS: [&str; 3] = ["quiet0", "quiet1", "quiet2"];
pub(crate) const NOISY_TENANT: &str = "busy";
pub(crate) const POISON_TENANT: &str = "poison";
/// Maximum bytes of a body of `poison/strict`; larger ones are refused.
pub(crate) const MAX_BODY_BYTES: usize = 262_144;

const WEBHOOK: &str = "methods: [POST], authentication: none";
/// Steps are tried again after a worker has woken with its timers expired. Pauses are short: an ordered trigger waits for them.
const RETRY: &str = "retry: { attempts: 10, backoff: { first: 1s, factor: 2, max: 5s } }";

/// All definitions as YAML. `effects` is the URL of the effect server.
pub(crate) fn definitions(effects: &str) -> String {
    let step = |path: &str| {
        let body = "{ tenant: .tenant, integration: .integration, call: .body.call }";
        format!("{{ id: {path}, timeout: 60s, http: {{ method: POST, url: '{effects}/{path}', body: '{body}' }} }}")
    };
    let (done, hang) = (format!("steps: [{}]", step("done")), format!("steps: [{}]", step("hang")));
    let ordered = format!("steps: [{}, {}]", step("begin"), step("end"));
    let respond = "respond: { body: '{ call: .body.call, tenant: .tenant }' }";
    let wait = "response: { wait: 20s }";
    let mut text = String::new();
    let mut add = |tenant: &str, name: &str, webhook: &str, rest: &str| {
        let _ = write!(text, "tenant: {tenant}\nname: {name}\ntrigger: {{ webhook: {{ {WEBHOOK}{webhook} }} }}\n{RETRY}\n{rest}\n---\n");
    };
    for tenant in QUIET_TENANTS {
        add(tenant, "answer", &format!(", {wait}"), &format!("{done}\n{respond}"));
        for name in ["work", "once"] {
            add(tenant, name, "", &done);
        }
        for name in ["line", "keyed-line"] {
            add(tenant, name, ", ordered: true", &ordered);
        }
    }
    add(NOISY_TENANT, "call", &format!(", {wait}"), &format!("{hang}\n{respond}"));
    add(NOISY_TENANT, "work", "", &hang);
    add(NOISY_TENANT, "echo", "", "input: '[range(200)] | add'");
    add(POISON_TENANT, "strict", &format!(", body: {{ max_bytes: {MAX_BODY_BYTES} }}"), "input: '.body'");
    add(POISON_TENANT, "failing", "", "input: '.body.price - 1'");
    text.push_str("tenant: quiet0\nname: tick\ntrigger: { schedule: { every: 10s } }\n");
    text
}
