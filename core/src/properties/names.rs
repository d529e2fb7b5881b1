//! The properties by name, and sets of them.

use core::fmt;

macro_rules! properties {
    ($($variant:ident $name:literal $doc:literal)*) => {
        /// A property of REPLICAOF.md.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
        pub enum Property { $(#[doc = $doc] $variant,)* }

        impl Property {
            /// Every property, in the order of REPLICAOF.md.
            pub const ALL: &'static [Property] = &[$(Property::$variant,)*];

            /// The name it has everywhere: in the model, the proofs, the tests, the documentation.
            pub fn name(self) -> &'static str {
                match self { $(Property::$variant => $name,)* }
            }
        }
    };
}

properties! {
    LinearizableRole "linearizable_role" "The role behaves as a register that OKs write."
    TicketOrder "ticket_order" "Committed tickets only grow."
    FailedAttemptIsNoop "failed_attempt_is_noop" "An error changed nothing."
    NoSpuriousRefusal "no_spurious_refusal" "A greeted attempt that nothing fences commits."
    SingleLiveLink "single_live_link" "At most one link may change the dataset."
    NoPrematureLoading "no_premature_loading" "LOADING begins with a snapshot, not before."
    NoLeakedLoading "no_leaked_loading" "LOADING ends when its owner ends."
    ReadsStayAvailable "reads_stay_available" "A whole dataset is served."
    OffsetDescribesDataset "offset_describes_dataset" "Replid and offset are those of the data held."
    Prefix "prefix" "A streaming replica holds a prefix of its master's history."
    NoDoubleApply "no_double_apply" "No entry is applied twice or skipped."
    NoFalseContinue "no_false_continue" "CONTINUE is not accepted by a diverged history."
    AtomicSwap "atomic_swap" "The old dataset or the new one, never both."
    NoSplitWrite "no_split_write" "Nothing of the old stream is applied by a master."
    NoPartialPromotion "no_partial_promotion" "What is promoted is a whole dataset."
    TakeoverKeepsWrites "takeover_keeps_writes" "A hand-over loses no acknowledged write."
    EveryCommandAnswered "every_command_answered" "Every command gets exactly one reply."
    LinkConverges "link_converges" "When failures stop, the link ends streaming."
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of properties: those that were broken.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Broken(u32);

impl Broken {
    /// Adds `property`.
    pub fn add(&mut self, property: Property) {
        self.0 |= 1 << property as u32;
    }

    /// Whether `property` is among them.
    pub fn has(self, property: Property) -> bool {
        self.0 & (1 << property as u32) != 0
    }

    /// Whether none is.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those of both.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The properties, in order.
    pub fn iter(self) -> impl Iterator<Item = Property> {
        Property::ALL.iter().copied().filter(move |p| self.has(*p))
    }

    pub(super) fn unless(&mut self, holds: bool, property: Property) {
        if !holds {
            self.add(property);
        }
    }
}
