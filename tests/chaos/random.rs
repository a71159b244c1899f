//! Random numbers that a seed repeats: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).

use std::ops::Range;

pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number of the range, which must not be empty.
    pub(crate) fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }

    pub(crate) fn is(&mut self, percent: u64) -> bool {
        self.within(0..100) < percent
    }

    /// One of the values, of which there must be some.
    pub(crate) fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.within(0..values.len() as u64) as usize]
    }

    /// A generator of its own, for a task whose timing is its own.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.next())
    }
}
