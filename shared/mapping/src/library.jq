# What jaq's own libraries lack, or where jq's behaviour is wanted. Loaded after them.

def gamma: lgamma;
def toarray: if isarray then . else [.] end;
def leaf_paths: paths(scalars);
def ltrimstr($s): if isstring and ($s | isstring) then ltrimstr_of_string($s) else . end;
def rtrimstr($s): if isstring and ($s | isstring) then rtrimstr_of_string($s) else . end;
def trimstr($s): ltrimstr($s) | rtrimstr($s);
def ascii: [.] | implode;
def toboolean: if isboolean then . elif . == "true" then true elif . == "false" then false
  else error("cannot read \(tojson) as a boolean; it must be true or false") end;

# All at once, as in jq: one path does not shift what another points at.
def delpaths($paths): without_paths($paths);
def del(f): delpaths([path(f)]);

# Members may be named as SQL and other tools do, and a name that is no string is written as one.
def from_entries: reduce .[] as $entry ({};
  . + { (($entry | if isobject then (if has("key") then .key elif has("k") then .k elif has("name") then .name
                                     elif has("Name") then .Name elif has("Key") then .Key else .K end)
                   else .[0] end) | if isstring then . elif . == null then "null" else tojson end):
        ($entry | if isobject then (if has("value") then .value elif has("v") then .v elif has("Value") then .Value else .V end)
                  else .[1] end) });
def with_entries(f): to_entries | map(f) | from_entries;

# Of null, so that what is picked of an array is an array.
def pick(f): . as $top | reduce path(f) as $path (null; setpath($path; $top | getpath($path)));
def lgamma_r: [lgamma, if . < 0 and (floor % 2) != 0 then -1 else 1 end];
# Numbers keep their digits, and are compared by them.
def have_decnum: true;
def have_literal_numbers: true;

# Some of what a filter gives. A negative count is an error, as in jq 1.8.
def count_at_least_0($function; $n): if ($n | isnumber) and $n < 0 then error("\($function) takes no negative count, and got \($n)") else . end;
def limit($n; f): count_at_least_0("limit"; $n) | limit_of($n; f);
def skip($n; f): count_at_least_0("skip"; $n) | skip_of($n; f);
def nth($n; f): count_at_least_0("nth"; $n) | first(skip($n; f));
def flatten($depth): count_at_least_0("flatten"; $depth)
  | if $depth > 0 then [.[] | if isarray then flatten($depth - 1)[] else . end] else . end;

# SQL-style
def JOIN($index; f): [.[] | [., $index[f]]];
def JOIN($index; stream; f): stream | [., $index[f]];
def JOIN($index; stream; f; g): stream | [., $index[f]] | g;
def INDEX(stream; f): reduce stream as $row ({}; . + { ($row | f | tostring): $row });
def INDEX(f): INDEX(.[]; f);
def IN(stream): any(stream == .; .);
def IN(source; stream): any(source == stream; .);

# Streams of paths
def tostream: path(def rec: (.[]? | rec), .; rec) as $p | getpath($p)
  | reduce path(.[]?) as $q ([$p, .]; [$p + $q]);
def fromstream(f): { x: null, e: false } as $init
  | foreach f as $i ($init;
      if .e then $init else . end
      | if $i | length == 2
        then setpath(["e"]; $i[0] | length == 0) | setpath(["x"] + $i[0]; $i[1])
        else setpath(["e"]; $i[0] | length == 1) end;
      if .e then .x else empty end);
def truncate_stream(stream): . as $n | null | stream
  | . as $input | if (.[0] | length) > $n then setpath([0]; .[0][$n:]) else empty end;

# Regular expressions. Pattern and flags may come as one array.
def match(re; flags): matches(re; flags)[] | .[0] + { captures: [.[1:][] | if has("name") then . else .name = null end] };
def test($re): if $re | isarray then test($re[0]; $re[1]) else test($re; null) end;
def match($re): if $re | isarray then match($re[0]; $re[1]) else match($re; null) end;
def capture($re): if $re | isarray then capture($re[0]; $re[1]) else capture($re; null) end;
def scan_(re; flags): matches(re; flags)[] | [.[].string] | if length > 1 then .[1:] else .[0] end;
def scan(re; flags): scan_(re; "g" + flags);
def scan(re): scan(re; "");

# Time
def todate: todateiso8601;
def todate($format): strftime($format);
def date: todate;

# Formatting. Where a text can grow, there must be room for it.
def @sh: [if isarray then .[] end | if isstring then "'\(room_for(8) | escape_sh)'"
  elif isarray or isobject then error("@sh takes scalars, not \(type)") else "\(.)" end] | join(" ");
def @html: tostring | room_for(12) | escape_html;
def @uri: tostring | room_for(6) | encode_uri;
def @base64: tostring | room_for(3) | encode_base64;
def @urid: tostring | uri_text;
def @base64d: tostring | base64_text;
def @base32: tostring | to_base32;
def @base32d: tostring | base32_text;
def @csv: if isarray then . else error("@csv takes an array, not \(type)") end
  | [.[] | if isstring then "\"" + (split("\"") | join("\"\"")) + "\"" elif . == null then ""
     elif isnumber or isboolean then tojson else error("@csv takes scalars, not \(type)") end] | join(",");
def @tsv: if isarray then . else error("@tsv takes an array, not \(type)") end
  | [.[] | if isstring then (split("\\") | join("\\\\") | split("\t") | join("\\t") | split("\n") | join("\\n") | split("\r") | join("\\r"))
     elif . == null then "" elif isnumber or isboolean then tojson else error("@tsv takes scalars, not \(type)") end] | join("\t");
def format($name): if $name == "text" then tostring elif $name == "json" then tojson elif $name == "csv" then @csv
  elif $name == "tsv" then @tsv elif $name == "html" then @html elif $name == "uri" then @uri elif $name == "urid" then @urid
  elif $name == "sh" then @sh elif $name == "base64" then @base64 elif $name == "base64d" then @base64d
  elif $name == "base32" then @base32 elif $name == "base32d" then @base32d else error("\($name | tojson) is no format") end;
