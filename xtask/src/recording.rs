//! The README's recording: a real run of the demo as an SVG that moves. Pauses are shortened, and what is shown is what was printed.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

/// The rows that are seen at once, and the columns that the demo's lines fit into.
const ROWS: usize = 26;
const COLUMNS: usize = 80;

/// In pixels.
const ROW: usize = 18;
const COLUMN: f64 = 8.43;
const MARGIN: usize = 14;

/// The shortest and the longest pause before a line, in seconds.
const PAUSES: std::ops::RangeInclusive<f64> = 0.07..=1.1;

/// How long the end is shown, in seconds.
const REST: f64 = 6.0;

/// The chapters that are shown: what the program is for.
const BEGINS: &str = "A MIGRATION";
const ENDS: &str = "THE PROJECT";

/// A line, and how long nothing was printed before it.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The pause before it, in seconds.
    pub pause: f64,
    /// What was printed, styles included.
    pub text: String,
}

/// Runs the demo and takes down what it prints.
///
/// # Errors
/// When it can't be run, or doesn't end well.
pub fn record(program: &Path) -> anyhow::Result<Vec<Line>> {
    let mut child = Command::new(program)
        .args(["demo", "--sandbox-postgres", "required", "--fetch-postgres"])
        .env("CLICOLOR_FORCE", "1")
        .env_remove("NO_COLOR")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| program.display().to_string())?;
    let output = child.stdout.take().context("its output")?;
    let mut last = Instant::now();
    let mut lines = Vec::new();
    for text in BufReader::new(output).lines() {
        let pause = last.elapsed().max(Duration::ZERO).as_secs_f64();
        last = Instant::now();
        lines.push(Line { pause, text: text? });
    }
    ensure!(child.wait()?.success(), "the demo failed");
    Ok(lines)
}

/// The chapters that are shown, behind the command and what the demo says first.
///
/// # Errors
/// When one isn't there.
pub fn chosen(lines: &[Line]) -> anyhow::Result<Vec<Line>> {
    let at = |chapter: &str| {
        lines
            .iter()
            .position(|line| plain(&line.text).starts_with(chapter))
            .with_context(|| format!("no chapter begins with {chapter:?}"))
    };
    let (begins, ends) = (at(BEGINS)?, at(ENDS)?);
    let mut all = vec![Line {
        pause: 0.0,
        text: "$ neon-mcp demo".to_owned(),
    }];
    all.extend(lines.iter().take_while(|line| !line.text.is_empty()).cloned());
    all.push(Line {
        pause: 0.3,
        text: "…".to_owned(),
    });
    all.extend(
        lines
            .get(begins.saturating_sub(1)..ends)
            .unwrap_or_default()
            .iter()
            .cloned(),
    );
    Ok(all)
}

/// The picture.
#[must_use]
pub fn svg(lines: &[Line]) -> String {
    let mut at = Vec::new();
    let mut now = 0.0;
    for line in lines {
        now += line.pause.clamp(*PAUSES.start(), *PAUSES.end());
        at.push(now);
    }
    let length = now + REST;
    // One movement: the text comes up from below, a row at a time.
    let last_row = ROWS - 1;
    let mut frames = String::new();
    for (index, time) in at.iter().enumerate() {
        let up = i64::try_from(last_row).unwrap_or_default() - i64::try_from(index).unwrap_or_default();
        let row = i64::try_from(ROW).unwrap_or_default();
        let _ = writeln!(
            frames,
            "{:.3}%{{transform:translateY({}px)}}",
            time / length * 100.0,
            up * row
        );
    }
    let end = i64::try_from(ROWS).unwrap_or_default() - i64::try_from(lines.len()).unwrap_or_default();
    let end = end * i64::try_from(ROW).unwrap_or_default();
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        let y = MARGIN + index * ROW + ROW - 5;
        let _ = writeln!(text, "<text x=\"{MARGIN}\" y=\"{y}\">{}</text>", spans(&line.text));
    }
    let width = (COLUMN * 80.0).ceil() + 2.0 * 14.0;
    let height = ROWS * ROW + 2 * MARGIN;
    debug_assert!(lines.iter().all(|line| plain(&line.text).chars().count() <= COLUMNS));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\">\n\
         <title>neon-mcp demo: a migration is tried on a throwaway branch, refused, approved, applied and undone</title>\n\
         <desc>A real run, with shortened pauses. Made by cargo xtask recording.</desc>\n\
         <style>\n\
         text{{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,\"DejaVu Sans Mono\",monospace;fill:#d7dce2;white-space:pre}}\n\
         .green{{fill:#5fd38d}}.cyan{{fill:#5fd3d3}}.yellow{{fill:#e6c860}}.red{{fill:#ff8f8f}}.blue{{fill:#8fb7ff}}.bold{{font-weight:bold}}\n\
         .all{{transform:translateY({end}px);animation:up {length:.2}s step-end infinite}}\n\
         @media (prefers-reduced-motion:reduce){{.all{{animation:none}}}}\n\
         @keyframes up{{\n0%{{transform:translateY({below}px)}}\n{frames}}}\n\
         </style>\n\
         <clipPath id=\"screen\"><rect x=\"0\" y=\"{MARGIN}\" width=\"{width}\" height=\"{seen}\"/></clipPath>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#15191e\"/>\n\
         <g clip-path=\"url(#screen)\"><g class=\"all\">\n{text}</g></g>\n</svg>\n",
        below = ROWS * ROW,
        seen = ROWS * ROW,
    )
}

/// A line without its styles.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for part in text.split("\u{1b}[") {
        let is_first = plain.is_empty() && text.starts_with(part);
        plain.push_str(match part.split_once('m') {
            Some((code, rest)) if !is_first && code.chars().all(|char| char.is_ascii_digit() || char == ';') => rest,
            _ => part,
        });
    }
    plain
}

/// A line in spans of one style each.
fn spans(text: &str) -> String {
    let mut spans = String::new();
    let mut classes: Vec<&str> = Vec::new();
    for (index, part) in text.split("\u{1b}[").enumerate() {
        let text = match part.split_once('m') {
            Some((codes, rest)) if index > 0 => {
                for code in codes.split(';') {
                    match code {
                        "1" => classes.push("bold"),
                        "31" => classes.push("red"),
                        "32" => classes.push("green"),
                        "33" => classes.push("yellow"),
                        "34" => classes.push("blue"),
                        "36" => classes.push("cyan"),
                        _ => classes.clear(),
                    }
                }
                rest
            }
            _ => part,
        };
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        match (text.is_empty(), classes.is_empty()) {
            (true, _) => {}
            (false, true) => spans.push_str(&text),
            (false, false) => {
                let _ = write!(spans, "<tspan class=\"{}\">{text}</tspan>", classes.join(" "));
            }
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_become_classes_and_text_is_escaped() {
        let line = "\u{1b}[1m\u{1b}[34mA<b>&c\u{1b}[0mend";
        let spans = spans(line);
        assert!(spans.contains("\"bold blue\""), "{spans}");
        assert!(spans.ends_with("A&lt;b&gt;&amp;c</tspan>end"), "{spans}");
        assert_eq!(plain(line), "A<b>&cend");
        assert_eq!(plain("some m"), "some m");
    }

    #[test]
    fn picture_shows_the_chosen_chapters_alone() {
        let line = |text: &str| Line {
            pause: 9.0,
            text: text.to_owned(),
        };
        let all = [
            "hello",
            "",
            "A PROJECT",
            "one",
            "",
            "A MIGRATION: SO",
            "two",
            "",
            "THE PROJECT GOES",
            "three",
        ]
        .map(line);
        let chosen = chosen(&all).unwrap();
        let texts: Vec<&str> = chosen.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(
            texts,
            ["$ neon-mcp demo", "hello", "…", "", "A MIGRATION: SO", "two", ""]
        );
        let picture = svg(&chosen);
        assert!(picture.contains("two") && !picture.contains("three"));
        assert!(super::chosen(&all[..3]).is_err());
    }
}
