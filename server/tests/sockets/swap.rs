//! What the swap of a full sync is to those who look on: clients of the replica, and its own replicas.

use crate::common::wait::check;
use crate::common::*;
use std::time::Duration;

/// A stock master with a function that returns `answer`, and the key `same`.
fn answering(answer: &str) -> Server {
    let master = Server::redis(&[]);
    let code = format!(
        "#!lua name={answer}\nredis.register_function{{function_name='f', callback=function() return '{answer}' end, \
         flags={{'no-writes'}}}}"
    );
    let mut client = master.client();
    assert_eq!(client.cmd(&["FUNCTION", "LOAD", &code]).text(), answer);
    client.run("SET same 1").ok();
    master
}

/// A client that waits for the stream `waited`.
fn waits(server: &Server) -> Client {
    let mut waiter = server.client();
    waiter.set_timeout(Duration::from_secs(5));
    let line = "XREAD BLOCK 0 STREAMS waited 0";
    waiter.send_line(line).expect("send");
    eventually("it waits", || {
        let blocked = server.info("clients").num("blocked_clients");
        check(blocked == 1, || format!("{blocked} wait"))
    });
    waiter
}

fn assert_served(waiter: &mut Client) {
    let served = waiter.read().expect("who waits is served");
    let entry = &served.list()[0].list()[1].list()[0];
    assert_eq!(entry.list()[0].text(), "7-7");
}

#[test]
fn whoever_looks_on_sees_it() {
    let (first, second) = (answering("old"), answering("new"));
    second.run("XADD waited 7-7 f v");
    let (ours, below) = (Server::damselfly(&[]), Server::damselfly(&[]));
    ours.follow(first.port);
    below.follow(ours.port);
    let mut waiter = waits(&ours);
    let [mut watcher, mut cacher, mut listener] = [(); 3].map(|()| ours.client());
    for line in ["WATCH same", "MULTI", "GET same"] {
        watcher.run(line);
    }
    let id = listener.run("CLIENT ID").int();
    listener.run("SUBSCRIBE __redis__:invalidate news");
    listener.read().expect("the second answer");
    cacher
        .run(&format!("CLIENT TRACKING ON REDIRECT {id}"))
        .ok();
    cacher.run("GET same");
    assert_eq!(ours.run("FCALL_RO f 0").text(), "old");

    ours.follow(second.port);
    // Its master says nothing more for a while.
    assert_served(&mut waiter);
    assert_eq!(watcher.run("EXEC"), Value::Nil);
    let told = listener.read().expect("who caches is told");
    assert_eq!(told.list()[1].text(), "__redis__:invalidate");
    assert_eq!(told.list()[2], Value::Nil);
    assert_eq!(ours.run("FCALL_RO f 0").text(), "new");
    second.run("PUBLISH news now");
    let heard = listener.read().expect("a message");
    assert_eq!(heard.list()[2].text(), "now");
    below.await_link(ours.port);
    await_caught_up(&ours, &below);
    assert_same_data(&second, &below);
}

/// Nobody else does in a pause, during which the stream waits and nothing is done by itself.
#[test]
fn who_waits_is_served_by_the_swap_itself() {
    let (first, second) = (Server::redis(&[]), Server::redis(&[]));
    second.run("XADD waited 7-7 f v");
    let ours = Server::damselfly(&[]);
    ours.follow(first.port);
    let mut waiter = waits(&ours);
    ours.run("CLIENT PAUSE 100000 WRITE").ok();
    ours.follow(second.port);
    assert_served(&mut waiter);
}
