needs skopeo sha256sum
tar='@TAR@'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
# The file that stands beside this one, and no other image.
check_tar() {
    tar=$(dirname -- "$0")/$tar
    [ -f "$tar" ] || fail "there is no $tar"
    found=$(skopeo inspect --raw "oci-archive:$tar" | sha256sum)
    found=sha256:${found%% *}
    [ "$found" = "$digest" ] || fail "$tar holds $found, and $digest is wanted"
}
# login REGISTRY USER <PASSWORD
login() {
    skopeo login --authfile "$work/auth.json" --username "$2" --password-stdin "$1" >/dev/null
}
