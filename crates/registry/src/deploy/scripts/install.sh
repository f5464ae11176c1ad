#!/bin/sh
# Puts chapbook and its units in place and starts it; what was there comes back if it does not
# answer. Root runs it: sh -s -- EXECUTABLE SERVICE SOCKET
set -eu
executable=$1 service=$2 socket=$3
# Another root is for trying it.
root=${CHAPBOOK_ROOT:-}
bin=$root/usr/local/bin units=$root/etc/systemd/system
# A name of its own, and a rename: what runs keeps its file, and nobody starts half of one.
install -m 755 "$executable" "$bin/chapbook.new"
if [ -e "$bin/chapbook" ]; then
    ln -f "$bin/chapbook" "$bin/chapbook.old"
fi
mv -f "$bin/chapbook.new" "$bin/chapbook"
install -m 644 "$service" "$units/chapbook.service"
install -m 644 "$socket" "$units/chapbook.socket"
answers() {
    systemctl restart chapbook.service || return 1
    tries=0
    until "$bin/chapbook" healthcheck; do
        tries=$((tries + 1))
        [ "$tries" -lt 30 ] || return 1
        sleep 1
    done
}
systemctl daemon-reload
systemctl enable --now chapbook.socket
systemctl enable chapbook.service
if answers; then
    exit 0
fi
echo "chapbook does not answer" >&2
if [ -e "$bin/chapbook.old" ]; then
    mv -f "$bin/chapbook.old" "$bin/chapbook"
    systemctl restart chapbook.service
    echo "the executable of before runs again" >&2
fi
exit 1
