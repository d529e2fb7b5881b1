//! Every fault of the catalogue against the model: which property notices it, in which world.
//!
//! A property notices a fault when it is broken in a step before which none was: what follows from a broken
//! property says nothing. The worlds are small, and all of each is looked at, so that "this property alone" can be
//! said. What the proofs notice is read from `damselfly-proofs mutants`.

use std::collections::HashSet;
use std::fmt::Write;
use std::hash::BuildHasher;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use anyhow::{Context, Result};
use damselfly_core::Node;
use damselfly_core::mutant::{self, ALL, Mutant};
use damselfly_core::properties::{Broken, Property};
use foldhash::quality::FixedState;
use stateright::Model;

use crate::live;
use crate::model::InWorld;
use crate::several::{self, May, Until};
use crate::tiny::Tiny;
use crate::world::{Setting, Start, World};

type Ours = InWorld<Node<Tiny>>;

/// One client, and all that can happen to a node.
const ALL_INPUTS: Setting = Setting {
    clients: 1,
    masters: 2,
    start: Start::Cold,
    reads: false,
    toggles: false,
    marks: false,
    canonical: true,
    links: true,
    hand_over: true,
};

/// Two clients, whose commands overtake each other.
const COMMANDS: Setting = Setting {
    clients: 2,
    hand_over: false,
    ..ALL_INPUTS
};

/// Both, where neither has noticed anything.
const BOTH: Setting = Setting {
    clients: 2,
    ..ALL_INPUTS
};

/// Two full nodes.
const NODES: several::Size = several::Size {
    nodes: 2,
    writes: 2,
    may: May::ALL,
    commands: Some(2),
    fault: None,
};

/// More states than a world has in which nothing is wrong; one with a fault is not followed farther.
const MOST: usize = 30_000;

/// What noticed a fault.
#[derive(Default)]
struct Noticed {
    proof: Vec<String>,
    model: Broken,
    nodes: Broken,
    /// And how the link does not converge.
    live: Option<live::Stuck>,
}

impl Noticed {
    fn by(&self, property: Property) -> bool {
        self.model.has(property)
            || self.nodes.has(property)
            || self.proof.iter().any(|p| p == property.name())
            || (property == Property::LinkConverges && self.live.is_some())
    }

    fn properties(&self) -> Vec<Property> {
        let all = Property::ALL.iter().copied();
        all.filter(|p| self.by(*p)).collect()
    }
}

/// Runs all faults; true if each is killed as the catalogue says, and the table is as it was (or is written).
///
/// # Errors
/// What the proofs say cannot be read, or the table not be read or written.
pub fn run(write: bool) -> Result<bool> {
    let mut proofs = std::io::stdin().lines();
    // A line at a time, so that both work at once.
    let mut next = |name: &str| -> Result<String> {
        let line = proofs.next().context("the proofs say too little")??;
        let said = line.split_once('\t').filter(|(of, _)| *of == name);
        let (_, said) = said.with_context(|| format!("of {name} the proofs say: {line}"))?;
        Ok(said.to_owned())
    };
    let shipped = find(None, &next(SHIPPED)?);
    let mut good = shipped.properties().is_empty() && shipped.proof.is_empty();
    println!(
        "{SHIPPED}: {}",
        if good {
            "nothing to find"
        } else {
            "not as it should be"
        }
    );
    let mut rows = Vec::new();
    for (at, fault) in ALL.iter().enumerate() {
        let noticed = find(Some(at), &next(fault.name)?);
        println!("{}", row(fault, &noticed));
        rows.push((fault, noticed));
    }
    for (fault, noticed) in &rows {
        if !noticed
            .properties()
            .iter()
            .any(|p| p.name() == fault.breaks)
        {
            good = false;
            println!("{} was to break {}", fault.name, fault.breaks);
        }
    }
    let (sums, enough) = sums(&rows);
    print!("{sums}");
    let table = table(&rows, &sums);
    let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/MUTANTS.md"));
    if write {
        std::fs::write(file, table).with_context(|| file.display().to_string())?;
    } else if std::fs::read_to_string(file).ok() != Some(table) {
        good = false;
        println!("model/MUTANTS.md does not say this; to write it anew: {COMMAND} --write");
    }
    Ok(good && enough)
}

/// What the proofs call the core without a fault.
const SHIPPED: &str = "shipped";

/// How the table is made.
const COMMAND: &str = "cargo run -q --profile checked -p damselfly-proofs --features mutants -- mutants | \
    cargo run -q --profile checked -p damselfly-model --features mutants -- mutants";

/// Why no property alone notices any fault of some, if that is so.
const NEVER_ALONE: &[(Property, &str)] = &[];

/// A line for each property, and whether each kills as many as it should.
fn sums(rows: &[(&Mutant, Noticed)]) -> (String, bool) {
    let mut text = String::new();
    let mut enough = true;
    for property in Property::ALL {
        let killed = || rows.iter().filter(|(_, n)| n.by(*property));
        let alone = killed().filter(|(_, n)| n.properties().len() == 1);
        let (killed, alone) = (killed().count(), alone.count());
        let why = NEVER_ALONE.iter().find(|(p, _)| p == property);
        enough &= killed >= 3 && (alone > 0) != why.is_some();
        let why = why.map_or(String::new(), |(_, why)| format!(": {why}"));
        let _ = writeln!(
            text,
            "- `{property}` kills {killed}, {alone} of them alone{why}"
        );
    }
    (text, enough)
}

fn row(fault: &Mutant, noticed: &Noticed) -> String {
    let list = |broken: Broken| {
        broken
            .iter()
            .map(|p| p.name().to_owned())
            .collect::<Vec<_>>()
    };
    let live = noticed.live.as_ref().map(|why| {
        let why = match why {
            live::Stuck::DeadEnd => "a dead end",
            live::Stuck::Cycle => "a cycle",
            live::Stuck::Unanswered => "no answer",
        };
        format!("{} ({why})", Property::LinkConverges)
    });
    let columns = [
        noticed.proof.clone(),
        list(noticed.model),
        list(noticed.nodes),
        live.into_iter().collect(),
    ];
    let columns = columns.map(|c| {
        if c.is_empty() {
            "-".to_owned()
        } else {
            c.join(", ")
        }
    });
    let verdict = if noticed.properties().is_empty() {
        "survived"
    } else {
        "killed"
    };
    format!(
        "{} | {} | {} | {} | {} | {} | {verdict}",
        fault.name, fault.meaning, columns[0], columns[1], columns[2], columns[3]
    )
}

fn table(rows: &[(&Mutant, Noticed)], sums: &str) -> String {
    let mut text = format!(
        "# Faults that are put in, and what finds them\n\n\
         Made by `./test mutants`, which fails when what it finds is not what stands here. To write it anew:\n\n\
         ```sh\n{COMMAND} --write\n```\n\n\
         {} faults of one line each (`core/mutants/*.txt`), put into copies of the shipped sources one at a time. A \
         property is named when a step breaks it before which none was broken:\n\n\
         - proof: in any state that satisfies the invariant, for any number of hosts, ids and steps; `invariant` says \
         that the induction does not go through, which alone is no kill;\n\
         - model: in every state of one node with 2 masters, with 1 client and all that can happen, with 2 clients and \
         all but hand-over, and with both if nothing was found so far;\n\
         - nodes: in every state of two full nodes, with two commands, crashes, saves or divergences;\n\
         - liveness: on the graph of all states of the first of these worlds.\n\n\
         What several properties notice is not followed farther than the shortest ways, and not to liveness.\n\n\
         {sums}\n\
         name | what is wrong | proof | model | nodes | liveness | verdict\n\
         ---|---|---|---|---|---|---\n",
        rows.len()
    );
    for (fault, noticed) in rows {
        text += &row(fault, noticed);
        text.push('\n');
    }
    text
}

/// Switches a fault on (none: the shipped core), and looks everywhere.
///
/// Where a fault is noticed by more than one property there is nothing to be learned from what else would: a world is
/// left after the shortest ways to it.
fn find(at: Option<usize>, proof: &str) -> Noticed {
    // A core that is wrong may lead the world to where it has no name for what there is.
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    mutant::switch(at);
    let words = proof.split(',').filter(|w| !w.is_empty());
    let mut noticed = Noticed {
        proof: words.map(str::to_owned).collect(),
        ..Noticed::default()
    };
    if noticed.properties().len() > 1 {
        noticed.visit(ALL_INPUTS);
    } else {
        let model = Ours::checking(ALL_INPUTS, vec![]);
        let found = catch_unwind(AssertUnwindSafe(|| live::within(&model, None, MOST)));
        if let Ok(Some(found)) = found {
            noticed.model = found.broken;
            noticed.live = found.stuck.map(|(why, _)| why);
        } else {
            noticed.visit(ALL_INPUTS);
        }
        noticed.visit(COMMANDS);
        if noticed.properties().is_empty() && at.is_some() {
            noticed.visit(BOTH);
        }
    }
    let until = match noticed.properties().len() {
        0 | 1 => Until::All,
        _ => Until::Any,
    };
    let explored = catch_unwind(|| several::explore(&NODES, until, None));
    noticed.nodes = explored.map_or(Broken::default(), |e| e.broken);
    mutant::switch(None);
    std::panic::set_hook(quiet);
    noticed
}

impl Noticed {
    /// Every state of a world to which no broken property leads.
    fn visit(&mut self, setting: Setting) {
        let mut broken = Broken::default();
        let several = |broken: Broken| {
            let all = self.model.and(broken);
            let by = |p: &Property| all.has(*p) || self.by(*p);
            Property::ALL.iter().filter(|p| by(p)).count() > 1
        };
        let _ = catch_unwind(AssertUnwindSafe(|| visit(setting, &mut broken, several)));
        self.model = self.model.and(broken);
    }
}

fn visit(setting: Setting, broken: &mut Broken, several: impl Fn(Broken) -> bool) {
    let model = Ours::checking(setting, vec![]);
    let hasher = FixedState::with_seed(0);
    let mut frontier = model.init_states();
    let mut seen: HashSet<u64> = frontier.iter().map(|w| hasher.hash_one(w)).collect();
    let mut actions = Vec::new();
    while !frontier.is_empty() && seen.len() < MOST {
        for world in std::mem::take(&mut frontier) {
            model.actions(&world, &mut actions);
            for action in actions.drain(..) {
                let mut next: World<Node<Tiny>> = world.clone();
                next.act(&setting, action, &mut ());
                if !next.broken.is_empty() {
                    *broken = broken.and(next.broken);
                    continue;
                }
                let next = next.canonical(&setting);
                if seen.insert(hasher.hash_one(&next)) {
                    frontier.push(next);
                }
            }
        }
        if !broken.is_empty() && several(*broken) {
            return;
        }
    }
}
