//! Looks at threads, GIL and quota many times a second, and notes what is new.
