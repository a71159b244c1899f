use super::*;
use jiff::civil::Weekday;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use proptest::prelude::*;

const ZONES: [&str; 7] =
    ["UTC", "Europe/Stockholm", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/St_Johns", "Pacific/Chatham"];

const MILLISECOND: Duration = Duration::from_millis(1);
const QUARTER: Duration = Duration::from_secs(900);

fn millis(text: &str) -> UnixMillis {
    UnixMillis::new(text.parse::<Timestamp>().unwrap().as_millisecond())
}

fn cron(expression: &str, timezone: &str) -> Timing {
    Timing::cron(expression, timezone).unwrap_or_else(|(field, message)| panic!("{expression} {timezone}: {field} {message}"))
}

/// Returns the due times after a time, in local time.
fn due(timing: &Timing, after: &str, count: usize) -> Vec<String> {
    let mut at = millis(after);
    let mut found = Vec::new();
    for _ in 0..count {
        at = timing.next_after(at).unwrap();
        found.push(timing.on_its_clock(at));
    }
    found
}

#[track_caller]
fn expect(expression: &str, timezone: &str, after: &str, wanted: &[&str]) {
    assert_eq!(due(&cron(expression, timezone), after, wanted.len()), wanted, "{expression} in {timezone}");
}

#[test]
fn a_time_that_the_spring_change_skips_is_due_once_at_the_first_moment_after_the_gap() {
    expect(
        "30 2 * * *",
        "Europe/Stockholm",
        "2026-03-28T00:00:00Z",
        &["2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"],
    );
    expect("5,25,45 2 * * *", "Europe/Stockholm", "2026-03-29T00:00:00Z", &["2026-03-29T03:00:00+02:00", "2026-03-30T02:05:00+02:00"]);
    expect("0 2,3 * * *", "Europe/Stockholm", "2026-03-29T00:00:00Z", &["2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"]);
    expect("30 2 * * *", "America/New_York", "2026-03-08T05:00:00Z", &["2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"]);
    // Half an hour is skipped: 02:00 to 02:30.
    expect("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", &["2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"]);
    expect("30 2 * * *", "UTC", "2026-03-29T00:00:00Z", &["2026-03-29T02:30:00+00:00", "2026-03-30T02:30:00+00:00"]);
}

#[test]
fn a_time_that_the_autumn_change_repeats_is_due_once_the_first_time() {
    expect("30 2 * * *", "Europe/Stockholm", "2026-10-24T12:00:00Z", &["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]);
    // After the first of the two, the second is not due.
    expect("30 2 * * *", "Europe/Stockholm", "2026-10-25T00:45:00Z", &["2026-10-26T02:30:00+01:00"]);
    expect("30 1 * * *", "America/New_York", "2026-11-01T04:00:00Z", &["2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"]);
    // Half an hour is repeated: 01:30 to 02:00.
    expect("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00:00Z", &["2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"]);
    expect("15 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00:00Z", &["2026-04-05T01:15:00+11:00", "2026-04-06T01:15:00+10:30"]);
}

#[test]
fn an_interval_follows_real_time_over_both_changes() {
    expect(
        "*/30 * * * *",
        "Europe/Stockholm",
        "2026-03-29T00:15:00Z",
        &["2026-03-29T01:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-29T03:30:00+02:00"],
    );
    expect(
        "0 * * * *",
        "Europe/Stockholm",
        "2026-10-24T23:30:00Z",
        &["2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T03:00:00+01:00"],
    );
    expect(
        "0 * * * *",
        "Australia/Lord_Howe",
        "2026-04-04T13:30:00Z",
        &["2026-04-05T01:00:00+11:00", "2026-04-05T02:00:00+10:30", "2026-04-05T03:00:00+10:30"],
    );
    expect("*/15 2 * * *", "Europe/Stockholm", "2026-03-29T00:15:00Z", &["2026-03-30T02:00:00+02:00"]);
}

#[test]
fn fields_are_read_as_cron_reads_them() {
    let after = "2026-11-24T13:12:00Z";
    for (expression, wanted) in [
        ("0 6 * * 1-5", "2026-11-25T06:00:00+00:00"),
        ("0 6 * * MON-FRI", "2026-11-25T06:00:00+00:00"),
        ("0 0 1 JAN *", "2027-01-01T00:00:00+00:00"),
        ("0 0 29 2 *", "2028-02-29T00:00:00+00:00"),
        ("0 0 L 2 *", "2027-02-28T00:00:00+00:00"),
        ("0 0 l * *", "2026-11-30T00:00:00+00:00"),
        ("0 12 * * 7", "2026-11-29T12:00:00+00:00"),
        ("0 12 * * 0", "2026-11-29T12:00:00+00:00"),
        ("0 12 * * 5-7", "2026-11-27T12:00:00+00:00"),
        ("10/20 * * * *", "2026-11-24T13:30:00+00:00"),
        ("7-59/20 13 * * *", "2026-11-24T13:27:00+00:00"),
        ("1,13 13,14 24 11 *", "2026-11-24T13:13:00+00:00"),
        // If both days are given, one must match; with a star in one of them, both must.
        ("0 0 13 * FRI", "2026-11-27T00:00:00+00:00"),
        ("0 0 */2 * WED", "2026-11-25T00:00:00+00:00"),
        ("  0   0  1 * * ", "2026-12-01T00:00:00+00:00"),
        ("@daily", "2026-11-25T00:00:00+00:00"),
        ("@HOURLY", "2026-11-24T14:00:00+00:00"),
        ("@weekly", "2026-11-29T00:00:00+00:00"),
        ("@yearly", "2027-01-01T00:00:00+00:00"),
    ] {
        assert_eq!(due(&cron(expression, "UTC"), after, 1)[0].replace('Z', "+00:00"), wanted, "{expression}");
    }
}

#[test]
fn an_error_names_the_field_and_the_allowed_values() {
    for (expression, timezone, field, text) in [
        ("60 * * * *", "UTC", "cron", "the minute '60' is not allowed: write numbers from 0 to 59"),
        ("* 24 * * *", "UTC", "cron", "the hour '24' is not allowed"),
        ("* * 0 * *", "UTC", "cron", "the day of month '0' is not allowed: write numbers from 1 to 31"),
        ("* * * 13 *", "UTC", "cron", "from 1 to 12 or JAN to DEC"),
        ("* * * * MOON", "UTC", "cron", "the day of week 'MOON' is not allowed: write numbers from 0 to 7 or SUN to SAT"),
        ("* * * * 5-1", "UTC", "cron", "the day of week '5-1' begins after its end"),
        ("*/0 * * * *", "UTC", "cron", "the minute '*/0' has the step '0', which must be a number from 1 to 59"),
        ("*/x * * * *", "UTC", "cron", "the step 'x'"),
        ("1,,2 * * * *", "UTC", "cron", "the minute ''"),
        ("-1 * * * *", "UTC", "cron", "the minute '-1'"),
        ("1-2-3 * * * *", "UTC", "cron", "the minute '1-2-3'"),
        ("+5 * * * *", "UTC", "cron", "the minute '+5'"),
        ("0 6 * *", "UTC", "cron", "has 4 fields; write five"),
        ("0 0 6 * * 1", "UTC", "cron", "has 6 fields"),
        ("", "UTC", "cron", "has 0 fields"),
        ("@reboot", "UTC", "cron", "has no '@reboot'"),
        ("0 0 30 2 *", "UTC", "cron", "never happens: no month that '2' allows has a day '30'"),
        ("0 0 31 4,6,9,11 *", "UTC", "cron", "never happens"),
        ("0 6 * * *", "Europe/Stokholm", "timezone", "did you mean Europe/Stockholm?"),
        ("0 6 * * *", "CEST", "timezone", "must be an IANA time zone"),
        ("0 6 * * *", "", "timezone", "must be an IANA time zone"),
        ("0 6 * * *", "+01:00", "timezone", "must be an IANA time zone"),
    ] {
        let (wrong, message) = Timing::cron(expression, timezone).unwrap_err();
        assert_eq!(wrong, field, "{expression} {timezone}");
        assert!(message.contains(text), "{expression} {timezone}: {message}");
    }
    // The day of the week alone matches, so it has due times.
    assert!(Timing::cron("0 0 30 2 MON", "UTC").is_ok());
}

#[test]
fn every_counts_from_its_start_in_real_time() {
    let timing = Timing::every(Duration::from_secs(900), Some("2026-12-01T06:05:00Z")).unwrap();
    assert_eq!(due(&timing, "2026-01-01T00:00:00Z", 2), ["2026-12-01T06:05:00Z", "2026-12-01T06:20:00Z"]);
    assert_eq!(due(&timing, "2026-12-01T06:05:00Z", 1), ["2026-12-01T06:20:00Z"]);
    assert_eq!(due(&timing, "2026-12-02T00:01:00Z", 1), ["2026-12-02T00:05:00Z"]);
    let whole = Timing::every(Duration::from_secs(3600), None).unwrap();
    assert_eq!(due(&whole, "2026-12-02T00:01:00Z", 1), ["2026-12-02T01:00:00Z"]);
}

#[test]
fn a_timing_is_told_by_its_text() {
    assert_eq!(cron("0  6 * * 1-5", "europe/stockholm").to_string(), "0 6 * * 1-5 in Europe/Stockholm");
    assert_eq!(Timing::every(Duration::from_secs(900), None).unwrap().to_string(), "every 15m");
    let starting = Timing::every(Duration::from_secs(900), Some("2026-12-01T07:00:00+01:00")).unwrap();
    assert_eq!(starting.to_string(), "every 15m from 2026-12-01T06:00:00Z");
}

#[test]
fn the_latest_due_times_come_oldest_first_and_are_found_from_far_away() {
    let timing = cron("*/15 * * * *", "UTC");
    let (from, to) = (millis("1980-01-01T00:00:00Z"), millis("2026-12-01T06:00:00Z"));
    let found: Vec<String> = timing.latest(from, to, 3).into_iter().map(|due| timing.on_its_clock(due)).collect();
    assert_eq!(found.iter().map(|text| &text[11..16]).collect::<Vec<_>>(), ["05:30", "05:45", "06:00"]);
    assert_eq!(timing.latest(to - QUARTER, to, 1000), [to - QUARTER, to]);
    assert_eq!(timing.latest(to + MILLISECOND, to, 1000), []);
    let second = Timing::every(Duration::from_secs(1), None).unwrap();
    assert_eq!(second.latest(UnixMillis::default(), to, 1000).len(), 1000);
    assert_eq!(cron("0 0 29 2 *", "UTC").latest(from, to, 2).len(), 2);
}

/// An independent implementation of the rules, minute by minute of real time.
struct Minutes {
    zone: TimeZone,
    minutes: Vec<i8>,
    hours: Vec<i8>,
    weekdays: Vec<Weekday>,
    is_interval: bool,
}

impl Minutes {
    fn fits(&self, wall: jiff::civil::DateTime) -> bool {
        self.minutes.contains(&wall.minute()) && self.hours.contains(&wall.hour()) && self.weekdays.contains(&wall.weekday())
    }

    /// Returns the due times of a period that begins and ends far from any change.
    fn between(&self, from: UnixMillis, to: UnixMillis) -> Vec<UnixMillis> {
        let mut found = Vec::new();
        let mut shown: Option<jiff::civil::DateTime> = None;
        for at in (from.get()..=to.get()).step_by(60_000) {
            let wall = self.zone.to_datetime(Timestamp::from_millisecond(at).unwrap());
            let is_new = shown.is_none_or(|latest| wall > latest);
            let mut fits = self.fits(wall) && (self.is_interval || is_new);
            if let Some(latest) = shown.filter(|_| is_new && !self.is_interval) {
                let mut skipped = latest + jiff::Span::new().minutes(1);
                while skipped < wall {
                    fits |= self.fits(skipped);
                    skipped += jiff::Span::new().minutes(1);
                }
            }
            if fits {
                found.push(UnixMillis::new(at));
            }
            shown = shown.max(Some(wall));
        }
        found
    }
}

fn list(numbers: &[i8]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Time zones, each with the first day of a week in which its clock changes, and one without changes.
const WEEKS: [(&str, &str); 11] = [
    ("Europe/Stockholm", "2026-03-26"),
    ("Europe/Stockholm", "2026-10-22"),
    ("America/New_York", "2026-03-06"),
    ("America/New_York", "2026-10-30"),
    ("America/St_Johns", "2026-03-06"),
    ("America/St_Johns", "2026-10-30"),
    ("Australia/Lord_Howe", "2026-04-02"),
    ("Australia/Lord_Howe", "2026-10-01"),
    ("Pacific/Chatham", "2026-04-02"),
    ("Pacific/Chatham", "2026-09-24"),
    ("UTC", "2026-03-26"),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn due_times_are_those_of_a_check_minute_by_minute_over_weeks_in_which_clocks_are_changed(
        week in 0..WEEKS.len(),
        mut minutes in proptest::collection::vec(0_i8..60, 1..4),
        mut hours in proptest::collection::vec(0_i8..5, 1..4),
        mut days in proptest::collection::vec(0_i8..7, 1..7),
        every_minute in any::<bool>(),
        every_hour in any::<bool>(),
    ) {
        minutes.sort_unstable();
        hours.sort_unstable();
        days.sort_unstable();
        let (zone, day) = WEEKS[week];
        let step = minutes[0].max(1);
        let minute = if every_minute { format!("*/{step}") } else { list(&minutes) };
        let hour = if every_hour { "*".to_owned() } else { list(&hours) };
        let timing = cron(&format!("{minute} {hour} * * {}", list(&days)), zone);
        let check = Minutes {
            zone: TimeZoneDatabase::bundled().get(zone).unwrap(),
            minutes: if every_minute { (0..60).step_by(step as usize).collect() } else { minutes },
            hours: if every_hour { (0..24).collect() } else { hours },
            weekdays: days.iter().map(|day| Weekday::from_sunday_zero_offset(*day).unwrap()).collect(),
            is_interval: every_minute || every_hour,
        };
        let from = millis(&format!("{day}T00:00:00Z"));
        let to = from + Duration::from_secs(7 * 24 * 3600);
        prop_assert_eq!(timing.latest(from, to, usize::MAX), check.between(from, to));
    }

    #[test]
    fn the_next_due_time_is_later_and_never_goes_back(zone in 0..ZONES.len(), at in 0_i64..4_102_444_800_000, further in 0_u64..7_200_000) {
        let (at, further) = (UnixMillis::new(at), Duration::from_millis(further));
        for expression in ["*/7 * * * *", "30 2 * * *", "0 1-3 * * *", "15 */3 L * *", "0 0 29 2 *"] {
            let timing = cron(expression, ZONES[zone]);
            let next = timing.next_after(at).unwrap();
            prop_assert!(next > at);
            prop_assert_eq!(timing.next_after(next - MILLISECOND), Some(next), "{} in {}", expression, ZONES[zone]);
            prop_assert!(timing.next_after(at + further).unwrap() >= next);
        }
    }

    #[test]
    fn no_text_makes_it_panic(expression in "[0-9*/,A-Za-z@ -]{0,20}", timezone in "[A-Za-z/_+:0-9]{0,20}") {
        if let Ok(timing) = Timing::cron(&expression, "Europe/Stockholm") {
            prop_assert!(timing.next_after(UnixMillis::default()).is_some());
        }
        let _ = Timing::cron("@daily", &timezone);
    }
}
