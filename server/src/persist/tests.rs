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
    restore(path, 16, Options::default(), expired, |_| Ok(()))
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
    assert_eq!((restored.dataset.len(), restored.expired), (1, 1));
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
