# shellcheck shell=bash
#
# Installs the browser for tests of the console: Debian's Chromium, and the packages of
# tests/browser/package-lock.json.

prepare_browser() {
    local missing=()
    command -v chromium >/dev/null 2>&1 || missing+=(chromium fonts-dejavu-core)
    command -v node >/dev/null 2>&1 || missing+=(nodejs npm)
    install_packages "${missing[@]}"
    local folder=$checkout/tests/browser
    if [[ ! -d $folder/node_modules || $folder/package-lock.json -nt $folder/node_modules/.package-lock.json ]]; then
        (cd "$folder" && npm ci --silent --no-audit --no-fund)
    fi
}
