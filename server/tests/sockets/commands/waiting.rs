//! Clients that wait, several at once: who is served with what, and who goes on waiting, is as the stock server has it.

use super::programs::Rng;
use super::setting;
use crate::common::wait::check;
use crate::common::{Client, Server, Value, eventually};

const CLIENTS: usize = 5;

/// What may wait; `$k` is a key.
const WAITING: &[&str] = &[
    "BLPOP $k $k 0",
    "BRPOP $k 0",
    "BLMOVE $k $k LEFT RIGHT 0",
    "BLMOVE $k $k RIGHT LEFT 0",
    "BRPOPLPUSH $k $k 0",
    "BLMPOP 0 2 $k $k LEFT COUNT 2",
    "BLMPOP 0 1 $k RIGHT",
    "BZPOPMIN $k $k 0",
    "BZPOPMAX $k 0",
    "BZMPOP 0 2 $k $k MIN",
    "BZMPOP 0 1 $k MAX COUNT 3",
    "XREAD BLOCK 0 STREAMS $k $",
    "XREAD COUNT 1 BLOCK 0 STREAMS $k $k $ 0",
    "XREADGROUP GROUP g c BLOCK 0 STREAMS $k >",
];

/// What others do meanwhile. `$i` is greater each time.
const DEEDS: &[&str] = &[
    "RPUSH $k a",
    "RPUSH $k a b c",
    "LPUSH $k x y",
    "LPUSHX $k e",
    "ZADD $k 1 a",
    "ZADD $k 1 a 2 b",
    "ZINCRBY $k 1 m",
    "GEOADD $k 1 1 m",
    "XADD $k $i-1 f v",
    "XADD $k NOMKSTREAM $i-1 f v",
    "XGROUP CREATE $k g $ MKSTREAM",
    "XGROUP DESTROY $k g",
    "SADD $k m",
    "SET $k v",
    "DEL $k",
    "LPOP $k",
    "EXPIRE $k -1",
    "LINSERT $k BEFORE a q",
    "RENAME $k $k",
    "COPY $k $k REPLACE",
    "LMOVE $k $k LEFT RIGHT",
    "SORT $k STORE $k",
    "ZUNIONSTORE $k 1 $k",
    "ZRANGESTORE $k $k 0 -1",
    "SUNIONSTORE $k $k",
    "MOVE $k 1",
    "SWAPDB 0 1",
    "FLUSHDB",
    "LRANGE $k 0 -1",
    "MULTI; RPUSH $k 1 2; DEL $k; RPUSH $k 3; EXEC",
    "MULTI; ZADD $k 1 a; RPUSH $k a; XADD $k $i-1 f v; EXEC",
    "EVAL redis.call('rpush',KEYS[1],'s')redis.call('rpush',KEYS[2],'t') 2 $k $k",
    "EVAL redis.call('rpush',KEYS[1],'s')redis.call('del',KEYS[1]) 1 $k",
];

/// One server, its clients, and one that looks on.
struct Side {
    clients: Vec<Client>,
    numbers: Vec<i64>,
    waits: Vec<bool>,
    looks: Client,
}

impl Side {
    fn new(server: &Server, proto: &str) -> Side {
        let mut looks = server.client();
        looks.run("FLUSHALL").ok();
        let mut clients: Vec<Client> = (0..CLIENTS).map(|_| server.client()).collect();
        let hello = |client: &mut Client| assert!(!client.run(proto).is_error());
        clients.iter_mut().for_each(hello);
        let numbers = clients.iter_mut().map(|c| c.run("CLIENT ID").int());
        Side {
            numbers: numbers.collect(),
            clients,
            waits: vec![false; CLIENTS],
            looks,
        }
    }

    /// Who waits now, as the server says.
    fn waiting(&mut self) -> Vec<bool> {
        let list = self.looks.run("CLIENT LIST").text();
        let waits = |id: &i64| {
            let own = list.lines().find(|l| l.starts_with(&format!("id={id} ")));
            let flags = own.and_then(|line| line.split(" flags=").nth(1));
            flags.is_some_and(|f| f.split(' ').next().is_some_and(|f| f.contains('b')))
        };
        self.numbers.iter().map(waits).collect()
    }

    /// Sends `line`, whose last command `may_wait`, and returns once it is answered or waits: the replies of one that
    /// cannot wait.
    fn send(&mut self, client: usize, line: &str, may_wait: bool) -> Vec<Value> {
        let commands: Vec<&str> = line.split("; ").collect();
        for command in &commands {
            self.clients[client].send_line(command).expect("send");
        }
        if !may_wait {
            let replies = commands.iter().map(|_| self.clients[client].read());
            return replies.map(|reply| reply.expect("a reply")).collect();
        }
        eventually("it is answered, or waits", || {
            let done = self.is_answered(client) || self.waiting()[client];
            check(done, || format!("{line} is neither"))
        });
        Vec::new()
    }

    fn is_answered(&self, client: usize) -> bool {
        let socket = self.clients[client].socket();
        socket.set_nonblocking(true).expect("do not block");
        let answered = socket.peek(&mut [0]).is_ok();
        socket.set_nonblocking(false).expect("block");
        answered
    }

    /// What those are told who waited, or asked to, and do not any more, as `waits` says.
    fn heard(&mut self, asked: Option<usize>, waits: &[bool]) -> Vec<(usize, Value)> {
        let waited = |i: &usize| self.waits[*i] || asked == Some(*i);
        let served: Vec<usize> = (0..CLIENTS).filter(waited).filter(|i| !waits[*i]).collect();
        self.waits = waits.to_vec();
        let read = |i: usize| (i, self.clients[i].read().expect("a reply"));
        served.into_iter().map(read).collect()
    }
}

fn filled(rng: &mut Rng, template: &str, step: usize) -> String {
    let mut line = template.replace("$i", &step.to_string());
    while line.contains("$k") {
        let key = format!("k{}", 1 + rng.below(3));
        line = line.replacen("$k", &key, 1);
    }
    line
}

fn program(servers: &[Server; 2], seed: u64) {
    let mut rng = Rng(seed);
    let proto = *rng.pick(&["HELLO 2", "HELLO 3"]);
    let [mut stock, mut ours] = servers.each_ref().map(|server| Side::new(server, proto));
    let mut history = Vec::new();
    for step in 1..=20 {
        let idle: Vec<usize> = (0..CLIENTS).filter(|i| !stock.waits[*i]).collect();
        let Some(&client) = (!idle.is_empty()).then(|| rng.pick(&idle)) else {
            break;
        };
        let waits = idle.len() > 1 && rng.below(5) < 2;
        let template = *rng.pick(if waits { WAITING } else { DEEDS });
        let line = filled(&mut rng, template, step);
        history.push(format!("{client}: {line}"));
        let told = [&mut stock, &mut ours].map(|side| side.send(client, &line, waits));
        let wait = stock.waiting();
        eventually("the same clients wait", || {
            let own = ours.waiting();
            check(own == wait, || {
                format!("{wait:?} and here {own:?}:\n{}", history.join("\n"))
            })
        });
        let asked = waits.then_some(client);
        let served = [&mut stock, &mut ours].map(|side| side.heard(asked, &wait));
        let [theirs, own] = [0, 1].map(|i| (&told[i], &served[i]));
        assert_eq!(own, theirs, "seed {seed}:\n{}", history.join("\n"));
    }
}

#[test]
fn clients_that_wait_are_served_as_the_stock_server_serves_them() {
    let servers = [Server::redis(&[]), Server::damselfly(&[])];
    let first = setting("DAMSELFLY_SEED", 1);
    for seed in first..first + setting("DAMSELFLY_PROGRAMS", 25) {
        program(&servers, seed);
    }
}
