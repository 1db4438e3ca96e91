#!/usr/bin/env bash
# Downloads nats-server 2.10 from Debian 13's packages to .cache/, without installing it, and prints the path of the
# program. If that fails, prints why and exits with 1.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
folder=$root/.cache/nats-server-2.10
program=$folder/usr/sbin/nats-server
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

give_up() {
    printf 'nats-server 2.10 cannot be fetched here: %s\n' "$1" >&2
    exit 1
}

is_there() {
    [[ -x $program && $("$program" --version 2>/dev/null) == *v2.10.* ]]
}

if ! is_there; then
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || give_up "it comes as a package of Debian, and this system has no apt-get"
    [[ -r $keyring ]] || give_up "$keyring is missing (package debian-archive-keyring)"

    mkdir -p "$root/.cache"
    work=$(mktemp -d "$root/.cache/fetch.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/root"
    echo "deb [signed-by=$keyring] http://deb.debian.org/debian trixie main" >"$work/sources.list"
    # Uses lists, cache and sources of its own. Of the system's configuration only the proxy settings are read.
    apt=(apt-get -q -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=- -o Dir::Etc::preferences=-
        -o Dir::Etc::preferencesparts=- -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache"
        -o APT::Sandbox::User= -o Acquire::http::Timeout=20 -o Acquire::Retries=1 -o APT::Update::Error-Mode=any)
    "${apt[@]}" update >"$work/log" 2>&1 || give_up "deb.debian.org does not answer"
    (cd "$work" && "${apt[@]}" download nats-server) >"$work/log" 2>&1 || give_up "Debian 13 has no such package for this machine"
    dpkg-deb -x "$work"/nats-server_*.deb "$work/root" || give_up "its package cannot be unpacked"
    rm -rf "$folder"
    mv "$work/root" "$folder"
    is_there || give_up "what Debian 13 has is $("$program" --version 2>/dev/null || echo 'of another kind of machine')"
fi
echo "$program"
