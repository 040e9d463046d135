//! What became of a request at the store.

use crate::domain::ReceiptId;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// It is stored as this receipt.
    New(ReceiptId),
    /// It had been stored before, as this receipt.
    Duplicate(ReceiptId),
    /// Its body had been stored before under another id that is not signed, as this receipt.
    Repeated(ReceiptId),
}
