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
def delpaths($paths): if any($paths[][]; isobject)
  then reduce ($paths | sort | reverse[]) as $path (.; getpath($path) |= empty)
  else without_paths($paths) end;
def del(f): delpaths([path(f)]);

# Members may be named as SQL and other tools do, and a name that is no string is written as one.
def from_entries: reduce .[] as $entry ({};
  . + { (($entry | if isobject then (if has("key") then .key elif has("k") then .k elif has("name") then .name
                                     elif has("Name") then .Name elif has("Key") then .Key else .K end)
                   else .[0] end) | if isstring then . elif . == null then "null" else tojson end):
        ($entry | if isobject then (if has("value") then .value elif has("v") then .v elif has("Value") then .Value else .V end)
                  else .[1] end) });
def with_entries(f): to_entries | map(f) | from_entries;

# SQL-style
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

# Regular expressions
def scan_(re; flags): matches(re; flags)[] | [.[].string] | if length > 1 then .[1:] else .[0] end;
def scan(re; flags): scan_(re; "g" + flags);
def scan(re): scan(re; "");

# Time. What is out of range would overflow in the time library.
def strftime($format): time_in_range | strftime_in_range($format | text_in_range);
def gmtime: time_in_range | gmtime_in_range;
def mktime: time_in_range | mktime_in_range;
def todateiso8601: time_in_range | todateiso8601_in_range;
def todate: todateiso8601;
def todate($format): strftime($format);
def date: todate;

# Formatting. Where a text can grow, there must be room for it.
def @sh: [if isarray then .[] end | if isstring then "'\(room_for(8) | escape_sh)'"
  elif isarray or isobject then error("@sh takes scalars, not \(type)") else "\(.)" end] | join(" ");
def @html: tostring | room_for(12) | escape_html;
def @uri: tostring | room_for(6) | encode_uri;
def @base64: tostring | room_for(3) | encode_base64;
def @csv: if isarray then . else error("@csv takes an array, not \(type)") end
  | [.[] | if isstring then "\"" + (split("\"") | join("\"\"")) + "\"" elif . == null then ""
     elif isnumber or isboolean then tojson else error("@csv takes scalars, not \(type)") end] | join(",");
def @tsv: if isarray then . else error("@tsv takes an array, not \(type)") end
  | [.[] | if isstring then (split("\\") | join("\\\\") | split("\t") | join("\\t") | split("\n") | join("\\n") | split("\r") | join("\\r"))
     elif . == null then "" elif isnumber or isboolean then tojson else error("@tsv takes scalars, not \(type)") end] | join("\t");
