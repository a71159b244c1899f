//! Sizes of values: whether they may be stored, and on which thread they are processed.

use crate::Value;
use crate::failure;
use forebay_contract::outcome::ExecutionError;
use forebay_fairness::run_fairly;

/// Bodies and values larger than this are read and written on a thread for blocking work, at about 100 to 200 MB/s: it would block the
/// threads of executions for longer than a change of thread costs.
const ASIDE_BYTES: usize = 128 * 1024;

/// Returns `budget` less the memory in bytes that the value would take if it shared nothing; `None` if that is more, which is found without
/// visiting all of it.
pub fn spend(value: &Value, budget: usize) -> Option<usize> {
    const NODE: usize = size_of::<Value>();
    let mut left = budget.checked_sub(NODE)?;
    if let Some(text) = value.as_str() {
        return left.checked_sub(text.len());
    }
    if let Some(items) = value.as_array() {
        for item in items {
            left = spend(item, left)?;
        }
    } else if let Some(members) = value.entries() {
        for (name, member) in members {
            left = spend(member, left.checked_sub(NODE + name.len())?)?;
        }
    }
    Some(left)
}

/// Returns true if this number of bytes is processed on another thread.
pub fn are_many(bytes: usize) -> bool {
    bytes > ASIDE_BYTES
}

/// Returns true if the value is processed on another thread.
pub fn is_large(value: &Value) -> bool {
    spend(value, ASIDE_BYTES).is_none()
}

/// Runs `work` here, or on another thread if `aside`: on one that tenants use in turns if a tenant is known, otherwise on one for blocking
/// work.
///
/// # Errors
/// It panics, or the runtime shuts down.
pub async fn run<T: Send + 'static>(aside: bool, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ExecutionError> {
    if !aside {
        return Ok(work());
    }
    if let Some(tenant) = forebay_fairness::current_tenant() {
        return run_fairly(&tenant, work).await;
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result),
        Err(error) => match error.try_into_panic() {
            Ok(payload) => Err(forebay_fairness::panicked(&*payload)),
            Err(_) => Err(failure::withdrawn()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_weighs_its_texts_names_and_nodes() {
        let node = size_of::<Value>();
        let text = Value::string("x".repeat(100));
        let object = Value::object([("ab", text.clone()), ("c", Value::array([text.clone(), Value::NULL]))]);
        let weight = node + (node + 2 + node + 100) + (node + 1 + node + node + 100 + node);
        assert_eq!(spend(&object, weight), Some(0));
        assert_eq!(spend(&object, weight - 1), None);
    }

    #[tokio::test]
    async fn a_panic_aside_is_an_error() {
        for aside in [true, false] {
            assert_eq!(run(aside, || 1).await, Ok(1));
        }
        assert!(run(true, || panic!("x")).await.is_err());
        let tenant = "weight-panic".parse().unwrap();
        assert!(forebay_fairness::by_turns(&tenant, false, run(true, || panic!("x"))).await.is_err());
        assert_eq!(forebay_fairness::by_turns(&tenant, false, run(true, || 1)).await, Ok(1));
    }
}
