# SPDX-License-Identifier: Apache-2.0
# What quickstart and check share: progress with times, packages, the build. Sourced by bash.

export PATH=/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
# A caller's own tools and settings must not change what these commands do.
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV PIP_FIND_LINKS CFLAGS LDFLAGS CC CXX
for name in ${!AWS_@}; do unset "$name"; done

tty=''
if [ -t 1 ]; then tty=1 bold=$(printf '\033[1m') green=$(printf '\033[32m') red=$(printf '\033[31m') plain=$(printf '\033[0m')
else bold='' green='' red='' plain=''; fi

phase_name='' phase_start=0 all_start=$SECONDS
phase_end() {
    [ -z "$phase_name" ] || printf '%s-- %s: %d s%s\n' "$green" "$phase_name" $((SECONDS - phase_start)) "$plain"
    phase_name=''
}
phase() {
    phase_end
    phase_name=$1 phase_start=$SECONDS
    printf '\n%s== %s%s\n' "$bold" "$1" "$plain"
}
die() {
    printf '\n%s%s: %s%s\n' "$red" "$(basename "$0")" "$1" "$plain" >&2
    shift
    for line in "$@"; do printf '  %s\n' "$line" >&2; done
    exit 1
}

need_root() {
    [ "$(id -u)" = 0 ] || die "must run as root, for it loads BPF programs and makes network namespaces" "try: sudo $0"
}

build_packages='gcc libc6-dev clang llvm libbpf-dev bpftool meson ninja-build pkg-config libevent-dev libjansson-dev
    libsqlite3-dev libssl-dev libcurl4-openssl-dev zlib1g-dev libmnl-dev uthash-dev libcmocka-dev libhttp-parser-dev libunbound-dev libldns-dev libbsd-dev linux-libc-dev'

# install_packages NAME...: those that are not there yet, with apt's own progress in a log.
install_packages() {
    local missing=() name log
    for name in "$@"; do
        dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q ' installed$' || missing+=("$name")
    done
    if [ ${#missing[@]} = 0 ]; then
        echo "all $# packages are there"
        return
    fi
    command -v apt-get >/dev/null || die "these Debian packages are missing, and there is no apt-get: ${missing[*]}"
    echo "installing: ${missing[*]}"
    log=$(mktemp /tmp/vpcd-apt.XXXXXX)
    apt_step 'package lists' "$log" apt-get update -q
    apt_step 'packages' "$log" apt-get install -q -y --no-install-recommends "${missing[@]}"
    rm -f "$log"
}

# Runs a step of apt with a dot for every 20 lines that it prints.
apt_step() {
    local what=$1 log=$2
    shift 2
    printf '  %s ' "$what"
    if "$@" </dev/null 2>&1 | tee "$log" | awk 'NR % 20 == 1 { printf "."; fflush() }'; [ "${PIPESTATUS[0]}" = 0 ]; then
        echo ' done'
    else
        echo ' failed'
        tail -n 15 "$log" >&2
        die "apt-get failed (see above)" "behind a proxy, or offline? these are the packages: ${missing[*]}"
    fi
}

# build DIRECTORY [MESON OPTION...] [-- TARGET...]
build() {
    local dir=$1 options=() log
    shift
    while [ $# -gt 0 ] && [ "$1" != -- ]; do options+=("$1"); shift; done
    [ $# = 0 ] || shift
    log=$(mktemp /tmp/vpcd-build.XXXXXX)
    if [ ! -f "$dir/build.ninja" ]; then
        rm -rf "$dir"
        /usr/bin/meson setup "$dir" "${options[@]}" >"$log" 2>&1 || { tail -n 20 "$log" >&2; die "meson failed (see above)"; }
    fi
    /usr/bin/ninja -C "$dir" "$@" 2>&1 | tee "$log" | awk -F'[][/]' -v tty="$tty" '/^\[[0-9]+\/[0-9]+\]/ {
        if (tty) printf "\r  %s of %s", $2, $3
        else if (int($2 * 4 / $3) > quarter) { quarter = int($2 * 4 / $3); printf "  %s of %s\n", $2, $3 }
        fflush() } END { if (tty) print "" }'
    if [ "${PIPESTATUS[0]}" != 0 ]; then
        grep -v '^\[' "$log" | tail -n 40 >&2
        die "the build failed (see above)"
    fi
    rm -f "$log"
}

# What the data plane needs of the kernel and of this process, said plainly.
check_kernel() {
    local release major minor rest bpffs=/sys/fs/bpf
    release=$(uname -r)
    major=${release%%.*} rest=${release#*.}
    minor=${rest%%[!0-9]*}
    [ "$major" -gt 6 ] || { [ "$major" = 6 ] && [ "$minor" -ge 1 ]; } ||
        die "kernel $release is too old: the packet path needs 6.1 or later (Debian 12 has 6.1)"
    local flags='--privileged, or --cap-add BPF --cap-add NET_ADMIN --cap-add SYS_ADMIN --cap-add SYS_PTRACE -v /sys/fs/bpf:/sys/fs/bpf --security-opt seccomp=unconfined --security-opt apparmor=unconfined'
    local cap
    cap=$((16#$(awk '/^CapEff/ { print $2 }' /proc/self/status)))
    local bit name
    for name in NET_ADMIN:12 SYS_ADMIN:21 BPF:39; do
        bit=${name#*:}
        (( cap >> bit & 1 )) || die "this process is root but lacks CAP_${name%:*}" "in a container, start it with: $flags"
    done
    if ! grep -q " $bpffs bpf " /proc/mounts; then
        mkdir -p "$bpffs" 2>/dev/null
        mount -t bpf bpf "$bpffs" 2>/dev/null || die "no bpffs at $bpffs, and it cannot be mounted" "in a container, start it with: $flags"
    fi
    if [ "$(cat /proc/sys/user/max_user_namespaces 2>/dev/null || echo 0)" = 0 ]; then
        die "user namespaces are switched off: instances (ami-netns) need them" "try: sysctl -w user.max_user_namespaces=10000"
    fi
}
