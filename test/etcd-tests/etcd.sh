#!/bin/bash
# The store in the place of etcd's program. The tests signal this process, so it becomes the
# store's; they wait for etcd's words that a member serves, and read only JSON beside them.
here=$(dirname "$(readlink -f "$0")")
root=$here/../..
exec "$root/node_modules/node/bin/node" --disable-warning=ExperimentalWarning \
  "$root/.cache/bundle/main.js" store "$@" \
  > >(exec sed -u '/^serving etcd v3 on /d') \
  2> >(exec sed -u 's/"msg":"store is up"/"msg":"ready to serve client requests"/' >&2)
