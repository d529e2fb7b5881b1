use super::*;
use crate::rdb::write::{self, Facts, Replication, Writer};
use crate::store::ValueRef;

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let name = format!("damselfly-persist-{}-{name}", std::process::id());
        Scratch(std::env::temp_dir().join(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn load(path: &Path, expired: Expired) -> Result<Option<Restored>, RestoreError> {
    let load = Load::default();
    restore(path, 16, Options::default(), expired, &load, || Ok(()))
}

fn file() -> Vec<u8> {
    let mut writer = Writer::new(write::Options::default());
    writer.header(&Facts {
        replication: Some(Replication {
            id: "0123456789abcdef0123456789abcdef01234567",
            offset: 4711,
            stream_db: 2,
        }),
        ..Facts::default()
    });
    writer.select_db(2);
    writer.key(b"k", ValueRef::Str(b"v"), None);
    writer.key(b"old", ValueRef::Str(b"v"), Some(1000));
    writer.finish();
    writer.take()
}

#[test]
fn a_file_gives_keys_and_position() {
    let path = Scratch::new("good");
    assert!(load(&path.0, Expired::Keep).unwrap().is_none());
    std::fs::write(&path.0, file()).unwrap();
    let restored = load(&path.0, Expired::DropBy(1000)).unwrap().unwrap();
    assert_eq!(
        (restored.dataset.len(), restored.expired),
        (2, 0),
        "replicas that resume have this key"
    );
    assert!(restored.dataset.dbs()[2].contains(b"k"));
    let position = restored.position.unwrap();
    assert_eq!((position.offset, position.stream_db), (4711, 2));
    let restored = load(&path.0, Expired::Keep).unwrap().unwrap();
    assert_eq!((restored.dataset.len(), restored.expired), (2, 0));
}

#[test]
fn a_bad_file_is_named_in_one_line_and_left_alone() {
    let path = Scratch::new("bad");
    let mut bytes = file();
    bytes.truncate(bytes.len() - 20);
    std::fs::write(&path.0, &bytes).unwrap();
    let text = load(&path.0, Expired::Keep).err().unwrap().to_string();
    let name = path.0.display().to_string();
    for part in [name.as_str(), "it ends early at byte"] {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
    assert_eq!(text.lines().count(), 1);
    assert_eq!(std::fs::read(&path.0).unwrap(), bytes);

    let directory = std::env::temp_dir();
    assert!(load(&directory, Expired::Keep).is_err());
}

#[test]
fn a_load_shows_its_progress_and_can_be_stopped() {
    let path = Scratch::new("long");
    let mut writer = Writer::new(write::Options::default());
    writer.header(&Facts::default());
    writer.select_db(0);
    for n in 0..20_000 {
        writer.key(
            format!("key number {n}").as_bytes(),
            ValueRef::Str(b"value"),
            None,
        );
    }
    writer.finish();
    std::fs::write(&path.0, writer.take()).unwrap();
    let size = std::fs::metadata(&path.0).unwrap().len();
    let load = Load::default();
    let go = |load: &Load, stop_at: u64| {
        restore(&path.0, 16, Options::default(), Expired::Keep, load, || {
            assert_eq!(load.total.load(Relaxed), size);
            match load.read.load(Relaxed) >= stop_at {
                true => Err(Refusal::Stopped("the server ends".to_owned())),
                false => Ok(()),
            }
        })
    };
    let error = go(&load, 100_000).err().unwrap().to_string();
    assert!(error.contains("the server ends"), "{error}");
    assert!((100_000..size).contains(&load.read.load(Relaxed)));
    assert!(go(&load, u64::MAX).is_ok());
    assert_eq!(load.read.load(Relaxed), size);
    assert_eq!(
        (load.keys.load(Relaxed), load.expired.load(Relaxed)),
        (20_000, 0)
    );
}

#[test]
fn a_save_counts_when_it_succeeds() {
    let saves = Saves::new(100);
    assert_eq!(saves.took.load(Relaxed), -1);
    let end = saves.begin(7, 200, true);
    assert_eq!(saves.began.load(Relaxed), 200);
    end(&Err(NotSaved::Failed("no room".into())), 203);
    let now = |saves: &Saves| {
        let [last, began, took] = [&saves.last, &saves.began, &saves.took].map(|n| n.load(Relaxed));
        (
            last,
            began,
            took,
            saves.ok.load(Relaxed),
            saves.changes.load(Relaxed),
            saves.count.load(Relaxed),
        )
    };
    assert_eq!(now(&saves), (100, -1, 3, false, 0, 0));
    saves.begin(8, 250, true)(&Err(NotSaved::Outdated), 251);
    assert_eq!(now(&saves), (100, -1, 1, false, 0, 0), "as before");
    saves.begin(9, 300, true)(&Ok(()), 301);
    assert_eq!(now(&saves), (301, -1, 1, true, 9, 1));
    saves.begin(9, 310, false)(&Err(NotSaved::Failed("no room".into())), 310);
    assert!(saves.ok.load(Relaxed), "who asked for it knows");
}
