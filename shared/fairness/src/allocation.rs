//! A global allocator that counts, a thread at a time, so that a run can be stopped before it holds too much.
#![allow(unsafe_code)] // `GlobalAlloc` is an unsafe trait; every call goes unchanged to the allocator inside.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::sync::atomic::{AtomicIsize, Ordering};

thread_local! {
    /// Bytes allocated less bytes freed by this thread, and the part of it that is not reported to the process. Either may be negative: a
    /// value may be freed by another thread than the one that allocated it. Const and without a destructor, so that reading it never
    /// allocates.
    static COUNT: Count = const { Count { held: Cell::new(0), unreported: Cell::new(0) } };
}

/// Maximum bytes of a thread's count that are not reported to the process.
const REPORT: isize = 64 * 1024;

/// Bytes that all threads hold, less what they have not reported.
static PROCESS: AtomicIsize = AtomicIsize::new(0);

struct Count {
    held: Cell<isize>,
    unreported: Cell<isize>,
}

/// Counts the memory that a thread holds; `A` allocates.
///
/// Each binary that runs mappings must set it, since otherwise the memory limit of a mapping bounds only single large values:
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: forebay_fairness::CountingAllocator = forebay_fairness::CountingAllocator::system();
/// # assert!(forebay_fairness::memory_is_counted());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct CountingAllocator<A = System>(A);

impl CountingAllocator<System> {
    /// Counts allocations of the system's allocator.
    pub const fn system() -> Self {
        CountingAllocator(System)
    }
}

impl<A> CountingAllocator<A> {
    /// Counts allocations of `allocator`.
    pub const fn over(allocator: A) -> Self {
        CountingAllocator(allocator)
    }
}

#[inline]
fn count(change: isize) {
    COUNT.with(|count| {
        count.held.set(count.held.get().wrapping_add(change));
        let unreported = count.unreported.get().wrapping_add(change);
        if unreported.unsigned_abs() < REPORT.unsigned_abs() {
            count.unreported.set(unreported);
        } else {
            count.unreported.set(0);
            PROCESS.fetch_add(unreported, Ordering::Relaxed);
        }
    });
}

// SAFETY: every method hands its arguments unchanged to the inner allocator and returns what that returns; counting neither
// allocates nor panics.
unsafe impl<A: GlobalAlloc> GlobalAlloc for CountingAllocator<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { self.0.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { self.0.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size as isize - layout.size() as isize);
        unsafe { self.0.realloc(pointer, layout, new_size) }
    }
}

/// Returns the counted bytes that this thread holds; always 0 if the allocator is not set.
#[inline]
#[must_use]
pub fn held() -> isize {
    COUNT.with(|count| count.held.get())
}

/// Returns the counted bytes that the process holds, up to 64 KiB per thread; always 0 if the allocator is not set.
pub(crate) fn process_held() -> isize {
    PROCESS.load(Ordering::Relaxed)
}

/// Reports the rest of this thread's count. A thread calls it at its end, since otherwise the rest is permanently missing from the
/// process's count.
pub fn report_rest() {
    COUNT.with(|count| PROCESS.fetch_add(count.unreported.take(), Ordering::Relaxed));
}

/// True when this process runs on a [`CountingAllocator`]. A service that runs mappings checks it at its start.
pub fn memory_is_counted() -> bool {
    let before = held();
    let probe = black_box(Box::new([0_u8; 64]));
    let counted = held() != before;
    drop(probe);
    counted
}
