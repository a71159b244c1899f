//! Metrics of the process, in the text form of Prometheus.

use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::metric_names::{self, FormerName};

/// Buckets of every duration, in seconds: 0.5 ms to 60 s.
pub const DURATION_BUCKETS: [f64; 16] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Buckets of batch sizes.
const BATCH_BUCKETS: [f64; 9] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0];

/// Interval at which samples of histograms are folded into their buckets; otherwise memory grows until the next scrape.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// The reason for which metrics cannot be collected.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The recorder could not be built or another one is installed.
    #[error("cannot install the metrics recorder of this process: another part of it must have installed one first")]
    Install(#[source] BuildError),
    /// The thread that folds samples did not start.
    #[error("cannot start the metrics upkeep thread: the system is out of threads or memory")]
    Upkeep(#[source] std::io::Error),
}

/// The metrics of the process.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// Returns the text for Prometheus (`text/plain; version=0.0.4`).
    #[must_use]
    pub fn render(&self) -> String {
        with_former_names(&self.handle.render(), metric_names::FORMER_NAMES)
    }
}

/// Repeats the lines of each renamed metric under its former name, behind all others.
fn with_former_names(text: &str, renamed: &[FormerName]) -> String {
    let mut all = text.to_owned();
    for FormerName { name, former } in renamed {
        for line in text.lines() {
            if let Some((before, after)) = split_at_metric(line, name) {
                let deprecated = if before == "# HELP " { &format!(" Deprecated: use {name}.") } else { "" };
                all.push_str(&format!("{before}{former}{deprecated}{after}\n"));
            }
        }
    }
    all
}

/// Splits a line of the metric `name` into the text before the name and the text after it; `None`: a line of another metric.
fn split_at_metric<'a>(line: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let comment = ["# HELP ", "# TYPE "].into_iter().find(|comment| line.starts_with(comment)).unwrap_or_default();
    let (before, rest) = line.split_at(comment.len());
    let after = rest.strip_prefix(name)?;
    after.starts_with(['{', ' ']).then_some((before, after))
}

/// Installs the recorder of the process for the `metrics` macros, and starts one thread that keeps its memory small. Called once: a process
/// has one recorder.
///
/// # Errors
/// [`MetricsError`] when the process has a recorder already or no thread can be started.
pub fn install() -> Result<Metrics, MetricsError> {
    let handle = builder().and_then(PrometheusBuilder::install_recorder).map_err(MetricsError::Install)?;
    let metrics = Metrics { handle: handle.clone() };
    metric_names::describe();
    std::thread::Builder::new()
        .name("metrics-upkeep".to_owned())
        .spawn(move || {
            loop {
                std::thread::sleep(UPKEEP_INTERVAL);
                handle.run_upkeep();
            }
        })
        .map_err(MetricsError::Upkeep)?;
    Ok(metrics)
}

/// Returns the builder of a recorder with the buckets of Forebay's histograms.
fn builder() -> Result<PrometheusBuilder, BuildError> {
    let batch_size = Matcher::Full(metric_names::WORKER_RECORD_BATCH_SIZE.to_owned());
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &DURATION_BUCKETS)?
        .set_buckets_for_metric(batch_size, &BATCH_BUCKETS)
}

#[cfg(test)]
impl Metrics {
    /// Returns metrics to which only `measure` adds.
    pub(crate) fn of(measure: impl FnOnce()) -> Self {
        let recorder = builder().unwrap().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            metric_names::describe();
            measure();
        });
        Self { handle: recorder.handle() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_one_recorder() {
        let metrics = install().unwrap();
        metrics::counter!(metric_names::PUBLISH_TOTAL, "result" => "again").increment(3);
        assert!(metrics.render().contains("forebay_publish_total{result=\"again\"} 3"), "{}", metrics.render());
        assert!(matches!(install(), Err(MetricsError::Install(_))));
    }

    #[test]
    fn durations_have_buckets_from_half_a_millisecond_to_a_minute() {
        let metrics = Metrics::of(|| {
            metrics::histogram!(metric_names::PUBLISH_DURATION_SECONDS).record(0.0004);
            metrics::histogram!(metric_names::WORKER_RECORD_BATCH_SIZE).record(20.0);
        });
        let text = metrics.render();
        assert!(text.contains("forebay_publish_duration_seconds_bucket{le=\"0.0005\"} 1"), "{text}");
        assert!(text.contains("forebay_publish_duration_seconds_bucket{le=\"60\"} 1"), "{text}");
        assert!(text.contains("forebay_worker_record_batch_size_bucket{le=\"25\"} 1"), "{text}");
        assert!(text.contains("# HELP forebay_publish_duration_seconds Time from a publish"), "{text}");
    }

    #[test]
    fn a_renamed_metric_is_exported_under_its_former_name_too() {
        let metrics = Metrics::of(|| {
            metrics::counter!(metric_names::ALERT_NOTIFICATIONS_TOTAL, "channel" => "former", "result" => "sent").increment(2);
        });
        let text = metrics.render();
        for name in ["forebay_alert_notifications_total", "forebay_alerts_told_total"] {
            assert!(text.contains(&format!("\n# TYPE {name} counter\n")), "{text}");
            assert!(text.contains(&format!("\n{name}{{channel=\"former\",result=\"sent\"}} 2\n")), "{text}");
        }
        assert!(text.contains("# HELP forebay_alerts_told_total Deprecated: use forebay_alert_notifications_total. Attempts"), "{text}");
    }

    #[test]
    fn only_the_lines_of_a_renamed_metric_are_repeated() {
        let text = "a_total 1\na_total_other 2\n";
        assert_eq!(with_former_names(text, &[FormerName { name: "a_total", former: "b_total" }]), format!("{text}b_total 1\n"));
    }

    #[test]
    fn metric_names_are_unique_and_follow_the_conventions_of_prometheus() {
        let former = metric_names::FORMER_NAMES.iter().map(|name| name.former);
        let mut names: Vec<_> = metric_names::ALL.iter().copied().chain(former).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), metric_names::ALL.len() + metric_names::FORMER_NAMES.len());
        assert!(names.iter().all(|name| name.starts_with("forebay_")));
    }
}
