# shellcheck shell=bash
# Checks licences, sources and version requirements of every dependency against
# deny.toml with `cargo metadata` and jq, like `cargo deny check licenses bans
# sources`. Building cargo-deny takes minutes; if it is installed, scripts/check
# uses it instead. Sourced after prelude.sh.

crates_io=registry+https://github.com/rust-lang/crates.io-index

check_dependencies() {
    local metadata failed=0
    metadata=$(mktemp)
    cargo metadata --manifest-path "$checkout/Cargo.toml" --locked --format-version 1 --all-features >"$metadata" ||
        return 1
    check_licences "$metadata" || failed=1
    check_sources "$metadata" || failed=1
    check_requirements "$metadata" || failed=1
    rm -f "$metadata"
    return "$failed"
}

check_licences() {
    local -A allowed=()
    local licence name expression failed=0 count=0
    while read -r licence; do
        allowed[$licence]=1
    done < <(sed -n '/^allow = \[/,/^\]/s/^ *"\(.*\)",.*/\1/p' "$checkout/deny.toml")
    ((${#allowed[@]})) || fail "deny.toml has no allowed licence"
    while IFS=$'\t' read -r name expression; do
        count=$((count + 1))
        if ! licence_is_allowed "$expression"; then
            echo "licence not allowed: $name is '$expression'"
            failed=1
        fi
    done < <(jq -r '.packages[] | "\(.name) \(.version)\t\(.license // "")"' "$1")
    ((count)) || fail "cargo metadata listed no package"
    ((failed)) || echo "$count packages, ${#allowed[@]} licences allowed"
    return "$failed"
}

# licence_is_allowed EXPRESSION: an SPDX expression, or the older form with a slash for OR. AND
# binds tighter than OR, as && does, so bash evaluates the expression as arithmetic. A licence
# WITH an exception must be allowed by its whole name.
licence_is_allowed() {
    local word arithmetic=''
    local text=${1//\// OR }
    text=${text// WITH /_WITH_}
    text=${text//(/ ( }
    text=${text//)/ ) }
    for word in $text; do
        case $word in
            OR) arithmetic+='||' ;;
            AND) arithmetic+='&&' ;;
            '(' | ')') arithmetic+=$word ;;
            *) arithmetic+=${allowed[${word//_WITH_/ WITH }]:-0} ;;
        esac
    done
    [[ -n $arithmetic ]] && ((arithmetic))
}

check_sources() {
    local not_allowed
    not_allowed=$(jq -r --arg allowed "$crates_io" \
        '.packages[] | select(.source != null and .source != $allowed) | "\(.name) \(.version) from \(.source)"' "$1")
    [[ -z $not_allowed ]] || {
        printf 'source not allowed: %s\n' "$not_allowed"
        return 1
    }
}

# A requirement of "*" accepts the newest version, breaking changes included.
check_requirements() {
    local wild
    wild=$(jq -r '.packages[] | select(.source == null) | .name as $crate | .dependencies[]
        | select(.source != null and .req == "*") | "\($crate) needs any version of \(.name)"' "$1")
    [[ -z $wild ]] || {
        printf 'wildcard version: %s\n' "$wild"
        return 1
    }
}
