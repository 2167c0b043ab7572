#!/bin/sh
# Prints the version in which an object lies in the store, by its key below /registry.
key=$(printf '/registry/%s' "$1" | base64 -w 0)
curl -s http://127.0.0.1:8444/v3/kv/range -d "{\"key\":\"$key\"}" |
  sed -n 's/.*"value":"\([^"]*\)".*/\1/p' | base64 -d | grep -o '"apiVersion":"[^"]*"' | head -n 1
