//! Ways to do it wrong, each of which the search has to find.

/// One of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Fault {
    /// A connection that is lost after the heir was asked is taken for its refusal. So does Redis.
    LossIsRefusal,
    /// Any refusal makes the old master a master again, also when an earlier answer was lost.
    AnyRefusal,
    /// Whoever says, after an answer was lost, that it is a master is taken for the heir, whatever it holds. So does Redis.
    AnyMaster,
    /// `FAILOVER ABORT` makes it a master again whatever the heir was asked. So does Redis.
    AbortAlways,
    /// A replica that lost its link while a hand-over waits for it is sent away. So does Redis.
    SendsAway,
    /// Writes are executed until the heir has answered.
    WritesGoOn,
    /// A replica is taken for one that has everything, whatever it confirmed, and does not look itself.
    NobodyAsks,
    /// The heir takes over whatever it has of what it was asked for. So does Redis.
    TakesBlindly,
    /// The second id of a promoted replica goes one write too far.
    SecondTooFar,
    /// Whoever is within the backlog may continue, whatever history it names.
    AnyHistory,
    /// Those who follow a node keep their connection when it goes on under another name.
    NobodyDropped,
    /// `NO ONE` is answered while a batch of the old master lies at the gate, and it is applied.
    NotAtRest,
    /// The master goes on one write too early after a `CONTINUE`.
    AppliedTwice,
    /// The snapshot is served before its last byte is in.
    SwapEarly,
    /// A transaction is applied write by write, and the connection is lost in between.
    HalfATransaction,
    /// A master's snapshot is begun while its own dataset is dropped for one of its master.
    SnapshotOfNothing,
    /// A command of the stream that fails is passed over. So does Redis, unless it is told to panic.
    PassedOver,
    /// The snapshot file of a node that has diverged says that it is at a place of the history.
    FileClaims,
    /// The position in a snapshot file is taken for the place where the process died.
    StaleIsCurrent,
    /// A process comes back without its data and under its old name.
    KeepsName,
    /// A master that comes back from its file writes on under the name in it.
    FileIsHistory,
    /// A log that counts again goes on where it stopped, under the same name.
    Uncounted,
}
