//! One field of a cron expression: the set of numbers that it allows.

/// The rules of a field.
#[derive(Debug)]
pub(super) struct Kind {
    /// Its name for people.
    pub(super) name: &'static str,
    lowest: u8,
    highest: u8,
    /// Names of the numbers, the first for `lowest`.
    names: &'static [&'static str],
}

const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

/// The fields of an expression, in order.
pub(super) const KINDS: [Kind; 5] = [
    Kind { name: "minute", lowest: 0, highest: 59, names: &[] },
    Kind { name: "hour", lowest: 0, highest: 23, names: &[] },
    Kind { name: "day of month", lowest: 1, highest: 31, names: &[] },
    Kind { name: "month", lowest: 1, highest: 12, names: &MONTHS },
    // 7 is also Sunday.
    Kind { name: "day of week", lowest: 0, highest: 7, names: &DAYS },
];

/// The numbers that a field allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    numbers: u64,
    /// True if it begins with `*`: then it follows the clock (as in Vixie cron).
    pub(super) is_star: bool,
}

impl Field {
    pub(super) fn allows(self, number: i8) -> bool {
        u32::try_from(number).is_ok_and(|number| self.numbers & (1 << number) != 0)
    }

    /// Returns the allowed numbers since `lowest`, in order.
    pub(super) fn from(self, lowest: i8) -> impl Iterator<Item = i8> {
        (lowest..60).filter(move |number| self.allows(*number))
    }
}

impl Kind {
    /// Reads a list of `*`, numbers, names and ranges, each with an optional step.
    ///
    /// # Errors
    /// The problem, with the field's name and the allowed values.
    pub(super) fn read(&self, text: &str) -> Result<Field, String> {
        let mut numbers = 0_u64;
        for part in text.split(',') {
            numbers |= self.part(part)?;
        }
        // Sunday is stored as 0.
        if self.highest == 7 && numbers & (1 << 7) != 0 {
            numbers = (numbers | 1) & !(1 << 7);
        }
        Ok(Field { numbers, is_star: text.starts_with('*') })
    }

    fn part(&self, part: &str) -> Result<u64, String> {
        let (range, step) = match part.split_once('/') {
            None => (part, None),
            Some((range, step)) => (range, Some(self.step(step, part)?)),
        };
        let (first, last) = match range.split_once('-') {
            None if range == "*" => (self.lowest, if self.highest == 7 { 6 } else { self.highest }),
            Some((first, last)) => (self.number(first, part)?, self.number(last, part)?),
            None => {
                let first = self.number(range, part)?;
                // `5/15` is `5-59/15`, as in most programs.
                (first, if step.is_some() { self.highest } else { first })
            }
        };
        if first > last {
            return Err(self.wrong(part, "begins after its end"));
        }
        Ok((first..=last).step_by(usize::from(step.unwrap_or(1))).fold(0, |numbers, number| numbers | (1 << number)))
    }

    fn step(&self, step: &str, part: &str) -> Result<u8, String> {
        match digits(step) {
            Some(step) if (1..=self.highest).contains(&step) => Ok(step),
            _ => Err(self.wrong(part, &format!("has the step '{step}', which must be a number from 1 to {}", self.highest))),
        }
    }

    fn number(&self, text: &str, part: &str) -> Result<u8, String> {
        if let Some(at) = self.names.iter().position(|name| name.eq_ignore_ascii_case(text)) {
            return Ok(self.lowest + at as u8);
        }
        match digits(text) {
            Some(number) if (self.lowest..=self.highest).contains(&number) => Ok(number),
            _ => Err(self.wrong(part, "is not allowed")),
        }
    }

    fn wrong(&self, part: &str, what: &str) -> String {
        let names = match self.names {
            [first, .., last] => format!(" or {first} to {last}"),
            _ => String::new(),
        };
        let last_day = if self.highest == 31 { ", and L for the last day of the month" } else { "" };
        let (lowest, highest) = (self.lowest, self.highest);
        format!(
            "the {} '{part}' {what}: write numbers from {lowest} to {highest}{names}, as *, a list (1,3), a range (1-5) or steps (*/2){last_day}",
            self.name
        )
    }
}

fn digits(text: &str) -> Option<u8> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}
