//! LATENCY beside the stock server: what it says but for the times.

use super::*;

/// `text` with every number as `N`: times differ.
fn without_numbers(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars() {
        match c {
            '0'..='9' if shown.ends_with('N') => {}
            '0'..='9' => shown.push('N'),
            c => shown.push(c),
        }
    }
    shown
}

#[test]
fn what_is_slow_is_noted() {
    let said = pair(&["--enable-debug-command", "yes"]).map(|server| {
        let mut client = server.client();
        let mut said = Vec::new();
        let mut run = |line: &str| {
            let reply = client.run(line);
            said.push(format!(
                "{line}: {}",
                without_numbers(&format!("{reply:?}"))
            ));
            reply
        };
        run("LATENCY DOCTOR");
        run("LATENCY LATEST");
        run("LATENCY GRAPH command");
        run("LATENCY HISTORY command");
        run("LATENCY RESET");
        run("LATENCY FOO");
        run("LATENCY HELP");
        run("LATENCY GRAPH");
        // Nothing else here takes so long, unless the machine is very busy.
        run("CONFIG SET latency-monitor-threshold 200");
        run("LATENCY DOCTOR");
        run("DEBUG SLEEP 0.201");
        let latest = run("LATENCY LATEST");
        let event = latest.list()[0].list();
        assert!((201..2000).contains(&event[2].int()), "{latest:?}");
        assert_eq!(event[2], event[3]);
        run("LATENCY HISTORY command");
        run("LATENCY HISTORY fast-command");
        run("LATENCY DOCTOR");
        run("CONFIG SET slowlog-log-slower-than 500000");
        run("LATENCY DOCTOR");
        run("CONFIG SET slowlog-log-slower-than -1");
        run("LATENCY DOCTOR");
        let graph = run("LATENCY GRAPH command").text();
        assert_eq!(graph.lines().count(), 9, "{graph}");
        run("LATENCY RESET foo command");
        run("LATENCY LATEST");
        said
    });
    assert_eq!(said[0], said[1]);
}

#[test]
fn a_threshold_of_the_slow_log_holds_for_who_sets_it() {
    let said = pair(&[]).map(|server| {
        let mut client = server.client();
        let mut logged = Vec::new();
        for threshold in ["10000000 slowlog-max-len 5", "0", "-1", "0", "10000000"] {
            client
                .run(&format!("CONFIG SET slowlog-log-slower-than {threshold}"))
                .ok();
            let slow = client.run("SLOWLOG GET");
            logged.push(
                slow.list()
                    .iter()
                    .map(|one| one.list()[3].clone())
                    .collect(),
            );
            client.run("SLOWLOG RESET").ok();
        }
        let logged: Vec<Vec<_>> = logged;
        assert_eq!(logged[1].len(), 1, "{logged:?}");
        logged
    });
    assert_eq!(said[0], said[1]);
}

#[test]
fn every_command_is_counted() {
    let said = pair(&[]).map(|server| {
        let mut client = server.client();
        let lines = "SET a 1\r\nGET a\r\nGET a\r\nGET a\r\nSET a 1\r\nGET b\r\nLPUSH l 1\r\nBLPOP l 0\r\nMULTI\r\nGET a\r\n\
            INCR a\r\nEXEC\r\nCONFIG GET port\r\nCLIENT ID\r\nCLIENT GETNAME\r\nFOO\r\nGET\r\nLPUSH a 1\r\nSWAPDB 0 1\r\n";
        client.send_raw(lines.as_bytes()).expect("send");
        heard(&mut client);
        let asked = "LATENCY HISTOGRAM get set lpush blpop multi exec incr config client foo swapdb config|get config|set";
        let counted = client.run(asked);
        let calls = counted.list().chunks(2).map(|pair| {
            let steps = pair[1].list()[3].list();
            // The last step has all of them.
            assert_eq!(steps.last(), pair[1].list().get(1), "{counted:?}");
            format!("{}: {:?}", pair[0].text(), pair[1].list()[1])
        });
        let mut calls: Vec<String> = calls.collect();
        // In what order it knows subcommands is chance with the stock server.
        calls.sort();
        let info = client.run("INFO latencystats").text();
        let get = info.lines().find(|line| line.contains("usec_get:"));
        let get = without_numbers(get.expect("a line of GET"));
        client.run("CONFIG SET latency-tracking-info-percentiles").error();
        let mut refused = Vec::new();
        for percentiles in ["50 200", "a", "", "0.0 100 50.55"] {
            let name = "latency-tracking-info-percentiles";
            let set = client.cmd(&["CONFIG", "SET", name, percentiles]);
            refused.push(format!("{set:?} {:?}", client.run(&format!("CONFIG GET {name}"))));
        }
        client.run("CONFIG RESETSTAT").ok();
        let after = client.run("LATENCY HISTOGRAM get");
        client.run("CONFIG SET latency-tracking no").ok();
        client.run("GET a");
        let off = client.run("LATENCY HISTOGRAM get");
        let shown = client.run("INFO latencystats").text();
        let unasked = client.run("INFO").text();
        assert!(!unasked.contains("latency_percentiles"), "{unasked}");
        (calls, get, refused, after, off, shown)
    });
    assert_eq!(said[0], said[1]);
}
