//! A listing that is put together from optional conditions.

use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, Row, params_from_iter};

use super::super::{Page, StoreError};
use super::id_order::{self, Rows};
use super::numbers::Numbered;
use crate::domain::{IdPrefix, Timestamp};

/// A listing with optional conditions, newest first.
pub struct Query {
    statement: String,
    cursor: &'static str,
    order: &'static str,
    pub values: Vec<SqlValue>,
}

impl Query {
    pub fn new(select: &str, cursor: &'static str) -> Self {
        Self { statement: format!("{select} WHERE 1"), cursor, order: cursor, values: Vec::new() }
    }

    /// Adds a condition; `?` stands for the value.
    pub fn and(&mut self, condition: &str, value: SqlValue) {
        self.statement.push_str(" AND ");
        self.statement.push_str(condition);
        self.values.push(value);
    }

    /// Adds a condition without a value: an index over the marked rows alone is used only where the mark is spelled out.
    pub fn and_mark(&mut self, condition: &str) {
        self.statement.push_str(" AND ");
        self.statement.push_str(condition);
    }

    pub fn and_text(&mut self, condition: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.and(condition, SqlValue::Text(value.to_owned()));
        }
    }

    pub fn and_time(&mut self, condition: &str, value: Option<Timestamp>) {
        if let Some(value) = value {
            self.and(condition, SqlValue::Integer(value.as_millis()));
        }
    }

    /// The ids are looked for where they stand in the order of the rows, and among those that are out of it.
    pub fn and_id_of(
        &mut self,
        connection: &Connection,
        (table, letter): (Numbered, char),
        prefix: Option<&IdPrefix>,
    ) -> Result<(), StoreError> {
        let Some(prefix) = prefix else { return Ok(()) };
        let Rows { first, last } = id_order::range(connection, table, prefix.low(), prefix.high())?;
        let [low, high] = [prefix.low(), prefix.high()].map(|id| SqlValue::Blob(id.to_vec()));
        self.and(
            &format!(
                "({letter}.seq BETWEEN ? AND ? OR {letter}.seq IN
                 (SELECT s.seq FROM stray_ids s WHERE s.kind = {} AND s.id BETWEEN ? AND ?))",
                table.kind()
            ),
            SqlValue::Integer(first),
        );
        self.values.extend([SqlValue::Integer(last), low.clone(), high.clone()]);
        self.and(&format!("{letter}.id BETWEEN ? AND ?"), low);
        self.values.push(high);
        Ok(())
    }

    /// The ids of deliveries are looked for in their own index; the few that are found are sorted afterwards.
    pub fn and_id(&mut self, column: &str, prefix: Option<&IdPrefix>) {
        if let Some(prefix) = prefix {
            self.and(&format!("{column} >= ?"), SqlValue::Blob(prefix.low().to_vec()));
            self.and(&format!("{column} <= ?"), SqlValue::Blob(prefix.high().to_vec()));
            self.order = "+d.seq";
        }
    }

    pub fn run<T>(
        mut self,
        connection: &Connection,
        page: &Page,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let cursor = self.cursor;
        if let Some(before) = page.before {
            self.and(&format!("{cursor} < ?"), SqlValue::Integer(before));
        }
        let statement = format!("{} ORDER BY {} DESC LIMIT {}", self.statement, self.order, page.limit);
        let mut select = connection.prepare_cached(&statement)?;
        let rows = select.query_map(params_from_iter(self.values), read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// A pattern for `LIKE` that finds a text anywhere; `!` escapes wildcards.
pub fn like(text: &str) -> String {
    format!("%{}%", text.replace('!', "!!").replace('%', "!%").replace('_', "!_"))
}

/// The same where the text is in JSON.
pub fn like_in_json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    like(quoted.trim_start_matches('"').strip_suffix('"').unwrap_or(text))
}
