//! The files that an `include` names, which may have `*`, `?` and `[...]` in it.

use crate::store::glob;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

/// The files that `pattern` stands for, in order. Without a wildcard it is one file, which has to be there; with one,
/// it is those that are there.
pub(super) fn expand(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    let mut wild = false;
    for part in pattern.components() {
        match part {
            Component::Normal(name) if is_wild(name) => {
                wild = true;
                found = found.iter().flat_map(|dir| entries(dir, name)).collect();
            }
            _ => found.iter_mut().for_each(|path| path.push(part)),
        }
    }
    found.retain(|path| !wild || path.exists());
    found
}

fn is_wild(name: &OsStr) -> bool {
    name.as_encoded_bytes()
        .iter()
        .any(|b| matches!(b, b'*' | b'?' | b'['))
}

/// What is in `dir` and has a name like `pattern`, in order. As in a shell, only a dot stands for a leading dot.
fn entries(dir: &Path, pattern: &OsStr) -> Vec<PathBuf> {
    let here = match dir.as_os_str().is_empty() {
        true => Path::new("."),
        false => dir,
    };
    let pattern = pattern.as_encoded_bytes();
    let hidden = |name: &[u8]| name.starts_with(b".") && !pattern.starts_with(b".");
    let mut found: Vec<PathBuf> = std::fs::read_dir(here)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name())
        .filter(|name| {
            let name = name.as_encoded_bytes();
            glob::matches(pattern, name) && !hidden(name)
        })
        .map(|name| dir.join(name))
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_what_is_there() {
        let dir = std::env::temp_dir().join(format!("damselfly-include-{}", std::process::id()));
        for name in ["a/2.conf", "a/1.conf", "a/.3.conf", "a/x.txt", "b/1.conf"] {
            let path = dir.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let found = |pattern: &str| -> Vec<String> {
            let found = expand(&dir.join(pattern));
            let short = |p: &PathBuf| p.strip_prefix(&dir).unwrap().display().to_string();
            found.iter().map(short).collect()
        };
        assert_eq!(found("a/*.conf"), ["a/1.conf", "a/2.conf"]);
        assert_eq!(found("?/[12].conf"), ["a/1.conf", "a/2.conf", "b/1.conf"]);
        assert_eq!(found("a/.*.conf"), ["a/.3.conf"]);
        assert_eq!(found("*/x.txt"), ["a/x.txt"]);
        assert_eq!(found("c*/1.conf"), [""; 0]);
        assert_eq!(found("c/1.conf"), ["c/1.conf"]);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
