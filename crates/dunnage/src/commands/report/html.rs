//! The report as one page that needs nothing else: no script, no font, nothing from elsewhere.

use std::fmt::Write;

use dunnage_python::render::render_text;
use dunnage_run::record::Record;

use super::curve::Picture;
use super::text::{PROCESS_HEAD, circumstances, done, listed, memory_rows, process_row, unread};
use super::{Report, printable};

const STYLE: &str = include_str!("page.css");

impl Report<'_> {
    pub(super) fn render_html(&self) -> String {
        let title = escape(&self.title());
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n\
             <main>\n<h1>{title}</h1>\n<p class=\"source\">{}</p>\n<p class=\"reading\">{}</p>\n",
            escape(&self.source()),
            escape(&self.reading())
        );
        if let Some(record) = self.record {
            if let Some(picture) = Picture::new(&record.curve.samples, record.begin.capacity) {
                let _ = write!(page, "<h2>The working set</h2>\n{}", picture.render_svg());
            }
            write_memory(&mut page, record);
            write_processes(&mut page, record);
            write_list(&mut page, "What was done", &done(record));
            write_tracebacks(&mut page, record);
        }
        page.push_str("</main>\n</html>\n");
        page
    }
}

fn write_memory(page: &mut String, record: &Record) {
    page.push_str("<h2>Memory</h2>\n<table>\n");
    for (name, size, remark) in memory_rows(record) {
        let _ = writeln!(
            page,
            "<tr><th>{name}</th><td class=\"number\">{size}</td><td>{}</td></tr>",
            escape(&remark)
        );
    }
    page.push_str("</table>\n");
    write_items(page, &circumstances(record));
}

fn write_processes(page: &mut String, record: &Record) {
    if record.processes.is_empty() {
        return;
    }
    page.push_str("<h2>Processes</h2>\n<table>\n<tr>");
    for name in PROCESS_HEAD {
        let _ = write!(page, "<th>{name}</th>");
    }
    page.push_str("</tr>\n");
    let (processes, more) = listed(record);
    for process in processes {
        let class = if process.growing {
            " class=\"growing\""
        } else {
            ""
        };
        let _ = write!(page, "<tr{class}>");
        let [numbers @ .., command] = process_row(record, process);
        for number in numbers {
            let _ = write!(page, "<td class=\"number\">{number}</td>");
        }
        let _ = writeln!(page, "<td>{}</td></tr>", escape(&command));
    }
    page.push_str("</table>\n");
    if more > 0 {
        let _ = writeln!(page, "<p>and {more} more</p>");
    }
    if let Some(unread) = unread(record) {
        let _ = writeln!(page, "<p>{unread}</p>");
    }
}

fn write_list(page: &mut String, title: &str, lines: &[String]) {
    if !lines.is_empty() {
        let _ = writeln!(page, "<h2>{title}</h2>");
        write_items(page, lines);
    }
}

fn write_items(page: &mut String, lines: &[String]) {
    page.push_str("<ul>\n");
    for line in lines {
        let _ = writeln!(page, "<li>{}</li>", escape(line));
    }
    page.push_str("</ul>\n");
}

/// A process each, the first one open.
fn write_tracebacks(page: &mut String, record: &Record) {
    if !record.tracebacks.is_empty() {
        page.push_str("<h2>Tracebacks</h2>\n");
    }
    for (at, dump) in record.tracebacks.iter().enumerate() {
        let text = render_text(std::slice::from_ref(dump));
        let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
        let open = if at == 0 { " open" } else { "" };
        let lines: Vec<_> = rest.lines().map(|line| escape(&printable(line))).collect();
        let _ = writeln!(
            page,
            "<details{open}><summary>{}</summary><pre>{}</pre></details>",
            escape(&printable(first)),
            lines.join("\n")
        );
    }
}

/// Text within an element or an attribute's quotes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}
