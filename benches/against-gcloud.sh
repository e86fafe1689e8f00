#!/usr/bin/env bash
# Times whole commands beside curl and gcloud, all against one `sandbox serve`.
# Needs hyperfine and curl; gcloud is left out where it is not installed.
#   cargo build --release && bash benches/against-gcloud.sh
set -euo pipefail
cd "$(dirname "$0")/.."
runaccess=${RUNACCESS:-$PWD/target/release/runaccess}
world=$(mktemp -d)
trap 'kill %1 2>/dev/null || true; rm -rf "$world"' EXIT
export HOME=$world RUNACCESS_HOME=$world/state CLOUDSDK_CONFIG=$world/gcloud
mkfifo "$world/ready"
"$runaccess" sandbox serve --port 0 -o json >"$world/ready" 2>/dev/null &
read -r line <"$world/ready"
endpoint=$(printf %s "$line" | sed 's/.*"endpoint":"\([^"]*\)".*/\1/')

export CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN=$endpoint/ CLOUDSDK_AUTH_ACCESS_TOKEN=t
export CLOUDSDK_CORE_PROJECT=sandbox-project CLOUDSDK_CORE_DISABLE_PROMPTS=1
export CLOUDSDK_CORE_DISABLE_USAGE_REPORTING=true CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK=true
policy=$endpoint/v2/projects/sandbox-project/locations/us-central1/services/hello:getIamPolicy

hyperfine -N --warmup 5 --runs 100 \
    -n 'true' true \
    -n 'runaccess --version' "$runaccess --version" \
    -n 'curl, the same policy' "curl -s -H 'Authorization: Bearer t' $policy" \
    -n 'runaccess url us-central1/hello' "$runaccess url us-central1/hello" \
    -n 'runaccess url hello' "$runaccess url hello" \
    -n 'runaccess policy us-central1/hello' "$runaccess policy us-central1/hello" \
    -n 'runaccess grant, unchanged' "$runaccess grant ana@example.com us-central1/orders" \
    --export-json "$world/ours.json"
if command -v gcloud >/dev/null; then
    hyperfine -N --warmup 1 --runs 5 \
        -n 'gcloud --version' 'gcloud --version' \
        -n 'gcloud run services get-iam-policy' 'gcloud run services get-iam-policy hello --region us-central1'
fi
