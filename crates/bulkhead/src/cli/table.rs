//! Aligned tables for people.

use std::fmt::Write;

use bulkhead_diagnostics::mask_private_keys;

/// Rows of cells as lines: columns aligned, two spaces between, the last column cut to `width` columns in all (not at all
/// if `width` is nothing). Control characters in cells are shown as `?`, private keys
/// as stars.
pub fn table(rows: &[Vec<String>], width: Option<usize>) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let shown = |cell: &str| -> String {
        mask_private_keys(cell).chars().map(|c| if c.is_control() { '?' } else { c }).collect()
    };
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| shown(cell)).collect()).collect();
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let mut out = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, column_width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:column_width$}  ");
        }
        let line = line.trim_end();
        match width {
            Some(width) if line.chars().count() > width => {
                out.extend(line.chars().take(width.saturating_sub(1)));
                out.push('…');
            }
            _ => out.push_str(line),
        }
        out.push('\n');
    }
    out
}
