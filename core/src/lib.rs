//! The replica protocol of Damselfly as a pure state machine.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
