//! DEBUG RELOAD: the dataset goes into the snapshot file and comes back from it.

use super::{error, ok};
use crate::command::Audience;
use crate::persist::{self, Restored};
use crate::rdb::load::Expired;
use crate::shell::audience::Telling;
use crate::shell::call::Call;
use crate::shell::execute::Flow;
use crate::shell::start::snapshot_file;
use crate::store::Dataset;
use std::sync::Arc;

/// Runs it with `options`. Everybody waits meanwhile, as in Redis; unlike there, a file that cannot be loaded leaves the data
/// as they are.
pub(super) fn run(call: &mut Call<'_>, options: &[&[u8]]) -> Flow {
    let (mut save, mut flush, mut merge) = (true, true, false);
    for option in options {
        match option.to_ascii_lowercase().as_slice() {
            b"nosave" => save = false,
            b"noflush" => flush = false,
            b"merge" => merge = true,
            _ => {
                return error(
                    call,
                    "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
                );
            }
        }
    }
    if !call.world.is_still() {
        return Flow::NeedAll;
    }
    let view = call.world.view().clone();
    if !view.fence.whole || (save && call.server.save_now(&view).is_err()) {
        return error(call, "ERR");
    }
    let loaded = load(call).and_then(|restored| match flush {
        true => {
            view.dataset.hand_listeners_to(&restored.dataset);
            call.replace(restored.dataset);
            Ok(())
        }
        false => add(&view.dataset, &restored.dataset, merge),
    });
    if let Err(why) = loaded {
        tracing::warn!("DEBUG RELOAD: {why}");
        return error(call, "ERR Error trying to load the RDB dump");
    }
    if let Some(telling) = Telling::of(call.server, None, None) {
        telling.flushed();
    }
    tracing::info!("DB reloaded by DEBUG RELOAD");
    ok(call)
}

/// What the snapshot file holds.
fn load(call: &Call<'_>) -> Result<Restored, String> {
    let path = snapshot_file(call.settings);
    let expired = match call.world.view().fence.replica {
        true => Expired::Keep,
        false => Expired::DropBy(call.now_ms),
    };
    let restored = persist::restore(
        &path,
        call.settings.databases,
        call.settings.reading(),
        expired,
        &call.server.saves.load,
        || Ok(()),
    );
    let missing = || format!("there is no file {}", path.display());
    restored
        .map_err(|error| error.to_string())?
        .ok_or_else(missing)
}

/// Puts all of `new` into `dataset`, in place of what is called the same if `replace` allows it.
fn add(dataset: &Dataset, new: &Dataset, replace: bool) -> Result<(), String> {
    let mut taken = None;
    let pairs = || dataset.dbs().iter().zip(new.dbs());
    for (db, new) in pairs().filter(|_| !replace) {
        new.for_each(|entry| {
            if db.contains(entry.key()) {
                taken.get_or_insert_with(|| entry.key().escape_ascii().to_string());
            }
        });
    }
    if let Some(key) = taken {
        return Err(format!("there is a key '{key}' already"));
    }
    let mut libraries = dataset.libraries().as_ref().clone();
    for library in new.libraries().iter() {
        libraries.add(Arc::clone(library), replace)?;
    }
    dataset.set_libraries(libraries);
    for (db, new) in pairs() {
        new.for_each(|entry| {
            let (mut shard, hash) = db.lock_key(entry.key());
            shard.put(hash, entry.clone());
        });
    }
    Ok(())
}
