//! Running a few threads in every order.

use loom::model::Builder;

/// Has `story` happen in every interleaving in which no thread is interrupted more than `interruptions` times when it
/// could go on. Without a bound the stories of three threads would take hours; faults of this kind need one or two.
pub fn every_interleaving(interruptions: usize, story: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(interruptions);
    builder.check(story);
}
