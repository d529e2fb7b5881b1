//! Replication between servers that ask who one is.

use crate::common::wait::check;
use crate::common::*;

/// What a replica needs to be the one user who may replicate.
const REPLICA: &[&str] = &["--masteruser", "link", "--masterauth", "pw"];

fn as_operator(server: &Server) -> Client {
    let mut client = server.client();
    client.run("AUTH secret").ok();
    client
}

#[test]
fn a_replica_logs_in_as_a_user_who_may_do_nothing_else() {
    for (master, replica) in [
        (Kind::Damselfly, Kind::Damselfly),
        (Kind::Damselfly, Kind::Redis),
        (Kind::Redis, Kind::Damselfly),
    ] {
        let what = format!("{replica:?} follows {master:?}");
        let master = Server::start(master, &[]);
        for line in [
            "ACL SETUSER link on >pw +psync +replconf +ping",
            "ACL SETUSER default resetpass >secret",
        ] {
            master.run(line).ok();
        }
        let mut operator = as_operator(&master);
        operator.run("SET before 1").ok();
        let replica = Server::start(replica, REPLICA);
        // The stream of the master is not checked, whatever the replica's users may do.
        replica.run("ACL SETUSER default -set -del").ok();
        replica
            .run(&format!("REPLICAOF 127.0.0.1 {}", master.port))
            .ok();
        eventually(&what, || {
            let seen = format!("{:?}", replica.run("GET before"));
            check(seen == "\"1\"", || seen)
        });
        operator.run("SET after 2").ok();
        operator.run("DEL before");
        eventually(&what, || {
            let seen = format!(
                "{:?} {:?}",
                replica.run("GET after"),
                replica.run("GET before")
            );
            check(seen == "\"2\" nil", || seen)
        });
        let refused = replica.run("SET x 1");
        assert!(refused.error().starts_with("NOPERM"), "{refused:?}");
        // A replica goes with its user, and does not come again.
        assert_eq!(operator.run("ACL DELUSER link").int(), 1);
        eventually(&what, || {
            let info = Info::of(&mut operator, "replication");
            check(info.num("connected_slaves") == 0, || info.short())
        });
    }
}

/// A replica that is refused keeps what it has, and says why.
#[test]
fn who_may_not_replicate_is_told_so() {
    for master in [Kind::Damselfly, Kind::Redis] {
        let master = Server::start(master, &[]);
        master.run("ACL SETUSER link on >pw +ping +replconf").ok();
        let replica = Server::damselfly(REPLICA);
        replica.run("SET own 1").ok();
        let follow = format!("REPLICAOF 127.0.0.1 {}", master.port);
        replica.run(&follow).ok();
        eventually("the refusal shows", || {
            let info = replica.info("replication");
            let why = info.get("master_link_last_error");
            check(why.contains("NOPERM"), || why)
        });
        assert_eq!(replica.run("GET own").text(), "1");
        replica.run("REPLICAOF NO ONE").ok();
        replica.run("CONFIG SET masterauth wrong").ok();
        let reply = replica.run(&follow);
        assert!(reply.error().contains("WRONGPASS"), "{reply:?}");
        assert_eq!(replica.run("GET own").text(), "1");
    }
}

#[test]
fn the_links_of_a_users_replicas_can_be_killed() {
    for kind in [Kind::Redis, Kind::Damselfly] {
        let master = Server::start(kind, &[]);
        master
            .run("ACL SETUSER link on >pw +psync +replconf +ping")
            .ok();
        let replica = Server::damselfly(REPLICA);
        replica.follow(master.port);
        let id = || {
            let list = master.run("CLIENT LIST TYPE replica").text();
            list.split(' ').next().unwrap_or_default().to_owned()
        };
        let before = id();
        assert_eq!(master.run("CLIENT KILL USER link").int(), 1, "{kind:?}");
        eventually("it comes again", || {
            let now = id();
            check(!now.is_empty() && now != before, || now.clone())
        });
        replica.await_link(master.port);
        assert_eq!(master.info("stats").num("sync_partial_ok"), 1);
        assert_eq!(master.run("CLIENT KILL USER link TYPE normal").int(), 0);
        assert_eq!(master.run("CLIENT KILL USER link TYPE replica").int(), 1);
        replica.await_link(master.port);
    }
}
