# shellcheck shell=bash
# Makes sure that the machine has what ./run and ./test need. Installs the engines where apt-get can. If something is
# missing all the same, prints what to install and ends the caller. To be sourced.

oldest_postgres=15
# Used by the scripts that source this one.
# shellcheck disable=SC2034
server_program=src/Watchword.Server/bin/Release/net10.0/Watchword.Server.dll
samples_program=samples/Subscribers/bin/Release/net10.0/Watchword.Samples.Subscribers.dll

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

# quietly WHAT COMMAND…: prints WHAT, runs COMMAND, and prints its output only if it fails.
quietly() {
    local what=$1 log status=0
    shift
    log=$(mktemp "${TMPDIR:-/tmp}/watchword.XXXXXX")
    printf '%s…\n' "$what" >&2
    # In the background, so that this shell handles a signal at once, and in a process group of its own, so that the
    # command then ends with everything that it started.
    set -m
    "$@" </dev/null >"$log" 2>&1 &
    local job=$!
    set +m
    trap 'end_group "$job"; rm -f "$log"; exit 143' TERM
    trap 'end_group "$job"; rm -f "$log"; exit 130' INT
    trap 'end_group "$job"; rm -f "$log"; exit 129' HUP
    wait "$job" || status=$?
    trap - TERM INT HUP
    if ((status != 0)); then
        cat "$log" >&2
        printf '%s: failed\n' "$what" >&2
    fi
    rm -f "$log"
    return "$status"
}

end_group() {
    kill -TERM -- "-$1" 2>/dev/null || true
    while kill -0 -- "-$1" 2>/dev/null; do
        sleep 0.05
    done
}

need_dotnet() {
    local folder
    if ! has_sdk; then
        for folder in "$HOME/.dotnet" /usr/share/dotnet /usr/lib/dotnet /usr/local/share/dotnet; do
            if [[ -x $folder/dotnet ]]; then
                PATH=$folder:$PATH
                has_sdk && break
            fi
        done
    fi
    has_sdk || fail \
        "The .NET SDK 10 is needed, and was not found. Install it:" \
        "  Debian, Ubuntu:  apt-get install dotnet-sdk-10.0   (Debian: with Microsoft's package source)" \
        "  Fedora:          dnf install dotnet-sdk-10.0" \
        "  macOS:           brew install dotnet-sdk" \
        "  anywhere:        https://dot.net/v1/dotnet-install.sh --channel 10.0"
    export PATH DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1
    need_icu
}

has_sdk() {
    command -v dotnet >/dev/null && [[ $'\n'$(dotnet --list-sdks 2>/dev/null) == *$'\n'10.* ]]
}

# ICU, Unicode's library: passwords are normalized with it, and without it .NET ends the process at its start.
need_icu() {
    # Small container images set this to 1, which would switch normalization off.
    export DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=0
    has_icu && return
    if as_root true 2>/dev/null && command -v apt-get >/dev/null; then
        # The library's own name ends in a version that differs from release to release.
        quietly "installing libicu-dev with apt-get" install_packages libicu-dev || true
    fi
    has_icu || fail \
        "ICU (Unicode's library, which .NET needs) was not found, and it could not be installed from here. Install it:" \
        "  Debian, Ubuntu:  apt-get install libicu-dev   (or the library alone: libicu72 on Debian 12)" \
        "  Alpine:          apk add icu-libs" \
        "  Fedora:          dnf install libicu"
}

has_icu() {
    local file
    [[ $(uname) != Darwin ]] || return 0   # macOS brings it
    for file in /usr/lib/libicuuc.so* /usr/lib64/libicuuc.so* /usr/lib/*-linux-*/libicuuc.so* /usr/local/lib/libicuuc.so*; do
        [[ ! -e $file ]] || return 0
    done
    # Elsewhere only .NET itself finds it. Slower, so asked last.
    [[ -n $(dotnet help 2>/dev/null) ]]
}

build_server() {
    build "$1" "$server_program" src/Watchword.Server/Watchword.Server.csproj
}

build_samples() {
    build "$1" "$samples_program" samples/Subscribers/Subscribers.csproj samples/Subscribers
}

# build ROOT PROGRAM PROJECT FOLDERS…: builds unless everything in src and FOLDERS is older than the last build.
build() {
    local root=$1 program=$2 file=$1/$3
    local stamp=$root/${program%/*}/.built
    shift 3
    is_built "$root" "$program" "$stamp" "$@" && return
    mkdir -p "$root/src/Watchword.Server/obj" "$(dirname "$stamp")"
    # Two builds at once in one checkout would overwrite each other's files.
    if command -v flock >/dev/null; then
        exec 9>"$root/src/Watchword.Server/obj/run.lock"
        flock 9
    fi
    if ! is_built "$root" "$program" "$stamp" "$@"; then
        # A new folder makes its parent look edited, so those of the build are created before the stamp.
        local project
        for project in "$root"/src/*/ "${@/#/$root/}"; do
            mkdir -p "$project/bin" "$project/obj"
        done
        # Taken at the start: what is edited during the build is built the next time.
        touch "$stamp.new"
        # No compiler or build server may stay behind. The projects form a chain, so one process loses nothing. The
        # analyzers take more than half of the time; ./test runs them.
        quietly "building" dotnet build "$file" -c Release -v quiet \
            -maxCpuCount:1 -nodeReuse:false -p:UseSharedCompilation=false -p:RunAnalyzers=false || exit 1
        mv "$stamp.new" "$stamp"
    fi
    exec 9>&-
}

is_built() {
    local root=$1 program=$2 stamp=$3
    shift 3
    [[ -f $stamp && -f $root/$program ]] || return 1
    # Folders count too, because removing a file changes its folder.
    [[ -z $(find "$root/src" "${@/#/$root/}" "$root"/Directory.*.props "$root/global.json" "$root/.editorconfig" \
        \( -name bin -o -name obj \) -prune -o -newer "$stamp" -print -quit) ]]
}

# serves ARGUMENTS…: whether these start the server, rather than run a verb or print help.
serves() {
    local argument
    [[ ${1:-} == "" || $1 == -* || $1 == serve ]] || return 1
    for argument in "$@"; do
        case $argument in
            -h | -\? | --help | --version) return 1 ;;
        esac
    done
}

# PostgreSQL and nats-server, unless a URL names one that runs already.
need_engines() {
    local missing=()
    [[ -n ${DATABASE_URL:-} ]] || has_postgres || missing+=(postgresql)
    [[ -n ${NATS_URL:-} ]] || has_nats || missing+=(nats-server)
    ((${#missing[@]} == 0)) && return

    local name
    if as_root true 2>/dev/null && command -v apt-get >/dev/null; then
        quietly "installing ${missing[*]} with apt-get" install_packages "${missing[@]}" || true
    fi
    for name in "${missing[@]}"; do
        case $name in
            postgresql) has_postgres || fail "$(postgres_advice)" ;;
            nats-server) has_nats || fail "$(nats_advice)" ;;
        esac
    done
}

has_postgres() {
    local folder version
    local IFS=:
    for folder in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql@*/bin \
        /usr/local/opt/postgresql@*/bin /usr/local/pgsql/bin /opt/homebrew/bin $PATH; do
        [[ -x $folder/postgres && -x $folder/initdb ]] || continue
        version=$("$folder/postgres" --version 2>/dev/null) || continue
        version=${version#*"(PostgreSQL) "}
        version=${version%%[!0-9]*}
        [[ -n $version ]] && ((version >= oldest_postgres)) && return
    done
    return 1
}

has_nats() {
    command -v nats-server >/dev/null || [[ -x /usr/sbin/nats-server || -x /usr/local/bin/nats-server ||
        -x /opt/homebrew/bin/nats-server ]]
}

as_root() {
    if ((EUID == 0)); then
        "$@"
    else
        sudo -n "$@"
    fi
}

# install_packages PACKAGE…: installs the programs, but keeps the packages from starting servers of the system's own, now
# or at the next boot: they would take our ports. In a subshell, for its own trap.
install_packages() (
    policy=/usr/sbin/policy-rc.d
    clusters=/etc/postgresql-common/createcluster.conf
    own_clusters=''
    if [[ ! -e $policy ]]; then
        trap 'as_root rm -f "$policy"' EXIT
        trap 'exit 143' TERM
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
    fi
    # The file may also be ours, left by an attempt that failed.
    if [[ " $* " == *" postgresql "* ]] && { [[ ! -e $clusters ]] || grep -q '^# by watchword' "$clusters"; }; then
        own_clusters=1
        as_root mkdir -p "$(dirname "$clusters")"
        printf '# by watchword, for one installation\ncreate_main_cluster = false\n' | as_root tee "$clusters" >/dev/null
    fi

    as_root apt-get update -q || exit
    as_root env DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 \
        apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=120 "$@" || exit

    if [[ " $* " == *" nats-server "* ]] && command -v systemctl >/dev/null; then
        as_root systemctl disable nats-server.service || true
    fi
    # Restore what the package would have installed, for other uses of PostgreSQL.
    if [[ -n $own_clusters && -f /usr/share/postgresql-common/createcluster.conf ]]; then
        as_root cp /usr/share/postgresql-common/createcluster.conf "$clusters"
    fi
)

postgres_advice() {
    cat <<TEXT
No PostgreSQL server ($oldest_postgres or newer) was found, and ./run could not install it. Install it:
  Debian, Ubuntu:  apt-get install postgresql   (older releases: from https://apt.postgresql.org)
  Fedora:          dnf install postgresql-server
  macOS:           brew install postgresql@17
or set DATABASE_URL (and TARGET_DATABASE_URL) to use a server that runs already.
TEXT
}

nats_advice() {
    cat <<'TEXT'
No nats-server was found, and ./run could not install it. Install it:
  Debian, Ubuntu:  apt-get install nats-server
  Fedora:          dnf install golang && GOBIN=/usr/local/bin go install github.com/nats-io/nats-server/v2@latest
  macOS:           brew install nats-server
or set NATS_URL to use a server that runs already.
TEXT
}

# Node and npm, for the tests that use the official JavaScript clients.
need_node() {
    local major=''
    if command -v node >/dev/null && command -v npm >/dev/null; then
        major=$(node --version)
        major=${major#v}
        major=${major%%.*}
    fi
    [[ -n $major ]] && ((major >= 20)) || fail \
        "Node 20 or newer with npm is needed, and was not found. Install it:" \
        "  Debian, Ubuntu:  apt-get install nodejs npm   (older releases: from https://deb.nodesource.com)" \
        "  Fedora:          dnf install nodejs" \
        "  macOS:           brew install node"
}
