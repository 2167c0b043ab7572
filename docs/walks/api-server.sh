#!/bin/sh
# Usage: api-server.sh DIR CLUSTER PORT [FLAG...]. Starts an API server on PORT, with a store of its
# own in the folder DIR on PORT + 1000, the keys of the cluster in the folder CLUSTER, and more
# flags. Ends when that says `ok`.
dir=$1
pki=$2/pki
port=$3
shift 3
# Those that were told to end still have the ports and the store's folder.
for old in "$dir/api-server.pid" "$dir/store.pid"; do
  [ ! -e "$old" ] || timeout 60 tail -f /dev/null --pid "$(cat "$old")"
done
store=http://127.0.0.1:$((port + 1000))
r2k store --data-dir "$dir/store" --listen-client-urls "$store" > "$dir/store.log" 2>&1 &
echo $! > "$dir/store.pid"
r2k apiserver --etcd-servers "$store" --secure-port "$port" \
  --advertise-address 192.0.2.1 --client-ca-file "$pki/ca.crt" \
  --tls-cert-file "$pki/apiserver.crt" --tls-private-key-file "$pki/apiserver.key" \
  --service-account-issuer https://kubernetes.default.svc \
  --service-account-signing-key-file "$pki/sa.key" --service-account-key-file "$pki/sa.pub" \
  --kubelet-client-certificate "$pki/apiserver-kubelet-client.crt" \
  --kubelet-client-key "$pki/apiserver-kubelet-client.key" "$@" > "$dir/api-server.log" 2>&1 &
echo $! > "$dir/api-server.pid"
curl -fks --retry 60 --retry-delay 1 --retry-all-errors "https://127.0.0.1:$port/readyz"
