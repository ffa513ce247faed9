//! What is said before the load and after it.

use std::fmt::Write;

use crate::config::{Payload, Workload, show_duration};
use crate::report::limits::limits;
use crate::report::numbers::{grouped, mib, rate};
use crate::report::thresholds::verdicts;
use crate::report::{DriverName, Run, examples};
use crate::stats::ledger::SubscriptionCounts;
use crate::stats::summary::Summary;

/// OMB's files ask for this rate when they mean as fast as possible.
const FLAT_OUT: f64 = 10_000_000.0;

/// What a run is going to do.
#[derive(Clone, Copy, Debug)]
pub struct Banner<'a> {
    /// The run's id.
    pub run_id: &'a str,
    /// The workload.
    pub workload: &'a Workload,
    /// The driver.
    pub driver: &'a DriverName,
    /// Where the broker is: what the driver would connect to.
    pub broker: &'a str,
    /// Producer processes, and clients over all of them.
    pub producers: (usize, usize),
    /// Consumer processes, and clients over all of them.
    pub consumers: (usize, usize),
    /// Where the result goes.
    pub result: &'a str,
}

/// What a run is going to do, in six lines.
pub fn banner(banner: &Banner<'_>) -> String {
    let Banner {
        run_id,
        workload,
        driver,
        broker,
        producers,
        consumers,
        result,
    } = banner;
    let broker = if driver.embedded {
        format!("embedded broker of omb at {broker}: its figures are not a real broker's")
    } else {
        (*broker).to_owned()
    };
    let processes = |(processes, clients): (usize, usize), role: &str| {
        let of = count(processes as u64, &format!("{role} process"), "es");
        format!("{of} with {}", count(clients as u64, "client", "s"))
    };
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "omb {version}, run {run_id}\n  workload  {}: {}\n  driver    {}, {broker}\n  processes \
         {}, {}\n  result    {result}",
        workload.name,
        in_words(workload),
        driver.name,
        processes(*producers, "producer"),
        processes(*consumers, "consumer"),
    )
}

fn count(number: u64, what: &str, plural: &str) -> String {
    let plural = if number == 1 { "" } else { plural };
    format!("{} {what}{plural}", grouped(number))
}

fn target(rate_asked: f64) -> String {
    if rate_asked == 0.0 {
        "highest rate that holds, messages".to_owned()
    } else if rate_asked >= FLAT_OUT {
        "flat out".to_owned()
    } else {
        format!("{} msg/s", rate(rate_asked))
    }
}

fn in_words(workload: &Workload) -> String {
    let payload = match &workload.payload {
        Payload::File(path) => format!(" of {}", path.display()),
        Payload::Random { .. } => String::new(),
    };
    format!(
        "{} × {}, {} and {} × {} per topic,\n            {} of {} bytes{payload}, {} warm-up, {} measured",
        count(workload.topics.into(), "topic", "s"),
        count(workload.partitions_per_topic.into(), "partition", "s"),
        count(workload.producers_per_topic.into(), "producer", "s"),
        count(workload.subscriptions_per_topic.into(), "subscription", "s"),
        count(workload.consumers_per_subscription.into(), "consumer", "s"),
        target(workload.rate),
        grouped(workload.message_size as u64),
        show_duration(workload.warmup),
        show_duration(workload.duration),
    )
}

/// What a run found. `result` is where it was written to, if it was.
pub fn summary(run: &Run, result: Option<&str>) -> String {
    let mut text = head(run);
    rates(&mut text, run);
    latencies(&mut text, run);
    books(&mut text, run);
    effort(&mut text, run);
    for verdict in verdicts(run) {
        let met = if verdict.met { "met" } else { "MISSED" };
        line(
            &mut text,
            "threshold",
            &format!("{}, {met}", verdict.in_words()),
        );
    }
    for limit in limits(run) {
        line(&mut text, "host", &limit);
    }
    for note in &run.notes {
        line(&mut text, "note", note);
    }
    if let Some(result) = result {
        line(&mut text, "result", result);
    }
    text.trim_end().to_owned()
}

fn line(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "  {name:<11} {value}");
}

fn head(run: &Run) -> String {
    let broker = if run.driver.embedded {
        " (embedded broker)"
    } else {
        ""
    };
    let mut text = format!("{} on {}{broker}: ", run.workload.name, run.driver.name);
    text.push_str(run.status.name());
    if let Some(reason) = &run.reason {
        let _ = write!(text, ", {reason}");
    }
    text.push('\n');
    text
}

fn rates(text: &mut String, run: &Run) {
    let total = &run.total;
    let seconds = if total.seconds > 0.0 {
        total.seconds
    } else {
        1.0
    };
    let shown = |messages: u64, bytes: u64| {
        let per_second = rate(messages as f64 / seconds);
        format!(
            "{per_second} msg/s, {:.1} MiB/s",
            mib(bytes as f64 / seconds)
        )
    };
    let counters = &total.counters;
    let published = shown(counters.acknowledged, counters.acknowledged_bytes);
    let asked = run.workload.rate;
    let of_target = if asked >= FLAT_OUT {
        " (flat out)".to_owned()
    } else if asked == 0.0 || !run.rates.is_empty() {
        String::new()
    } else {
        let share = 100.0 * counters.acknowledged as f64 / seconds / asked;
        format!(" ({share:.2} % of {})", target(asked))
    };
    line(text, "published", &format!("{published}{of_target}"));
    line(
        text,
        "received",
        &shown(counters.received, counters.received_bytes),
    );
    let errors = counters.failed + counters.unknown;
    if errors > 0 {
        let share = errors as f64 / seconds;
        line(
            text,
            "errors",
            &format!("{} ({} a second)", grouped(errors), rate(share)),
        );
    }
}

fn latencies(text: &mut String, run: &Run) {
    let _ = writeln!(
        text,
        "\n  {:<34} {:>11} {:>11} {:>11} {:>11} {:>11}",
        "latency (ms)", "avg", "p50", "p99", "p99.9", "max"
    );
    let all = &run.total.latencies;
    for (name, summary) in [
        ("publish (send to ack)", &all.publish),
        ("response (due to ack)", &all.response),
        ("publish delay (due to send)", &all.publish_delay),
        ("end-to-end (send to receive)", &all.end_to_end),
        (
            "end-to-end response (due to receive)",
            &all.end_to_end_response,
        ),
    ] {
        let _ = writeln!(text, "  {name:<36}{}", latency_row(summary));
    }
    text.push('\n');
}

fn latency_row(summary: &Summary) -> String {
    let Summary {
        avg,
        p50,
        p99,
        p999,
        max,
        count,
        ..
    } = *summary;
    let mut row = String::new();
    for (index, nanos) in [avg, p50, p99, p999, max].into_iter().enumerate() {
        let width = if index == 0 { 10 } else { 12 };
        let _ = match count {
            0 => write!(row, "{:>width$}", "-"),
            _ => write!(row, "{:>width$.3}", nanos / 1e6),
        };
    }
    row
}

/// The ledger, warm-up included: what was sent, and what each class of trouble took of it.
fn books(text: &mut String, run: &Run) {
    let ledger = &run.ledger;
    let mut sent = format!(
        "{} sent = {} acknowledged + {} failed + {} unknown",
        grouped(ledger.sent),
        grouped(ledger.acknowledged),
        grouped(ledger.failed),
        grouped(ledger.unknown)
    );
    if ledger.unsent > 0 {
        let _ = write!(sent, "; {} due and never sent", grouped(ledger.unsent));
    }
    line(text, "ledger", &sent);
    let sum = |class: fn(&SubscriptionCounts) -> u64| {
        ledger
            .subscriptions
            .iter()
            .map(|(_, books)| class(books))
            .sum::<u64>()
    };
    let mut received = format!(
        "{} received, {} lost",
        grouped(sum(|books| books.received)),
        grouped(sum(|books| books.lost))
    );
    for (class, number) in [
        ("unread", sum(|books| books.unread)),
        ("duplicates", sum(|books| books.duplicates)),
        ("redelivered", sum(|books| books.redelivered)),
        ("late", sum(|books| books.late)),
        ("reordered", sum(|books| books.reordered)),
        ("foreign", sum(|books| books.foreign)),
    ] {
        if number > 0 {
            let _ = write!(received, ", {} {class}", grouped(number));
        }
    }
    let subscriptions = count(ledger.subscriptions.len() as u64, "subscription", "s");
    line(
        text,
        "",
        &format!("{received} ({subscriptions}, warm-up included)"),
    );
    for example in examples::lines(ledger) {
        line(text, "", &example);
    }
}

fn effort(text: &mut String, run: &Run) {
    let mut effort = format!("{:.2} s", run.cpu_seconds);
    let messages = run.ledger.acknowledged;
    let living = run.processes.iter().filter(|p| p.ended.is_none()).count();
    if living > 0 {
        let living = count(living as u64, "process", "es");
        let _ = write!(effort, " (without {living} that had not ended)");
    } else {
        if messages > 0 {
            let each = run.cpu_seconds * 1e6 / messages as f64;
            let _ = write!(effort, ", {each:.2} µs per message acknowledged");
        }
        effort.push_str(" (all processes, start to end)");
    }
    line(text, "processor", &effort);
    if run.restarts > 0 {
        let restarts = count(run.restarts.into(), "restart", "s");
        line(
            text,
            "restarts",
            &format!("{restarts} of children; see the samples or `omb.processes`"),
        );
    }
    if let Some(followed) = followed(run) {
        line(text, "rate", &followed);
    }
    if let Some(search) = &run.rate_search {
        line(text, "search", &search.in_words());
    }
    if let Some(drain) = &run.backlog_drain {
        line(text, "backlog", &drain.in_words());
    }
    for (number, words) in run.disturbances.in_words().iter().enumerate() {
        line(text, if number == 0 { "disturbed" } else { "" }, words);
    }
    if let Some(undisturbed) = &run.undisturbed {
        let (response, end_to_end) = (&undisturbed.response, &undisturbed.end_to_end_response);
        line(
            text,
            "",
            &format!(
                "otherwise response p99 {:.3} ms, end-to-end response p99 {:.3} ms",
                response.p99 / 1e6,
                end_to_end.p99 / 1e6
            ),
        );
    }
}

/// How the rate followed what was measured.
fn followed(run: &Run) -> Option<String> {
    let last = run.rates.last()?;
    let asked = run.workload.rate;
    let rates = run.rates.iter().map(|change| change.rate);
    let (low, high) = rates.fold((asked, asked), |(low, high), rate| {
        (rate.min(low), rate.max(high))
    });
    let changes = count(run.rates.len() as u64, "change", "s");
    Some(format!(
        "followed what was measured: {changes} between {} and {} msg/s, {} at the end",
        rate(low),
        rate(high),
        rate(last.rate),
    ))
}

#[cfg(test)]
#[path = "summary_tests.rs"]
mod tests;
