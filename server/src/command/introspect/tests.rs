use super::*;
use crate::command::testing::Bench;
use std::collections::HashSet;

#[test]
fn every_command_is_found_by_its_name_in_any_case() {
    let mut names = HashSet::new();
    for command in all() {
        assert!(names.insert(command.name), "{} twice", command.name);
        for name in [command.name.to_owned(), command.name.to_uppercase()] {
            assert!(std::ptr::eq(find(name.as_bytes()).unwrap(), command));
        }
        for subcommand in command.subcommands {
            let prefix = format!("{}|", command.name);
            assert!(subcommand.name.starts_with(&prefix), "{}", subcommand.name);
        }
    }
    for name in ["", "nosuch", "get2", "ge", "\0"] {
        assert!(find(name.as_bytes()).is_none());
    }
}

#[test]
fn every_entry_is_whole() {
    let subcommands = all().flat_map(|c| c.subcommands);
    for command in all().chain(subcommands) {
        let name = command.name;
        assert_eq!(name, name.to_lowercase());
        assert!(
            !command.summary.is_empty() && !command.group.is_empty(),
            "{name}"
        );
        assert!(!(command.is(WRITE) && command.is(READONLY)), "{name}");
        assert!(command.arity != 0, "{name}");
        if let KeySpec::Range { first, .. } = command.keys {
            let least = command.arity.unsigned_abs() as usize;
            // Commands that take any number of keys may take none.
            assert!(
                first < least || command.arity == -1,
                "{name}: arity and keys"
            );
        }
    }
}

#[test]
fn the_table_answers() {
    let mut bench = Bench::new();
    bench.check(&[
        (
            "command info get nosuch",
            "*2 *10 $3 get :2 *2 +readonly +fast :1 :1 :1 *3 +@read +@string +@fast *0 \
             *1 *6 $5 flags *2 +RO +access \
             $12 begin_search *4 $4 type $5 index $4 spec *2 $5 index :1 \
             $9 find_keys *4 $4 type $5 range $4 spec *6 $7 lastkey :0 $7 keystep :1 $5 limit :0 \
             *0 $-1",
        ),
        ("command getkeys mset a 1 b 2", "*2 $1 a $1 b"),
        ("command getkeys object encoding k", "*1 $1 k"),
        (
            "command getkeys ping x",
            "-ERR The command has no key arguments",
        ),
        (
            "command getkeys get",
            "-ERR wrong number of arguments for 'command|getkeys' command",
        ),
        (
            "command getkeys get a b",
            "-ERR Invalid number of arguments specified for command",
        ),
        ("command getkeys nosuch a", "-ERR Invalid command specified"),
        (
            "command getkeys zunionstore d 3 a b",
            "-ERR Invalid arguments specified for command",
        ),
        ("command getkeysandflags get a", "*1 *2 $1 a *2 +RO +access"),
        ("command list filterby pattern getr*", "*1 $8 getrange"),
        ("command list filterby module m", "*0"),
        ("command list foo", "-ERR syntax error"),
        (
            "command foo",
            "-ERR unknown subcommand 'foo'. Try COMMAND HELP.",
        ),
        (
            "object",
            "-ERR wrong number of arguments for 'object' command",
        ),
        (
            "object encoding",
            "-ERR wrong number of arguments for 'object|encoding' command",
        ),
        (
            "foo bar baz",
            "-ERR unknown command 'foo', with args beginning with: 'bar' 'baz'",
        ),
        (
            "command docs getdel",
            "*2 $6 getdel *10 $7 summary $43 Returns the string at a key and removes it. \
             $5 since $5 6.2.0 $5 group $6 string $10 complexity $4 O(1) \
             $9 arguments *1 *6 $4 name $3 key $4 type $3 key $14 key_spec_index :0",
        ),
    ]);
    let listed = bench.run("command list");
    assert!(listed.contains(" get ") && listed.contains(" object|encoding "));
    assert_eq!(bench.run("command count"), format!(":{}", all().count()));
}
