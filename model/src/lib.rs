//! Stateright models over the shipped core.
