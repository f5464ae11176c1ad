set -- run deploy chapbook --image "$name@$digest" --region '@REGION@' --quiet
project='@PROJECT@'
if [ -n "$project" ]; then
    set -- "$@" --project "$project"
fi
gcloud "$@" >&2
echo "$name@$digest"
