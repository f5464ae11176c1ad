//! Prometheus' text format, version 0.0.4: each metric with what it is, then its samples.
//!
//! Names and labels are the program's own, and closed lists; only values of labels of builds and
//! sites are not, and are escaped.

use std::io::Write as _;

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It is what it is now.
    Gauge,
    /// How many samples are at most so large.
    Histogram,
}

impl Kind {
    /// As the format has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// A metric: its name, what it is, its labels for readers, what it says in a sentence.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// The name, with its unit.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its labels, with commas between.
    pub labels: &'static str,
    /// What it says.
    pub help: &'static str,
}

/// A number.
#[derive(Clone, Copy, Debug)]
pub enum Number {
    /// As it is.
    Whole(u64),
    /// Millionths of what is told.
    Millionths(u64),
}

/// Labels and their values.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

/// Metrics, appended one after the other.
pub struct Exposition<'a>(pub &'a mut Vec<u8>);

// Writing to a Vec cannot fail.
impl Exposition<'_> {
    /// Begins a metric, whose samples follow.
    pub fn begin(&mut self, metric: &Metric) {
        let kind = metric.kind.name();
        let texts = ["# HELP ", metric.name, " ", metric.help];
        let types = ["\n# TYPE ", metric.name, " ", kind, "\n"];
        for text in texts.iter().chain(&types) {
            self.0.extend_from_slice(text.as_bytes());
        }
    }

    /// A metric of one sample without labels.
    pub fn one(&mut self, metric: &Metric, number: Number) {
        self.begin(metric);
        self.sample(metric, "", &[], number);
    }

    /// A metric of a sample for each value of its label.
    pub fn each<'v>(&mut self, metric: &Metric, of: impl Iterator<Item = (&'v str, u64)>) {
        self.begin(metric);
        for (value, count) in of {
            self.sample(metric, "", &[(metric.labels, value)], Number::Whole(count));
        }
    }

    /// A sample; `suffix` stands behind the metric's name.
    pub fn sample(&mut self, metric: &Metric, suffix: &str, labels: Labels<'_>, number: Number) {
        self.0.extend_from_slice(metric.name.as_bytes());
        self.0.extend_from_slice(suffix.as_bytes());
        for (index, (name, value)) in labels.iter().enumerate() {
            self.0.push(if index == 0 { b'{' } else { b',' });
            self.0.extend_from_slice(name.as_bytes());
            self.0.extend_from_slice(b"=\"");
            for byte in value.bytes() {
                match byte {
                    b'\\' | b'"' => self.0.extend([b'\\', byte]),
                    b'\n' => self.0.extend_from_slice(b"\\n"),
                    byte => self.0.push(byte),
                }
            }
            self.0.push(b'"');
        }
        if !labels.is_empty() {
            self.0.push(b'}');
        }
        self.0.push(b' ');
        let _ = write!(self.0, "{}", Decimal(number));
        self.0.push(b'\n');
    }
}

/// Written without an exponent.
pub struct Decimal(pub Number);

impl std::fmt::Display for Decimal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Number::Whole(number) => write!(formatter, "{number}"),
            Number::Millionths(number) => {
                write!(
                    formatter,
                    "{}.{:06}",
                    number / 1_000_000,
                    number % 1_000_000
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Exposition, Kind, Metric, Number};

    #[test]
    fn samples_are_lines_whatever_their_labels_hold() {
        const METRIC: Metric = Metric {
            name: "a_seconds",
            kind: Kind::Gauge,
            labels: "b",
            help: "What it is.",
        };
        let mut text = Vec::new();
        let mut page = Exposition(&mut text);
        page.begin(&METRIC);
        page.sample(&METRIC, "_x", &[], Number::Millionths(1_000_020));
        page.sample(
            &METRIC,
            "",
            &[("b", "\\\"\nü"), ("c", "")],
            Number::Whole(7),
        );
        let expected = "# HELP a_seconds What it is.\n# TYPE a_seconds gauge\n\
                        a_seconds_x 1.000020\na_seconds{b=\"\\\\\\\"\\nü\",c=\"\"} 7\n";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}
