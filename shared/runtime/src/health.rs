//! The readiness of the process, as its parts report it.

use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

/// The checks of a process. Clones share them; each part reports its own with [`Health::set`].
#[derive(Debug, Clone, Default)]
pub struct Health {
    checks: Arc<RwLock<BTreeMap<String, Check>>>,
}

#[derive(Debug, Clone)]
struct Check {
    ok: bool,
    detail: String,
    weight: Weight,
}

/// The part of a check in readiness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// The process is ready only while the check is ok.
    Required,
    /// Only shown.
    Informative,
}

impl Health {
    /// Returns a state without checks, which is not ready.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Announces a check that has not reported yet. All are announced before the parts start: otherwise the process is ready as soon as the
    /// first of them is. A check that has reported stays as it is.
    pub fn expect(&self, name: &str) {
        let mut checks = self.checks.write();
        checks.entry(name.to_owned()).or_insert_with(|| Check {
            ok: false,
            detail: "not reported yet".to_owned(),
            weight: Weight::Required,
        });
    }

    /// Reports a check such as `broker` or `store`. `detail` is public on the management port: no secrets.
    /// A change between ok and not ok is logged.
    pub fn set(&self, name: &str, ok: bool, detail: impl Into<String>) {
        self.report_check(name, Check { ok, detail: detail.into(), weight: Weight::Required });
    }

    /// Reports a check on which readiness does not depend.
    pub fn inform(&self, name: &str, ok: bool, detail: impl Into<String>) {
        self.report_check(name, Check { ok, detail: detail.into(), weight: Weight::Informative });
    }

    fn report_check(&self, name: &str, check: Check) {
        let ok = check.ok;
        let detail = check.detail.clone();
        let before = {
            let mut checks = self.checks.write();
            checks.insert(name.to_owned(), check)
        };
        if before.is_some_and(|before| before.ok == ok) {
            return;
        }
        if ok {
            tracing::info!(health.check = name, health.detail = detail, "check is ok");
        } else {
            tracing::warn!(health.check = name, health.detail = detail, "check is not ok");
        }
    }

    /// Makes the process not ready until its end: load balancers remove it while it drains.
    pub fn stopping(&self) {
        self.set("process", false, "stopping");
    }

    /// Returns true if there is a check on which readiness depends, and each of these is ok.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let checks = self.checks.read();
        is_ready(&checks)
    }

    /// Returns `{"status":"ready|not ready","checks":[{"name","ok","detail"}]}`, ordered by name, and true if the process is ready, both
    /// from one read of the checks. A check on which readiness does not depend has `"required":false` too.
    #[must_use]
    pub fn report(&self) -> (bool, serde_json::Value) {
        let checks = self.checks.read();
        let ready = is_ready(&checks);
        let checks: Vec<_> = checks
            .iter()
            .map(|(name, check)| match check.weight {
                Weight::Required => json!({ "name": name, "ok": check.ok, "detail": check.detail }),
                Weight::Informative => json!({ "name": name, "ok": check.ok, "detail": check.detail, "required": false }),
            })
            .collect();
        let status = if ready { "ready" } else { "not ready" };
        (ready, json!({ "status": status, "checks": checks }))
    }
}

fn is_ready(checks: &BTreeMap<String, Check>) -> bool {
    let mut required = checks.values().filter(|check| check.weight == Weight::Required).peekable();
    required.peek().is_some() && required.all(|check| check.ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ready_when_every_announced_check_has_reported_ok() {
        let health = Health::new();
        assert!(!health.is_ready(), "nothing has reported");
        health.expect("broker");
        health.expect("store");
        health.set("broker", true, "connected");
        assert!(!health.is_ready());
        health.clone().set("store", true, "connected");
        assert!(health.is_ready());
        health.set("broker", false, "connection refused");
        assert!(!health.is_ready());
    }

    #[test]
    fn a_process_stays_ready_while_an_informative_check_is_not_ok_and_shows_it() {
        let health = Health::new();
        health.inform("accepting", true, "yes");
        assert!(!health.is_ready(), "nothing that decides has reported");
        health.set("listening", true, "yes");
        health.inform("accepting", false, "no connection");
        let (ready, report) = health.report();
        assert!(ready && health.is_ready());
        assert_eq!(
            report,
            json!({ "status": "ready", "checks": [
                { "name": "accepting", "ok": false, "detail": "no connection", "required": false },
                { "name": "listening", "ok": true, "detail": "yes" },
            ] })
        );
    }

    #[test]
    fn announcing_a_check_again_does_not_undo_its_report() {
        let health = Health::new();
        health.set("store", true, "connected");
        health.expect("store");
        assert!(health.is_ready());
    }

    #[test]
    fn a_stopping_process_stays_not_ready_and_says_why() {
        let health = Health::new();
        health.set("broker", true, "connected");
        health.stopping();
        health.set("broker", true, "connected");
        let (ready, report) = health.report();
        assert!(!ready);
        assert_eq!(
            report,
            json!({ "status": "not ready", "checks": [
                { "name": "broker", "ok": true, "detail": "connected" },
                { "name": "process", "ok": false, "detail": "stopping" },
            ] })
        );
    }
}
