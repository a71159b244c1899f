# shellcheck shell=bash
# What a newcomer needs beside the running services: somebody who may sign in, a token of the
# command, the examples and a key for them. Sourced after prelude.sh; needs $forebay and the
# FOREBAY_* addresses. All of it may run again: what is there already stays as it is.

# A key that everybody can read here, for the examples on this machine only.
quick_start_key=quick-start-key-for-this-machine-only
# Who signs in to the console, and owns the command's token.
developer=developer
developer_password=$state/developer-password
api_token=$state/api-token
shell_file=$state/shell

# private FILE: keeps standard input in a file that nobody else can read.
private() { (umask 077 && cat >"$1.new" && mv "$1.new" "$1"); }

# The person is made before the services start: otherwise they offer to make the first one.
make_developer() {
    local id verb
    "$forebay" migrate >/dev/null
    id=$("$forebay" users list | awk -v name="$developer" '$2 == name { print $1 }')
    [[ -z $id || ! -s $developer_password ]] || return 0
    verb=(create "$developer" --role administrator)
    [[ -z $id ]] || verb=(update "$id")
    od -An -N16 -tx1 /dev/urandom | tr -d ' \n' | private "$developer_password"
    "$forebay" users "${verb[@]}" --password-stdin <"$developer_password" >/dev/null
}

console_address() { printf 'http://%s' "$FOREBAY_CONSOLE_LISTEN"; }

# The token of an earlier run, unless it has ended or is of another database.
make_token() {
    if [[ -s $api_token ]] &&
        FOREBAY_API_URL=$(console_address) FOREBAY_API_TOKEN_FILE=$api_token "$forebay" tokens list >/dev/null 2>&1; then
        return 0
    fi
    "$forebay" tokens create --label "command of $checkout" --role administrator --user "$developer" --expires 366d \
        --output json | sed -n 's/^ *"token": *"\([^"]*\)".*/\1/p' | private "$api_token"
    [[ -s $api_token ]] || fail "no token was made for the command"
}

load_examples() {
    "$forebay" apply examples --yes
    if ! "$forebay" keys list --tenant t37ed --output json | grep -q '"label": *"quick-start"'; then
        "$forebay" keys create --tenant t37ed --label quick-start \
            --integration CreateWorkOrder ItemPrice StockSync UblOrder --key "$quick_start_key" >/dev/null
    fi
}

# For `source .forebay/shell`: the command asks the running console, and needs no database and no broker.
write_shell_file() {
    local folder
    folder=$(dirname -- "$(readlink -f -- "$forebay")")
    {
        printf 'export FOREBAY_API_URL=%q\n' "$(console_address)"
        printf 'export FOREBAY_API_TOKEN_FILE=%q\n' "$api_token"
        printf 'export FOREBAY_HTTP_LISTEN=%q\n' "$FOREBAY_HTTP_LISTEN"
        printf 'case ":$PATH:" in *:%q:*) ;; *) export PATH=%q:"$PATH" ;; esac\n' "$folder" "$folder"
    } >"$shell_file.new"
    mv "$shell_file.new" "$shell_file"
}

print_next() {
    cat <<NEXT

Forebay runs. In another terminal:

  source $shell_file

That sets FOREBAY_API_URL=$(console_address) and FOREBAY_API_TOKEN_FILE=$api_token,
and puts \`forebay\` into the PATH. Then call an example, and see what became of it:

  curl -i "http://\$FOREBAY_HTTP_LISTEN/t37ed/CreateWorkOrder?customerid=42" \\
       -H 'X-API-Key: $quick_start_key' \\
       -H 'Content-Type: application/json' -d '{"workOrder": {"id": "WO-1"}}'
  forebay executions list
  forebay schedules run t37ed/NightlyReport

The console is at $(console_address): sign in as $developer, with the password in
$developer_password

Health is at http://$FOREBAY_MANAGEMENT_LISTEN/readyz, metrics at http://$FOREBAY_MANAGEMENT_LISTEN/metrics.
Ctrl-C stops it.

NEXT
}
