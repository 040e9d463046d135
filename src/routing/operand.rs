//! A part of a condition with its type.

use cel::IdedExpr;

use super::types::Type;

/// An operand and its type.
pub(super) type Operand<'e> = (&'e IdedExpr, &'e Type);

/// Two operand types in words, once where they are the same.
pub(super) fn pair(left: &Type, right: &Type) -> String {
    if left.bare() == right.bare() { left.bare().to_owned() } else { format!("{} and {}", left.bare(), right.bare()) }
}
