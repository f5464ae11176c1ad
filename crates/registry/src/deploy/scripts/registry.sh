for tag in "$@"; do
    case $tag in
        '' | [.-]* | *[!A-Za-z0-9._-]*) fail "the tag is malformed" ;;
    esac
done
check_tar
user=${CHAPBOOK_REGISTRY_USER:-}
password=${CHAPBOOK_REGISTRY_PASSWORD:-}
unset CHAPBOOK_REGISTRY_PASSWORD
target='@TARGET@'
if [ -z "$user" ] && [ "$target" = artifact-registry ]; then
    command -v gcloud >/dev/null || fail "gcloud is missing, or CHAPBOOK_REGISTRY_USER"
    user=oauth2accesstoken
    password=$(gcloud auth print-access-token)
fi
[ -n "$user" ] || fail "set CHAPBOOK_REGISTRY_USER"
if [ -z "$password" ]; then
    IFS= read -r password || [ -n "$password" ] ||
        fail "there is no password: CHAPBOOK_REGISTRY_PASSWORD, or standard input"
fi
printf '%s' "$password" | login "${name%%/*}" "$user"
copy() {
    skopeo copy --all --preserve-digests --authfile "$work/auth.json" "$1" "$2" >&2
}
copy "oci-archive:$tar" "docker://$name@$digest"
# Last, so that no tag means what is not all there.
for tag in "$@"; do
    copy "docker://$name@$digest" "docker://$name:$tag" ||
        fail "the tag $tag was refused; it may be immutable: $name@$digest is there"
done
echo "$name@$digest"
