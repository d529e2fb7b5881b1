//! What a replica is sent: the answer to its PSYNC, a snapshot if need be, and the stream.

use super::replica::{End, Replica, State};
use super::{Master, Plan};
use crate::log::{Cursor, Dropped};
use crate::repl::domain::Id;
use crate::repl::snapshot::{Begin, Form, Part};
use crate::sys::fs::{File, FileExt};
use crate::sys::task;
use bytes::Bytes;
use std::future::poll_fn;
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

/// Bytes of the log taken at a time: they are held beyond the log's own limit.
const BATCH: usize = 256 << 10;

/// How often a replica that waits for a snapshot gets a newline.
const KEEP_ALIVE: Duration = Duration::from_secs(1);

/// Sends the replica all it is to get. Never ends well: a stream has no end.
pub(super) async fn feed(
    master: &Master,
    replica: &Replica,
    writer: impl AsyncWrite + Unpin,
    plan: Plan,
) -> End {
    let mut feed = Feed {
        master,
        replica,
        writer,
    };
    let streamed = match plan {
        Plan::Continue(cursor, replid) => feed.resume(cursor, replid).await,
        Plan::Full => feed.full_sync().await,
    };
    match streamed {
        Ok(never) => match never {},
        Err(end) => end,
    }
}

enum Never {}

struct Feed<'a, W> {
    master: &'a Master,
    replica: &'a Replica,
    writer: W,
}

impl<W: AsyncWrite + Unpin> Feed<'_, W> {
    async fn resume(&mut self, cursor: Cursor, replid: Option<Id>) -> Result<Never, End> {
        let answer = match replid {
            Some(replid) => format!("+CONTINUE {replid}\r\n"),
            None => "+CONTINUE\r\n".into(),
        };
        self.writer.write_all(answer.as_bytes()).await?;
        self.stream(cursor).await
    }

    async fn full_sync(&mut self) -> Result<Never, End> {
        let diskless = self.replica.eof && self.master.config.load().diskless_sync;
        let form = match self.replica.filter {
            Some(functions) => Form::Filtered { functions },
            None if diskless => Form::Pieces,
            None => Form::File,
        };
        let mut parts = self.master.snapshots.ask(form, self.replica.dialect);
        let Begin { at, mut cursor } = match self.wait_for(&mut parts, None).await? {
            Part::Begin(begin) => begin,
            _ => return Err(End::SnapshotFailed),
        };
        self.replica.sent_to(cursor.position());
        if !self.replica.pre_psync {
            let answer = format!("+FULLRESYNC {} {}\r\n", at.replid, at.offset);
            self.send(&mut cursor, vec![answer.into()]).await?;
        }
        match form {
            Form::Pieces | Form::Filtered { .. } => {
                self.send_pieces(&mut cursor, &mut parts).await?
            }
            Form::File => match self.wait_for(&mut parts, Some(&mut cursor)).await? {
                Part::File(file, len) => self.send_file(&mut cursor, file, len).await?,
                _ => return Err(End::SnapshotFailed),
            },
        }
        if self.replica.snapshot_only {
            return Err(End::SnapshotOnly);
        }
        self.replica.enter(State::Online);
        if form != Form::File {
            tracing::info!(
                "Streamed RDB transfer with replica {} succeeded (socket). Waiting for REPLCONF ACK from slave to enable streaming",
                self.replica
            );
            // It finds the mark at the end of what it has read: nothing may follow before it says so.
            tokio::select! {
                biased;
                dropped = lost(&mut cursor) => return Err(dropped),
                () = self.replica.confirmed.notified() => {}
            }
        }
        tracing::info!(
            "Synchronization with replica {} succeeded (snapshot at offset {})",
            self.replica,
            at.offset
        );
        self.stream(cursor).await
    }

    /// The next part of a snapshot, with newlines for patience.
    async fn wait_for(
        &mut self,
        parts: &mut mpsc::Receiver<Part>,
        mut cursor: Option<&mut Cursor>,
    ) -> Result<Part, End> {
        loop {
            let part = next(parts, cursor.as_deref_mut());
            match tokio::time::timeout(KEEP_ALIVE, part).await {
                Ok(part) => return part,
                Err(_) => {
                    self.writer.write_all(b"\n").await?;
                    self.master.snapshots.poke();
                }
            }
        }
    }

    /// A snapshot whose length nobody knows: it ends with the mark it began with.
    async fn send_pieces(
        &mut self,
        cursor: &mut Cursor,
        parts: &mut mpsc::Receiver<Part>,
    ) -> Result<(), End> {
        self.replica.enter(State::SendPieces);
        let mark = Id::random().map_err(|_| End::SnapshotFailed)?;
        self.send(cursor, vec![format!("$EOF:{mark}\r\n").into()])
            .await?;
        loop {
            match next(parts, Some(cursor)).await? {
                Part::Piece(piece) => self.send(cursor, vec![piece]).await?,
                Part::End => break,
                _ => return Err(End::SnapshotFailed),
            }
        }
        self.send(cursor, vec![mark.to_string().into()]).await
    }

    async fn send_file(
        &mut self,
        cursor: &mut Cursor,
        file: Arc<File>,
        len: u64,
    ) -> Result<(), End> {
        self.replica.enter(State::SendBulk);
        self.send(cursor, vec![format!("${len}\r\n").into()])
            .await?;
        let mut at = 0;
        while at < len {
            let file = Arc::clone(&file);
            let want = (len - at).min(BATCH as u64) as usize;
            let read = task::spawn_blocking(move || {
                let mut piece = vec![0; want];
                file.read_exact_at(&mut piece, at).map(|()| piece)
            });
            let piece = read.await.map_err(|_| End::SnapshotFailed)??;
            at += piece.len() as u64;
            self.send(cursor, vec![piece.into()]).await?;
        }
        Ok(())
    }

    /// The log from `cursor` on, for ever.
    async fn stream(&mut self, mut cursor: Cursor) -> Result<Never, End> {
        self.replica.enter(State::Online);
        loop {
            let mut pieces = Vec::new();
            if cursor
                .read(BATCH, &mut pieces)
                .map_err(|Dropped| End::LetGo)?
                == 0
            {
                poll_fn(|cx| cursor.poll_bytes(cx))
                    .await
                    .map_err(|Dropped| End::LetGo)?;
                continue;
            }
            let end = cursor.position();
            self.send(&mut cursor, pieces).await?;
            self.replica.sent_to(end);
        }
    }

    /// Writes `pieces`; gives up when the log has let go of the cursor meanwhile.
    async fn send(&mut self, cursor: &mut Cursor, pieces: Vec<Bytes>) -> Result<(), End> {
        let bytes: usize = pieces.iter().map(Bytes::len).sum();
        tokio::select! {
            biased;
            written = write_all(&mut self.writer, pieces, self.replica) => written?,
            dropped = lost(cursor) => return Err(dropped),
        }
        self.master.sent.fetch_add(bytes as u64, Relaxed);
        Ok(())
    }
}

/// The next part of a snapshot, unless the log lets go of `cursor` first.
async fn next(parts: &mut mpsc::Receiver<Part>, cursor: Option<&mut Cursor>) -> Result<Part, End> {
    let lost = async {
        match cursor {
            Some(cursor) => lost(cursor).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        part = parts.recv() => part.ok_or(End::SnapshotFailed),
        dropped = lost => Err(dropped),
    }
}

/// Ready when the log lets go of the cursor.
async fn lost(cursor: &mut Cursor) -> End {
    match poll_fn(|cx| cursor.poll_dropped(cx)).await {
        Ok(()) | Err(Dropped) => End::LetGo,
    }
}

async fn write_all(
    writer: &mut (impl AsyncWrite + Unpin),
    pieces: Vec<Bytes>,
    replica: &Replica,
) -> Result<(), End> {
    let mut slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    let mut rest = &mut slices[..];
    // Empty slices first, so that a zero from the writer means what it says.
    IoSlice::advance_slices(&mut rest, 0);
    while !rest.is_empty() {
        let n = writer.write_vectored(rest).await?;
        if n == 0 {
            return Err(End::Closed);
        }
        replica.took();
        IoSlice::advance_slices(&mut rest, n);
    }
    Ok(())
}
