#!/bin/sh
# Builds chapbook again from what is beside this script, without a network, and compares.
#     sh rebuild.sh [DIRECTORY FOR WHAT IS BUILT]
# Needed: @RUSTC@ with its cargo, a C compiler, static libraries of C.
set -eu
cd "$(dirname "$0")"
to="${1:-rebuilt}"
mkdir -p "$to"
to="$(cd "$to" && pwd)"

# Nothing was changed on the way. Before the bundle is finished, there are no sums.
if [ -e SHA256SUMS ]; then sha256sum --check --quiet SHA256SUMS; fi

# What is stamped in, since there is no repository to ask; and no site but the sources' own.
for name in $(env | sed -n 's/^\(CHAPBOOK_[A-Z0-9_]*\)=.*/\1/p'); do unset "$name"; done
unset RUSTC_WRAPPER RUSTC_WORKSPACE_WRAPPER CARGO_BUILD_RUSTC_WRAPPER CFLAGS
export APP_VERSION='@VERSION@' APP_REVISION='@COMMIT@' SOURCE_DATE_EPOCH='@TIME@'
export CARGO_NET_OFFLINE=true CARGO_TARGET_DIR="$to/target"
[ "$(rustc -V)" = '@RUSTC@' ] || echo "note: the first was compiled by @RUSTC@, not $(rustc -V)" >&2
sh source/build/static.sh
cp "$to"/target/*/release/chapbook "$to/chapbook"
"$to/chapbook" verify

[ -e bin/chapbook ] || exit 0
if cmp "$to/chapbook" bin/chapbook; then
    echo "the same as bin/chapbook"
else
    echo "failed to build the same: $to/chapbook is not bin/chapbook" >&2
    exit 1
fi
