//! From values to HTML: pure functions, no I/O.
