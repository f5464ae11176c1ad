needs gcloud
region=${CHAPBOOK_DEPLOY_REGION:-@REGION@}
project=${CHAPBOOK_DEPLOY_PROJECT:-@PROJECT@}
word CHAPBOOK_DEPLOY_REGION "$region"
set -- run deploy chapbook --image "$name@$digest" --region "$region" --quiet
if [ -n "$project" ]; then
    word CHAPBOOK_DEPLOY_PROJECT "$project"
    set -- "$@" --project "$project"
fi
gcloud "$@" >&2
echo "$name@$digest"
