# shellcheck shell=bash
# Prepares a first run: a user who can sign in, a token for the command, the examples and an API
# key for them. Sourced after prelude.sh; needs $forebay and the FOREBAY_* addresses. Every
# function can run again and does not change existing objects.

# A public key for the examples, for this machine only.
quick_start_key=quick-start-key-for-this-machine-only
# The user of the console, who owns the command's token.
developer=developer
developer_password=$state/developer-password
api_token=$state/api-token
shell_file=$state/shell

# private FILE: writes standard input to a file that only this user can read.
private() { (umask 077 && cat >"$1.new" && mv "$1.new" "$1"); }

# Creates the user before the services start; without a user the console offers the first-run setup.
create_developer() {
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
# The folder of the built command, for the PATH.
command_folder() { dirname -- "$(readlink -f -- "$forebay")"; }

# Uses the token of an earlier run, unless it has expired or belongs to another database.
create_token() {
    if [[ -s $api_token ]] &&
        FOREBAY_API_URL=$(console_address) FOREBAY_API_TOKEN_FILE=$api_token "$forebay" tokens list >/dev/null 2>&1; then
        return 0
    fi
    "$forebay" tokens create --label "command of $checkout" --role administrator --user "$developer" --expires 366d \
        --output json | sed -n 's/^ *"token": *"\([^"]*\)".*/\1/p' | private "$api_token"
    [[ -s $api_token ]] || fail "forebay tokens create returned no token; its error is above"
}

load_examples() {
    "$forebay" apply examples --yes
    if ! "$forebay" keys list --tenant t37ed --output json | grep -q '"label": *"quick-start"'; then
        "$forebay" keys create --tenant t37ed --label quick-start \
            --integration CreateWorkOrder ItemPrice StockSync UblOrder --key "$quick_start_key" >/dev/null
    fi
}

# Writes .forebay/shell for `source`: the command then calls the running console and needs neither the database nor the broker.
write_shell_file() {
    local folder
    folder=$(command_folder)
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

Forebay runs. The console is at $(console_address): sign in as $developer with the password in
$developer_password

In another terminal:

  source $shell_file

This sets
  FOREBAY_API_URL=$(console_address)
  FOREBAY_API_TOKEN_FILE=$api_token
  FOREBAY_HTTP_LISTEN=$FOREBAY_HTTP_LISTEN
  PATH=$(command_folder):\$PATH

Then call an example and list its execution:

  curl -i "http://\$FOREBAY_HTTP_LISTEN/t37ed/CreateWorkOrder?customerid=42" \\
       -H 'X-API-Key: $quick_start_key' \\
       -H 'Content-Type: application/json' -d '{"workOrder": {"id": "WO-1"}}'
  forebay executions list
  forebay schedules run t37ed/NightlyReport

Health is at http://$FOREBAY_MANAGEMENT_LISTEN/readyz, metrics at http://$FOREBAY_MANAGEMENT_LISTEN/metrics.
Ctrl-C stops Forebay.

NEXT
}
