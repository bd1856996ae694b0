#!/bin/sh
# Writes the variables `artifacts` and `sha256` of the job for a packaged folder:
#   jobs/variables.sh dist/0.1.0 https://artifacts.example.com/0.1.0 > cluster.vars.hcl
set -eu

[ $# -eq 2 ] || { echo "usage: jobs/variables.sh FOLDER URL" >&2; exit 2; }
sums=$1/SHA256SUMS
[ -r "$sums" ] || { echo "variables: cannot read $sums: run \`just package\` first" >&2; exit 2; }

echo "artifacts = \"${2%/}\""
echo "sha256 = {"
# "<digest>  <file>", the file marked by a * when it was read as binary.
sed -n 's/^\([0-9a-f]\{64\}\) [ *]\(.*\)$/  "\2" = "\1"/p' "$sums"
echo "}"
