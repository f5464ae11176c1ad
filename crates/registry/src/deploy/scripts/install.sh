#!/bin/sh
# Puts chapbook and its units in place and starts it. What was there comes back, units included, if
# it cannot be started or does not answer. Root runs it: sh -s -- EXECUTABLE SERVICE SOCKET
set -eu
executable=$1 service=$2 socket=$3
# Another root is for trying it.
root=${CHAPBOOK_ROOT:-}
bin=$root/usr/local/bin units=$root/etc/systemd/system
# A socket that listens keeps its address until it is stopped, which costs who connects meanwhile.
moved=
cmp -s "$socket" "$units/chapbook.socket" || moved=yes

# A name of its own, and a rename: what runs keeps its file, and nobody starts half of one.
place() {
    install -m "$1" "$2" "$3.new"
    rm -f "$3.old"
    if [ -e "$3" ]; then
        ln "$3" "$3.old"
    fi
    mv -f "$3.new" "$3"
}

start() {
    systemctl daemon-reload || return 1
    systemctl enable chapbook.socket chapbook.service || return 1
    if [ -n "$moved" ]; then
        systemctl stop chapbook.service chapbook.socket || return 1
    fi
    systemctl start chapbook.socket || return 1
    systemctl restart chapbook.service || return 1
    tries=0
    until "$bin/chapbook" healthcheck; do
        tries=$((tries + 1))
        [ "$tries" -lt 30 ] || return 1
        sleep 1
    done
}

place 755 "$executable" "$bin/chapbook"
place 644 "$service" "$units/chapbook.service"
place 644 "$socket" "$units/chapbook.socket"
if start; then
    exit 0
fi
echo "chapbook was not started, or does not answer" >&2
if [ -e "$bin/chapbook.old" ]; then
    for file in "$bin/chapbook" "$units/chapbook.service" "$units/chapbook.socket"; do
        if [ -e "$file.old" ]; then
            mv -f "$file.old" "$file"
        fi
    done
    if start; then
        echo "what was there before runs again" >&2
    else
        echo "what was there before is back, and does not answer either" >&2
    fi
fi
exit 1
