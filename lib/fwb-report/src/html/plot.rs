//! Lines over time as inline SVG. A plot stretches to its place; its words stand beside it as HTML, and so keep their size on a
//! telephone.

use std::fmt::Write as _;

use chrono::{DateTime, Local};

use super::markup::escaped;

/// The plot's own units, in both directions.
const SPAN: f64 = 1000.0;

/// A line over time.
pub(super) struct Plot<'a> {
    /// What it shows, for whoever cannot see it.
    pub(super) label: String,
    /// Moments in seconds since 1970, and values, oldest first.
    pub(super) points: Vec<(f64, f64)>,
    /// Where the line goes on by its trend.
    pub(super) outlook: Option<Outlook>,
    /// A level that matters.
    pub(super) level: Option<f64>,
    /// How a value is said.
    pub(super) said: &'a dyn Fn(f64) -> String,
    /// Where its scale may end.
    pub(super) scale: Scale,
    /// Whether it shows what was found to have changed.
    pub(super) is_changed: bool,
}

/// By what people count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// By tens.
    Count,
    /// By powers of 1024.
    Bytes,
    /// By minutes, hours and days.
    Seconds,
}

/// A trend into the future.
pub(super) struct Outlook {
    /// From this value at the newest point.
    pub(super) from: f64,
    /// The slope in units a second: the estimate, the lower and the upper bound.
    pub(super) slopes: [f64; 3],
    /// For so many seconds.
    pub(super) seconds: f64,
}

impl Plot<'_> {
    /// The plot with its scales; nothing of fewer than two points.
    pub(super) fn svg(&self) -> String {
        let (Some((first, _)), Some((newest, _))) = (self.points.first(), self.points.last()) else {
            return String::new();
        };
        let end = newest + self.outlook.as_ref().map_or(0.0, |outlook| outlook.seconds);
        if self.points.len() < 2 || end <= *first {
            return "<p class=\"note\">There are too few values for a plot.</p>".into();
        }
        let ahead = |slope: f64, outlook: &Outlook| (outlook.from + slope * outlook.seconds).max(0.0);
        let most = self.points.iter().map(|(_, value)| *value).chain(self.level);
        let most = most.chain(self.outlook.iter().map(|outlook| ahead(outlook.slopes[2], outlook)));
        let top = rounded_up(most.fold(0.0, f64::max), self.scale);
        let x = |at: f64| (at - first) / (end - first) * SPAN;
        let y = |value: f64| SPAN - value.clamp(0.0, top) / top * SPAN;
        let mut body = String::new();
        for line in [0.0, 0.5, 1.0] {
            let _ = write!(
                body,
                "<line class=\"grid\" x1=\"0\" x2=\"1000\" y1=\"{0:.0}\" y2=\"{0:.0}\"/>",
                line * SPAN
            );
        }
        let path: Vec<String> =
            self.points.iter().map(|(at, value)| format!("{:.1} {:.1}", x(*at), y(*value))).collect();
        let changed = if self.is_changed { " changed" } else { "" };
        let line = path.join("L");
        let _ = write!(body, "<path class=\"area\" d=\"M{line}L{:.1} 1000L0 1000Z\"/>", x(*newest));
        if let Some(outlook) = &self.outlook {
            let (from, to) = (y(outlook.from), |slope: f64| y(ahead(slope, outlook)));
            let at = x(*newest);
            let [slope, low, high] = outlook.slopes;
            let _ = write!(
                body,
                "<path class=\"band\" d=\"M{at:.1} {from:.1}L1000 {:.1}L1000 {:.1}Z\"/><path class=\"trend\" d=\"M{at:.1} \
                 {from:.1}L1000 {:.1}\"/><line class=\"now\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"0\" y2=\"1000\"/>",
                to(low),
                to(high),
                to(slope),
            );
        }
        if let Some(level) = self.level {
            let _ = write!(
                body,
                "<line class=\"need\" x1=\"0\" x2=\"1000\" y1=\"{0:.1}\" y2=\"{0:.1}\"/>",
                y(level)
            );
        }
        let _ = write!(body, "<path class=\"series{changed}\" d=\"M{line}\"/>");
        // A point alone is a line of no length with a round end: it stays round however the plot is stretched.
        let dots: Vec<&String> =
            if path.len() <= 40 { path.iter().collect() } else { path.last().into_iter().collect() };
        let dots = dots.iter().map(|point| format!("M{point}h0")).collect::<Vec<_>>().concat();
        let _ = write!(body, "<path class=\"dots{changed}\" d=\"{dots}\"/>");
        let marks =
            [top, top / 2.0, 0.0].map(|value| format!("<span>{}</span>", escaped(&(self.said)(value))));
        let middle = f64::midpoint(*first, end);
        let dates = [*first, middle, end].map(|at| format!("<span>{}</span>", date(at)));
        format!(
            "<div class=\"plot\"><div class=\"y\" aria-hidden=\"true\">{}</div><svg viewBox=\"0 0 1000 1000\" \
             preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\">{body}</svg><div class=\"x\" aria-hidden=\"true\">{}</div></div>",
            marks.concat(),
            escaped(&self.label),
            dates.concat(),
        )
    }
}

#[allow(clippy::cast_possible_truncation)]
fn date(at: f64) -> String {
    let moment = DateTime::from_timestamp(at as i64, 0).unwrap_or_default().with_timezone(&Local);
    moment.format("%-d %b %Y").to_string()
}

/// The end of a scale: the least that people count by and that is no less.
fn rounded_up(most: f64, scale: Scale) -> f64 {
    const TENS: &[f64] = &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0];
    const TWOS: &[f64] = &[
        1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0, 96.0, 128.0, 192.0, 256.0,
        384.0, 512.0, 768.0,
    ];
    const TIMES: &[f64] = &[
        1.0, 2.0, 4.0, 10.0, 20.0, 30.0, 60.0, 120.0, 240.0, 360.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0,
        14_400.0, 21_600.0, 43_200.0, 86_400.0,
    ];
    if !most.is_finite() || most <= 0.0 {
        return 1.0;
    }
    let (base, steps): (f64, _) = match scale {
        Scale::Bytes => (1024.0, TWOS),
        Scale::Seconds if most <= 86_400.0 => (1.0, TIMES),
        Scale::Seconds | Scale::Count => (10.0, TENS),
    };
    let unit = if base > 1.0 { base.powf(most.log(base).floor()) } else { 1.0 };
    steps.iter().map(|step| step * unit).find(|top| *top >= most).unwrap_or(base * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_where_people_count() {
        use Scale::{Bytes, Count, Seconds};
        let cases = [
            (0.0, Count, 1.0),
            (9.0, Count, 10.0),
            (4.2, Count, 5.0),
            (101.0, Count, 150.0),
            (1000.0, Bytes, 1024.0),
            (1025.0, Bytes, 1536.0),
            (700.0 * 1024.0, Bytes, 768.0 * 1024.0),
            (130.0, Seconds, 240.0),
            (1e6, Seconds, 1e6),
            (f64::NAN, Bytes, 1.0),
        ];
        for (most, scale, top) in cases {
            assert!((rounded_up(most, scale) - top).abs() < 1e-6, "{most}");
        }
    }

    #[test]
    fn a_plot_of_one_point_or_none_is_none() {
        let plot = |points| Plot {
            label: "x".into(),
            points,
            outlook: None,
            level: None,
            said: &|_| "<".into(),
            scale: Scale::Count,
            is_changed: false,
        };
        assert!(plot(Vec::new()).svg().is_empty());
        assert!(!plot(vec![(1.0, 1.0)]).svg().contains("<svg"));
        let two = plot(vec![(0.0, 1.0), (1e9, 0.0)]).svg();
        assert!(two.contains("<svg") && two.contains("&lt;") && !two.contains("NaN"), "{two}");
    }
}
