//! Proofs over the shipped core.
