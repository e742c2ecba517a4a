#!/bin/sh
# Pin again what the .in files ask for, with hashes and without the address of any index. Needs `uv`.
set -eu
cd "$(dirname "$0")"
for name in vigie apps synapse sydent scanner interceptor; do
  uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --universal --python-version 3.11 \
    --custom-compile-command requirements/lock.sh "$name.in" --output-file "$name.txt"
done
