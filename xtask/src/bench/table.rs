//! A table of text, aligned or as Markdown.

/// On which side of a column its texts stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

/// A table with a head.
#[derive(Clone, Debug)]
pub struct Table {
    align: Vec<Align>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table of these columns.
    pub fn new(columns: &[(&str, Align)]) -> Table {
        Table {
            align: columns.iter().map(|(_, align)| *align).collect(),
            rows: vec![columns.iter().map(|(name, _)| (*name).to_owned()).collect()],
        }
    }

    /// Add a row, a text for each column.
    pub fn row(&mut self, texts: Vec<String>) {
        self.rows.push(texts);
    }

    /// For a terminal.
    pub fn aligned(&self) -> String {
        self.padded().iter().map(|row| row.join("  ").trim_end().to_owned()).collect::<Vec<_>>().join("\n")
    }

    /// For a page.
    pub fn markdown(&self) -> String {
        let mut lines: Vec<String> = self.padded().iter().map(|row| format!("| {} |", row.join(" | "))).collect();
        let marks = self.align.iter().map(|align| if *align == Align::Left { "---" } else { "---:" });
        lines.insert(1, format!("|{}|", marks.collect::<Vec<_>>().join("|")));
        lines.join("\n")
    }

    fn padded(&self) -> Vec<Vec<String>> {
        let length = |text: &String| text.chars().count();
        let width = |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(length).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.align.len()).map(width).collect();
        let cells = |row: &Vec<String>| {
            let columns = row.iter().zip(widths.iter().zip(&self.align));
            columns
                .map(|(text, (&width, align))| match align {
                    Align::Left => format!("{text:<width$}"),
                    Align::Right => format!("{text:>width$}"),
                })
                .collect()
        };
        self.rows.iter().map(cells).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        let mut table = Table::new(&[("n", Align::Right), ("what", Align::Left)]);
        table.row(vec!["100".to_owned(), "µs".to_owned()]);
        assert_eq!(table.aligned(), "  n  what\n100  µs");
        assert_eq!(table.markdown(), "|   n | what |\n|---:|---|\n| 100 | µs   |");
    }
}
