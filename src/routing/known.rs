//! The names that conditions compare fields with.

/// The names of the configured sources and of the vendors; a list that is empty is not checked.
#[derive(Clone, Debug, Default)]
pub struct KnownNames {
    /// The names of the configured sources.
    pub sources: Vec<String>,
    /// The names of the vendors that events can have.
    pub vendors: Vec<String>,
}

impl KnownNames {
    /// The names of sources and of vendors.
    pub fn new<'n>(sources: impl IntoIterator<Item = &'n str>, vendors: impl IntoIterator<Item = &'n str>) -> Self {
        let owned = |name: &str| name.to_owned();
        Self { sources: sources.into_iter().map(owned).collect(), vendors: vendors.into_iter().map(owned).collect() }
    }
}
