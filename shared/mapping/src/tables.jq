# Tables: arrays of rows, which usually are objects. Order is kept: groups come in the order of their first row.

# What may be there once, several times or not at all, as an array: a child in XML, a field of a form.
def as_list: if . == null then [] elif isarray then . else [.] end;

def keyed(f): [.[] | {key: f, row: .}];
def group_rows(f): keyed(f) | grouped_rows;
def group_rows(f; g): group_rows(f) | map(g);
def distinct_rows(f): group_rows(f) | map(.rows[0]);

def key_name: if isstring then . else tojson end;
# Members of an object are told apart by their names: numbers that are equal share that of the first, and `1` and `"1"` share one.
def index_by(f): reduce group_rows(f)[] as $group ({}; . + {($group.key | key_name): $group.rows[-1]});
def add_by_name($name; $number): .[$name] |= . + $number;
def count_by(f): reduce group_rows(f)[] as $group ({}; add_by_name($group.key | key_name; $group.rows | length));
def sum_of(f): reduce (.[] | f) as $number (0; . + $number);
def sum_by(f; g): reduce group_rows(f)[] as $group ({}; add_by_name($group.key | key_name; $group.rows | sum_of(g)));

# As in SQL: null is no key, and of members with the same name that of the other table holds.
def rows_by_key(f): reduce (group_rows(f)[] | select(.key != null)) as $group ({}; . + {($group.key | join_key): $group.rows});
def join_rows($others; f; g): ($others | rows_by_key(g)) as $by_key
  | [.[] as $row | ($by_key[$row | f | join_key] // [])[] as $other | $row + $other];
def left_join_rows($others; f; g): ($others | rows_by_key(g)) as $by_key
  | [.[] as $row | ($by_key[$row | f | join_key] // [{}])[] as $other | $row + $other];

def check_size($function; $n): if ($n | isnumber) and $n >= 1 and ($n | floor) == $n then .
  else error("\($function) takes a whole number of at least 1, not \($n | tojson)") end;
def chunk($n): check_size("chunk"; $n) | [range(0; length; $n) as $start | .[$start:$start + $n]];
def window($n; $step): check_size("window"; $n) | check_size("window"; $step)
  | [range(0; length - $n + 1; $step) as $start | .[$start:$start + $n]];
def window($n): window($n; 1);
