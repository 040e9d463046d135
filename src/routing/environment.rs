//! What every condition can call.

use std::sync::{Arc, LazyLock};

use cel::Env;

/// CEL's standard library, made once.
pub(super) static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));
