//! A global allocator that counts, a thread at a time, so that a run can be stopped before it holds too much.
#![allow(unsafe_code)] // `GlobalAlloc` is an unsafe trait; every call goes unchanged to the allocator inside.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

thread_local! {
    /// Bytes allocated less bytes freed by this thread. It may be negative: a value may be freed by another thread than the one
    /// that made it. Const and without a destructor, so that reading it never allocates.
    static HELD: Cell<isize> = const { Cell::new(0) };
}

/// Counts what a thread holds, and leaves the work to `A`.
///
/// Each binary that runs mappings sets it, else [`Limits::memory`](super::Limits::memory) bounds only single large values:
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: forebay_workflow::mapping::CountingAllocator = forebay_workflow::mapping::CountingAllocator::system();
/// # assert!(forebay_workflow::mapping::memory_is_counted());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct CountingAllocator<A = System>(A);

impl CountingAllocator<System> {
    /// Counts over the system's allocator.
    pub const fn system() -> Self {
        CountingAllocator(System)
    }
}

impl<A> CountingAllocator<A> {
    /// Counts over `allocator`.
    pub const fn over(allocator: A) -> Self {
        CountingAllocator(allocator)
    }
}

#[inline]
fn count(change: isize) {
    HELD.with(|held| held.set(held.get().wrapping_add(change)));
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

/// Bytes that this thread holds by the count; 0 for ever where the allocator is not set.
#[inline]
pub(super) fn held() -> isize {
    HELD.with(Cell::get)
}

/// True when this process runs on a [`CountingAllocator`]. A service that runs mappings checks it at its start.
pub fn memory_is_counted() -> bool {
    let before = held();
    let probe = black_box(Box::new([0_u8; 64]));
    let counted = held() != before;
    drop(probe);
    counted
}
