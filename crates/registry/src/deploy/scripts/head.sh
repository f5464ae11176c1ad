#!/bin/sh
# @TITLE@
# Written by `cargo xtask deploy-scripts` for a job that has no checkout: it needs @TOOLS@.
# No secret stands in it, and none on a command line.
set -eu
umask 077
name='@NAME@'
digest='@DIGEST@'
fail() {
    echo "${0##*/}: $*" >&2
    exit 1
}
tools='@TOOLS@'
for tool in $tools; do
    command -v "$tool" >/dev/null || fail "$tool is missing"
done
