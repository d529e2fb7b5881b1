//! Libraries of functions: a part of a dataset, though no key holds them.

use std::collections::BTreeMap;
use std::sync::Arc;

/// A function of a library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionInfo {
    /// Its name.
    pub name: String,
    /// What it says of itself.
    pub description: Option<Vec<u8>>,
    /// What it declares, by name.
    pub flags: Vec<&'static str>,
}

/// A library.
#[derive(Debug, PartialEq, Eq)]
pub struct Library {
    /// Its name.
    pub name: String,
    /// Its source, the line that names it included.
    pub code: Vec<u8>,
    /// What it registers.
    pub functions: Vec<FunctionInfo>,
}

impl Library {
    /// Its function `name`, in whatever case.
    pub fn function(&self, name: &str) -> Option<&FunctionInfo> {
        let mut all = self.functions.iter();
        all.find(|function| function.name.eq_ignore_ascii_case(name))
    }
}

/// All libraries of a dataset. Names of libraries are unique, and so are those of functions, whatever their case.
#[derive(Clone, Debug, Default)]
pub struct Libraries {
    by_name: BTreeMap<String, Arc<Library>>,
    /// The names are in lower case.
    by_function: BTreeMap<String, Arc<Library>>,
}

impl Libraries {
    /// The libraries in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Library>> {
        self.by_name.values()
    }

    /// How many functions there are.
    pub fn functions(&self) -> usize {
        self.by_function.len()
    }

    /// The library that has function `name`.
    pub fn of_function(&self, name: &str) -> Option<&Arc<Library>> {
        self.by_function.get(&name.to_ascii_lowercase())
    }

    /// Bytes of all sources.
    pub fn bytes(&self) -> usize {
        self.iter().map(|library| library.code.len()).sum()
    }

    /// Whether a library called `name` may be added, or take the place of another one if `replace` says so.
    ///
    /// # Errors
    /// That there is one.
    pub fn may_add(&self, name: &str, replace: bool) -> Result<(), String> {
        match self.by_name.contains_key(name) && !replace {
            true => Err(format!("Library '{name}' already exists")),
            false => Ok(()),
        }
    }

    /// Adds `library`; one of the same name makes place for it if `replace` says so.
    ///
    /// # Errors
    /// What is in its way; then nothing has changed.
    pub fn add(&mut self, library: Arc<Library>, replace: bool) -> Result<(), String> {
        self.may_add(&library.name, replace)?;
        for (i, function) in library.functions.iter().enumerate() {
            let own = |other: &FunctionInfo| other.name.eq_ignore_ascii_case(&function.name);
            let owner = self.of_function(&function.name);
            if owner.is_some_and(|owner| owner.name != library.name)
                || library.functions[..i].iter().any(own)
            {
                return Err(format!("Function {} already exists", function.name));
            }
        }
        self.remove(&library.name);
        for function in &library.functions {
            self.by_function
                .insert(function.name.to_ascii_lowercase(), Arc::clone(&library));
        }
        self.by_name.insert(library.name.clone(), library);
        Ok(())
    }

    /// Removes a library; false if there is none of that name.
    pub fn remove(&mut self, name: &str) -> bool {
        let Some(library) = self.by_name.remove(name) else {
            return false;
        };
        for function in &library.functions {
            self.by_function.remove(&function.name.to_ascii_lowercase());
        }
        true
    }
}
