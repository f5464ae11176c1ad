needs curl
app=${CHAPBOOK_DEPLOY_APP:-@APP@}
processes=${CHAPBOOK_DEPLOY_PROCESS:-@PROCESSES@}
word CHAPBOOK_DEPLOY_APP "$app"
for process in $processes; do
    word CHAPBOOK_DEPLOY_PROCESS "$process"
done
config='@CONFIG@'
api=${CHAPBOOK_HEROKU_API:-https://api.heroku.com}
registry=${CHAPBOOK_HEROKU_REGISTRY:-registry.heroku.com}
case $api in
    https://* | http://127.0.0.1:*) ;;
    *) fail "CHAPBOOK_HEROKU_API is not https" ;;
esac
[ -n "$config" ] || fail "this image cannot be said in Docker's words"
check_tar
token=${HEROKU_API_KEY:-}
unset HEROKU_API_KEY
if [ -z "$token" ]; then
    IFS= read -r token || [ -n "$token" ] ||
        fail "there is no token: HEROKU_API_KEY, or standard input"
fi
# It is quoted for curl.
case $token in
    *[!A-Za-z0-9._~+/=-]*) fail "the token is malformed" ;;
esac
# The token on curl's standard input, and not among its arguments.
ask() {
    printf 'header = "Authorization: Bearer %s"\n' "$token" |
        curl --silent --show-error --fail --max-time 60 --config - \
            --header 'Accept: application/vnd.heroku+json; version=3.docker-releases' "$@" |
        tr -d '\n\r\t '
}
newest() {
    ask --header 'Range: version ..; max=1, order=desc' "$api/apps/$app/releases" >"$work/new"
    # Nothing of it, and nothing that was released, are two things.
    grep -q '^\[' "$work/new" || fail "the releases of $app are not told"
    cat "$work/new"
}
field() {
    printf '%s' "$2" | sed -n 's/.*"'"$1"'":"\{0,1\}\([^",}]*\).*/\1/p'
}
ask "$api/apps/$app" >"$work/app"
grep -q '"build_stack":{[^}]*"name":"container"' "$work/app" ||
    fail "the token is refused, or the stack is another: heroku stack:set container -a $app"
printf '%s' "$token" | login "$registry" _
updates=
for process in $processes; do
    skopeo copy --format v2s2 --authfile "$work/auth.json" "oci-archive:$tar" \
        "docker://$registry/$app/$process:latest" >&2
    updates="$updates${updates:+,}{\"type\":\"$process\",\"docker_image\":\"$config\"}"
done
release=$(newest)
before=$(field version "$release")
ask --request PATCH --header 'Content-Type: application/json' \
    --data "{\"updates\":[$updates]}" "$api/apps/$app/formation" >"$work/formation"
[ -s "$work/formation" ] || fail "the release was refused"
looks=0
while :; do
    release=$(newest)
    version=$(field version "$release")
    if [ -z "$version" ] || [ "$version" = "$before" ]; then
        fail "nothing was released: the newest release is that of before"
    fi
    status=$(field status "$release")
    case $status in
        succeeded) break ;;
        pending) ;;
        *) fail "release v$version: $status; heroku releases:output v$version -a $app" ;;
    esac
    # Half an hour.
    looks=$((looks + 1))
    [ "$looks" -lt 360 ] || fail "release v$version is still pending"
    sleep 5
done
echo "release v$version of $app" >&2
echo "$name@$digest"
