//! What a server is asked to do, and by whom.

use std::fmt;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use damselfly_benches::Server;

use super::CLIENTS;

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The stock redis-benchmark.
    Benchmark,
    /// The program `load` beside this one.
    Load,
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            By::Benchmark => "redis-benchmark",
            By::Load => "load",
        })
    }
}

/// Requests.
pub struct Job<'a> {
    /// How many clients send them; [`By::Load`] has always [`CLIENTS`].
    pub clients: u64,
    /// The command, its arguments apart by a blank; `__rand_int__` in them is a number below `range`.
    pub command: &'a str,
    /// The name of a test of redis-benchmark that sends this very command.
    pub test: Option<&'a str>,
    /// How many each client sends at once.
    pub pipeline: u64,
    /// How many there are of them in all.
    pub count: u64,
    /// How many keys, or elements, there are.
    pub range: u64,
}

impl Job<'_> {
    /// Microseconds of the server's CPU per operation, the load pinned to `cpu`.
    pub fn cost(&self, server: &Server, by: By, cpu: Option<usize>) -> Result<f64> {
        let before = server.cpu()?;
        self.run(server.port, by, cpu)?;
        let used = (server.cpu()? - before).as_secs_f64();
        ensure!(used > 0.0, "{} cost nothing", self.command);
        Ok(used * 1e6 / self.count as f64)
    }

    /// Sends them all and takes the replies.
    pub fn run(&self, port: u16, by: By, cpu: Option<usize>) -> Result<()> {
        let program = match by {
            By::Benchmark => "redis-benchmark".into(),
            By::Load => std::env::current_exe()?.with_file_name("load"),
        };
        let mut command = match cpu {
            Some(cpu) => {
                let mut command = Command::new("taskset");
                command.args(["-c", &cpu.to_string()]).arg(&program);
                command
            }
            None => Command::new(&program),
        };
        let numbers = [self.pipeline, self.count, self.range].map(|n| n.to_string());
        let [pipeline, count, range] = &numbers;
        match by {
            By::Benchmark => {
                let clients = self.clients.to_string();
                command.args(["-q", "-p", &port.to_string()]);
                command.args(["-P", pipeline, "-n", count, "-r", range, "-c", &clients]);
                match self.test {
                    Some(test) => command.args(["-t", test]),
                    None => command.args(self.command.split(' ')),
                };
            }
            By::Load => {
                ensure!(self.clients == CLIENTS, "always {CLIENTS} clients");
                command.args([&port.to_string(), pipeline, count, range]);
                command.args(self.command.split(' '));
            }
        }
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        let status = status.with_context(|| format!("{}: is it there?", program.display()))?;
        ensure!(status.success(), "{} by {by} failed", self.command);
        Ok(())
    }
}
