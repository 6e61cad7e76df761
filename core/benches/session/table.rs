//! Numbers per case and size of the room.

use crate::common::filter;

pub(crate) struct Table {
    filter: Option<String>,
    columns: Vec<usize>,
    rows: Vec<Row>,
}

struct Row {
    case: String,
    side: &'static str,
    nanos: Vec<f64>,
}

impl Table {
    pub(crate) fn new(columns: &[usize]) -> Self {
        Self { filter: filter(), columns: columns.to_vec(), rows: Vec::new() }
    }

    pub(crate) fn wants(&self, case: &str) -> bool {
        self.filter.as_ref().is_none_or(|filter| case.contains(filter.as_str()))
    }

    /// Adds a row for each side that had work. `nanos` are the values of the columns.
    pub(crate) fn add<const N: usize>(
        &mut self,
        case: &str,
        sides: [&'static str; N],
        nanos: &[[f64; N]],
    ) {
        for (index, side) in sides.into_iter().enumerate() {
            let nanos: Vec<f64> = nanos.iter().map(|nanos| nanos[index]).collect();
            if nanos.iter().any(|nanos| *nanos > 0.0) {
                self.rows.push(Row { case: case.to_owned(), side, nanos });
            }
        }
    }

    /// Prints a table, then a line per number for comparisons: case, side, others, nanoseconds.
    pub(crate) fn print(&self) {
        if self.rows.is_empty() {
            return;
        }
        let columns: String = self.columns.iter().map(|others| format!(" {others} |")).collect();
        println!("| ns, with so many others in the room |{columns}");
        println!("|---|{}", "---:|".repeat(self.columns.len()));
        for Row { case, side, nanos } in &self.rows {
            let nanos: String =
                nanos.iter().map(|nanos| format!(" {} |", thousands(*nanos))).collect();
            println!("| {case}: {side} |{nanos}");
        }
        println!();
        for Row { case, side, nanos } in &self.rows {
            for (others, nanos) in self.columns.iter().zip(nanos) {
                println!("{case};{side};{others};{nanos:.1}");
            }
        }
        println!();
    }
}

fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
