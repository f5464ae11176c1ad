#!/bin/sh
# Puts chapbook and its units in place and starts it. If it cannot be started, does not answer, or
# this is cut short, what was there comes back, and what was not goes. Root runs it:
#     sh -s -- EXECUTABLE SERVICE SOCKET
# Read to its end before anything is done: a connection that breaks leaves no half of it.
set -eu

# A name of its own, and a rename: what runs keeps its file, and nobody starts half of one.
place() {
    install -m "$1" "$2" "$3.new"
    rm -f "$3.old"
    if [ -e "$3" ]; then
        ln "$3" "$3.old"
    fi
    placed=$((placed + 1))
    mv -f "$3.new" "$3"
}

# of VARIABLE: what the service itself was started with, wherever that is written.
of() {
    pid=$(systemctl show --property MainPID chapbook.service) || return 0
    pid=${pid#MainPID=}
    [ "${pid:-0}" != 0 ] && [ -r "/proc/$pid/environ" ] || return 0
    tr '\0' '\n' <"/proc/$pid/environ" | sed -n "s/^$1=//p" | head -n 1
}

# The first address of its socket, which may be a drop-in's; old and new systemd say it in two ways.
socket_address() {
    address=$(systemctl show --property Listen chapbook.socket |
        sed -n 's/^ListenStream=//p; s/^Listen=\(.*\) (Stream)$/\1/p' | head -n 1)
    case $address in
        /*) echo "unix:$address" ;;
        *) echo "$address" ;;
    esac
}

# Where it listens, and what it wants to see first.
answers() {
    listen=$(of CHAPBOOK_LISTEN)
    port=$(of CHAPBOOK_PORT)
    [ -n "$listen$port" ] || listen=$(socket_address)
    CHAPBOOK_LISTEN=$listen CHAPBOOK_PORT=$port \
        CHAPBOOK_PROXY_PROTOCOL=$(of CHAPBOOK_PROXY_PROTOCOL) "$bin/chapbook" healthcheck
}

start() {
    systemctl daemon-reload || return 1
    systemctl enable chapbook.socket chapbook.service || return 1
    # A socket that listens keeps its address until it is stopped, which costs who connects
    # meanwhile.
    if [ -n "$moved" ]; then
        systemctl stop chapbook.service chapbook.socket || return 1
    fi
    systemctl start chapbook.socket || return 1
    systemctl restart chapbook.service || return 1
    tries=0
    until answers; do
        tries=$((tries + 1))
        [ "$tries" -lt 30 ] || return 1
        sleep 1
    done
}

# The end of all that does not go well.
restore() {
    trap - EXIT
    trap '' HUP INT TERM PIPE
    set +e
    echo "chapbook was not started, or does not answer" >&2
    if [ -z "$ran" ]; then
        systemctl disable --now chapbook.socket chapbook.service
    fi
    number=0
    for file in "$bin/chapbook" "$units/chapbook.service" "$units/chapbook.socket"; do
        number=$((number + 1))
        rm -f "$file.new"
        [ "$number" -le "$placed" ] || continue
        if [ -e "$file.old" ]; then
            mv -f "$file.old" "$file"
        else
            rm -f "$file"
        fi
    done
    if [ -z "$ran" ]; then
        systemctl daemon-reload
        echo "what was there before is back; it did not run" >&2
    elif start; then
        echo "what was there before runs again" >&2
    else
        echo "what was there before is back, and does not answer either" >&2
    fi
    exit 1
}

main() {
    # Another root is for trying it.
    bin=${CHAPBOOK_ROOT:-}/usr/local/bin units=${CHAPBOOK_ROOT:-}/etc/systemd/system
    placed=0
    moved=
    cmp -s "$3" "$units/chapbook.socket" || moved=yes
    ran=
    if [ -e "$bin/chapbook" ] && [ -e "$units/chapbook.service" ] &&
        { systemctl is-active --quiet chapbook.service ||
            systemctl is-enabled --quiet chapbook.service; }; then
        ran=yes
    fi
    trap restore EXIT
    trap 'exit 1' HUP INT TERM PIPE
    place 755 "$1" "$bin/chapbook"
    place 644 "$2" "$units/chapbook.service"
    place 644 "$3" "$units/chapbook.socket"
    start || exit 1
    trap - EXIT
}

main "$@"
