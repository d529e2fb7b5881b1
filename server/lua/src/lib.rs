//! Builds the Lua of this directory for the build script of `mlua-sys`, which knows a crate of this name.

use std::path::{Path, PathBuf};

/// Where the sources are.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/lua-5.1.5");

/// What the library is called.
const NAME: &str = "lua5.1";

/// The versions there are to build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 5.1.5
    Lua51,
}

pub use Version::Lua51;

/// Within a build script, to which cargo says where and for what to build.
#[derive(Debug, Default)]
pub struct Build;

impl Build {
    /// To be built.
    pub fn new() -> Build {
        Build
    }

    /// Builds the library.
    ///
    /// # Panics
    /// It cannot be built.
    pub fn build(&self, version: Version) -> Artifacts {
        let Lua51 = version;
        let out = std::env::var_os("OUT_DIR").expect("OUT_DIR is not set");
        let lib_dir = Path::new(&out).join("lib");
        let entries = std::fs::read_dir(SOURCES).expect("read the directory of Lua's sources");
        let mut files: Vec<PathBuf> = entries
            .map(|entry| entry.expect("read the directory of Lua's sources").path())
            .filter(|path| path.extension().is_some_and(|e| e == "c"))
            .collect();
        // So that the same sources make the same library.
        files.sort();
        cc::Build::new()
            .cargo_metadata(false)
            .warnings(false)
            .define("LUA_USE_LINUX", None)
            .flag_if_supported("-fno-common")
            .include(SOURCES)
            .files(files)
            .out_dir(&lib_dir)
            .compile(NAME);
        Artifacts { lib_dir }
    }
}

/// The library that was built.
#[derive(Clone, Debug)]
pub struct Artifacts {
    lib_dir: PathBuf,
}

impl Artifacts {
    /// Tells cargo what to link, and when to build anew.
    pub fn print_cargo_metadata(&self) {
        println!("cargo:rerun-if-changed={SOURCES}");
        println!("cargo:rustc-link-search=native={}", self.lib_dir.display());
        println!("cargo:rustc-link-lib=static:-bundle={NAME}");
    }
}
