#!/bin/sh
# Prints how a Secret of the namespace default lies in the store: its prefix, and its key's id.
key=$(printf '/registry/secrets/default/%s' "$1" | base64 -w 0)
curl -s http://127.0.0.1:8443/v3/kv/range -d "{\"key\":\"$key\"}" |
  sed -n 's/.*"value":"\([^"]*\)".*/\1/p' | base64 -d | grep -ao 'k8s:enc:kms:v2:[a-z]*:\|key-[0-9]*\|sesame'
