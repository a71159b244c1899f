//! Takes locks, in tests in each order that a model test asks for.

use parking_lot::{Mutex, MutexGuard};

/// Takes a lock.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    #[cfg(test)]
    if let Some(guard) = crate::model::lock(mutex) {
        return guard;
    }
    mutex.lock()
}
