#!/bin/sh
# Dispatches one version of the model: jobs/dispatch.sh VERSION [pipeline.toml]
#
# From the environment: DATA_URL and GCP_BUCKET_PATH (bucket, or bucket/prefix); and, where the defaults below do not
# fit, SAVE_PATH, DATA_PATH, PREDICTION_PATH, BATCH_SIZE and EPOCHS. NOMAD_ADDR and NOMAD_TOKEN as for `nomad`.
# For many versions, resumable: `runner dispatch`.
set -eu

usage() {
  sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
  exit 2
}

[ $# -ge 1 ] && [ $# -le 2 ] || usage
[ -n "${DATA_URL:-}" ] || { echo "dispatch: set DATA_URL to the address of the opportunity history" >&2; usage; }
[ -n "${GCP_BUCKET_PATH:-}" ] || { echo "dispatch: set GCP_BUCKET_PATH to the bucket for models (bucket/prefix)" >&2; usage; }

version=$1
specification=${2:-}
[ -z "$specification" ] || [ -r "$specification" ] || { echo "dispatch: cannot read $specification" >&2; exit 2; }

set -- \
  -meta "save_path=${SAVE_PATH:-trainedWinPrediction}" \
  -meta "data_path=${DATA_PATH:-./opportunityHistory.json}" \
  -meta "prediction_path=${PREDICTION_PATH:-./predictions.txt}" \
  -meta "data_url=$DATA_URL" \
  -meta "gcp_bucket_path=$GCP_BUCKET_PATH" \
  -meta "model_version=$version"
[ -z "${BATCH_SIZE:-}" ] || set -- "$@" -meta "batch_size=$BATCH_SIZE"
[ -z "${EPOCHS:-}" ] || set -- "$@" -meta "epochs=$EPOCHS"

exec nomad job dispatch "$@" sales-close-prediction ${specification:+"$specification"}
