#!/bin/sh
# Written by `cargo xtask deploy-scripts` for a job that has no checkout. No secret stands in it,
# and none on a command line. It deploys
#     @NAME@@@DIGEST@
# or the same digest under the NAME that CHAPBOOK_DEPLOY_NAME says, and prints NAME@sha256:…
set -eu
umask 077
name=${CHAPBOOK_DEPLOY_NAME:-@DEFAULT@}
digest='@DIGEST@'
fail() {
    echo "${0##*/}: $*" >&2
    exit 1
}
case $name in
    '') fail "set CHAPBOOK_DEPLOY_NAME, the image's name at @TARGET@, without tag and digest" ;;
    [!a-z0-9]* | *[!a-z0-9._/:-]*) fail "CHAPBOOK_DEPLOY_NAME is malformed" ;;
esac
# needs TOOL…
needs() {
    for tool; do
        command -v "$tool" >/dev/null || fail "$tool is missing"
    done
}
# word VARIABLE VALUE: what is passed on is no option, no path and no quotation.
word() {
    case $2 in
        '') fail "set $1" ;;
        -* | *[!A-Za-z0-9._:-]*) fail "$1 is malformed" ;;
    esac
}
