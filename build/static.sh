#!/bin/sh
# Builds the static executable that images are made of, target/TRIPLE/release/chapbook.
#     build/static.sh [OPTION OF CARGO BUILD]...
# CHAPBOOK_TARGET is another target than this machine's own, such as x86_64-unknown-linux-musl.
# Crates come from crates.io, or from vendor/ (`cargo vendor --versioned-dirs`) if that is there.
set -eu
cd "$(dirname "$0")/.."

# What is set here would displace the flags of static.toml.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS CARGO_BUILD_TARGET
target="${CHAPBOOK_TARGET:-$(rustc -vV | sed -n 's/^host: //p')}"
crates="${CARGO_HOME:-$HOME/.cargo}/registry/src"
# What is shipped says what it is made of.
export CHAPBOOK_PACKAGES=required
set -- --target "$target" "$@"
if [ -d vendor ]; then
    crates=
    from_vendor='source.crates-io.replace-with="vendor"'
    set -- --config "$from_vendor" --config 'source.vendor.directory="vendor"' "$@"
    cargo fetch --quiet --locked --offline --target "$target" \
        --config "$from_vendor" --config 'source.vendor.directory="vendor"'
else
    cargo fetch --quiet --locked --target "$target"
fi
# Panics name files; where the crates lay is nobody's business, and would be other bytes.
for directory in ${crates:+"$crates"/*} "$PWD/vendor"; do
    flag="--remap-path-prefix=$directory/="
    set -- --config "target.'cfg(all())'.rustflags=['$flag']" "$@"
done
exec cargo build --release --locked --package chapbook --config build/static.toml "$@"
