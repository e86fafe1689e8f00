//! Plain tables: no lines, two spaces between columns, never wider than the style allows.

use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table, Width};

use super::Style;
use crate::domain::exposure::Exposure;
use crate::domain::printable::one_line;

/// A table whose last column moves to its own line if the terminal is too narrow.
pub(super) fn columns(headers: &[&str], rows: Vec<Vec<Cell>>, style: Style) -> String {
    let table = build(headers, rows.clone(), style);
    let fits = |text: &str| {
        style
            .width
            .is_none_or(|width| text.lines().all(|line| console::measure_text_width(line) <= width))
    };
    let text = trimmed(&table.to_string());
    if fits(&text) || headers.len() < 2 {
        return text;
    }
    // The last column, in most cases an address, goes below its row, where it can still be copied.
    let first_headers = &headers[..headers.len() - 1];
    let lasts: Vec<String> =
        rows.iter().map(|row| row.last().map(Cell::content).unwrap_or_default()).collect();
    let firsts: Vec<Vec<Cell>> = rows
        .into_iter()
        .map(|mut row| {
            row.pop();
            row
        })
        .collect();
    let shorter = trimmed(&build(first_headers, firsts.clone(), style).to_string());
    if !fits(&shorter) {
        return wrapped(headers, firsts, &lasts, style);
    }
    let mut lines = shorter.lines();
    let mut text = lines.next().unwrap_or_default().to_owned() + "\n";
    // The first line of a row contains the name, too.
    let title = headers.last().copied().unwrap_or_default();
    let dim = console::Style::new().force_styling(style.color).dim();
    text += &flowing("  ", &dim.apply_to(title).to_string(), style);
    for (line, last) in lines.zip(lasts) {
        text.push_str(line);
        text.push('\n');
        for below in last.lines() {
            text += &flowing("  ", below, style);
        }
    }
    text
}

/// A lead and a text, wrapped if there is no room. Further lines are indented to the start of the
/// text. A word that is longer than a line is not split, so that it can be copied.
pub(super) fn flowing(lead: &str, text: &str, style: Style) -> String {
    let width = style.width.unwrap_or(usize::MAX).max(20);
    let begin = console::measure_text_width(lead);
    let (mut out, mut column) = (lead.to_owned(), begin);
    for word in text.split(' ') {
        let long = console::measure_text_width(word);
        if column > begin && column + 1 + long > width {
            out.push('\n');
            out.push_str(&" ".repeat(begin));
            column = begin;
        } else if column > begin {
            out.push(' ');
            column += 1;
        }
        out += word;
        column += long;
    }
    out.push('\n');
    out
}

/// One block a row, one line a cell: the fallback if even the short columns do not fit.
fn wrapped(headers: &[&str], firsts: Vec<Vec<Cell>>, lasts: &[String], style: Style) -> String {
    let blocks = firsts.into_iter().zip(lasts).map(|(mut row, last)| {
        row.push(Cell::new(last));
        let pairs: Vec<(String, Cell)> = headers
            .iter()
            .zip(row)
            .filter(|(_, cell)| !cell.content().is_empty())
            .map(|(header, cell)| (header.to_lowercase(), cell))
            .collect();
        facts(pairs, style)
    });
    blocks.collect::<Vec<_>>().join("\n")
}

/// Names on the left, values on the right.
pub(super) fn facts(pairs: Vec<(String, Cell)>, style: Style) -> String {
    let name_width = pairs.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    let mut table = bare(style);
    for (name, value) in pairs {
        table.add_row(vec![Cell::new(name).add_attribute(Attribute::Dim), value]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    if let (Some(width), Some(column)) = (style.width, table.column_mut(1)) {
        let room = width.saturating_sub(name_width + 2).max(12);
        column.set_constraint(ColumnConstraint::UpperBoundary(Width::Fixed(
            u16::try_from(room).unwrap_or(u16::MAX),
        )));
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    trimmed(&table.to_string())
}

/// A cell of external text, made safe to print on one line.
#[expect(clippy::needless_pass_by_value, reason = "reads better at its many callers")]
pub(super) fn text(content: impl ToString) -> Cell {
    Cell::new(one_line(&content.to_string()))
}

/// The URL of a service, or why it has none.
pub(super) fn url_or_why(url: Option<&str>, default_url: bool) -> &str {
    url.unwrap_or(if default_url { "(none yet)" } else { "(default URL off)" })
}

/// An exposure, coloured.
pub(super) fn exposure_cell(exposure: Exposure) -> Cell {
    let cell = text(exposure.as_str());
    match exposure {
        Exposure::Public => cell.fg(Color::Red).add_attribute(Attribute::Bold),
        Exposure::PublicBehindLoadBalancer
        | Exposure::PublicInternal
        | Exposure::AnyGoogleAccount => cell.fg(Color::Yellow).add_attribute(Attribute::Bold),
        Exposure::Unknown => cell.fg(Color::Magenta),
        Exposure::Unreachable => cell.add_attribute(Attribute::Dim),
        Exposure::Iap | Exposure::Restricted => cell,
    }
}

fn build(headers: &[&str], rows: Vec<Vec<Cell>>, style: Style) -> Table {
    let mut table = bare(style);
    table.set_header(headers.iter().map(|name| Cell::new(name).add_attribute(Attribute::Dim)));
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

fn bare(style: Style) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    if style.color {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    if let Some(width) = style.width {
        table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
    }
    table
}

fn trimmed(text: &str) -> String {
    text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}
