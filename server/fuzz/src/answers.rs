//! What a master says from the first moment to the first byte of its snapshot: greeting, answer to PSYNC, extent.

use damselfly_core::Answer;
use damselfly_server::config::Config;
use damselfly_server::repl::domain::Host;
use damselfly_server::repl::greet::reach;
use damselfly_server::repl::link::parse_answer;
use damselfly_server::repl::load::Extent;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;

/// So much is said by those who have nothing to say.
const MOST: usize = 8 << 10;

/// It means the same, in whatever pieces it comes.
pub fn body(data: &[u8]) {
    let data = &data[..data.len().min(MOST)];
    RIG.with(|rig| {
        let whole = rig.heard(data, data.len());
        for step in [1 + data.len() / 2, 1 + data.len() / 7] {
            assert_eq!(rig.heard(data, step), whole, "in pieces of {step}");
        }
    });
}

thread_local! {
    static RIG: Rig = Rig::new();
}

/// A master that says what it is told to.
struct Rig {
    runtime: Runtime,
    listener: TcpListener,
    host: Host,
    config: Config,
}

impl Rig {
    fn new() -> Rig {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0)));
        let listener = listener.expect("a port of the loopback");
        let port = listener.local_addr().expect("its address").port();
        Rig {
            runtime,
            listener,
            host: Host::new("127.0.0.1", port).expect("a host"),
            config: Config::new(),
        }
    }

    /// What a replica makes of `data`, said in pieces of `step` bytes.
    fn heard(&self, data: &[u8], step: usize) -> String {
        let master = async {
            let (mut stream, _) = self.listener.accept().await.expect("a connection");
            stream.set_nodelay(true).expect("no delay");
            for piece in data.chunks(step.max(1)) {
                // Who has heard enough has left.
                if stream.write_all(piece).await.is_err() {
                    break;
                }
                yield_now().await;
            }
            let _ = stream.shutdown().await;
            // Dropped only once the other has read it all: a reset would take the last bytes with it.
            stream
        };
        let (heard, _) = self
            .runtime
            .block_on(async { tokio::join!(self.replica(), master) });
        heard
    }

    async fn replica(&self) -> String {
        let mut reached = match reach(self.host, &self.config.settings()).await {
            Ok(reached) => reached,
            Err(why) => return why.to_string(),
        };
        let greeted = format!("run id {:?}", reached.run_id);
        let answer = match reached.peer.line_after_pings().await {
            Ok(line) => parse_answer(&line),
            Err(why) => return format!("{greeted}, then {why}"),
        };
        let extent = match &answer {
            Ok(Answer::FullResync(_)) => match reached.peer.line_after_pings().await {
                Ok(line) => Extent::parse(&line),
                Err(why) => return format!("{greeted}, {answer:?}, then {why}"),
            },
            _ => None,
        };
        format!("{greeted}, {answer:?}, {extent:?}")
    }
}
