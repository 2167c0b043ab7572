#!/bin/sh
# Starts an API server on port 7443 with a store of its own in the folder $1, and the keys of the
# cluster in the folder $2. Ends when that says `ok`.
dir=$1
pki=$2/pki
r2k store --data-dir "$dir/store" --listen-client-urls http://127.0.0.1:12379 \
  > "$dir/store.log" 2>&1 &
echo $! > "$dir/store.pid"
r2k apiserver --etcd-servers http://127.0.0.1:12379 --secure-port 7443 \
  --advertise-address 192.0.2.1 --client-ca-file "$pki/ca.crt" \
  --tls-cert-file "$pki/apiserver.crt" --tls-private-key-file "$pki/apiserver.key" \
  --service-account-issuer https://kubernetes.default.svc \
  --service-account-signing-key-file "$pki/sa.key" --service-account-key-file "$pki/sa.pub" \
  --kubelet-client-certificate "$pki/apiserver-kubelet-client.crt" \
  --kubelet-client-key "$pki/apiserver-kubelet-client.key" \
  --encryption-provider-config "$dir/encryption.yaml" > "$dir/api-server.log" 2>&1 &
echo $! > "$dir/api-server.pid"
curl -fks --retry 60 --retry-delay 1 --retry-all-errors https://127.0.0.1:7443/readyz
