# Apply as a client does it by itself, and as the server does it.
kubectl apply -f web.yaml
kubectl apply -f web.yaml
sed 's/replicas: 2/replicas: 4/; s/blue/green/' web.yaml > changed.yaml
kubectl apply -f changed.yaml --dry-run=server
kubectl apply -f changed.yaml --dry-run=client
kubectl apply -f changed.yaml
kubectl get deployment web -o jsonpath='{.spec.replicas} {.metadata.generation}'
kubectl apply view-last-applied configmap/settings
kubectl apply set-last-applied -f web.yaml
kubectl create configmap bare --from-literal=a=1
kubectl create configmap bare --from-literal=a=2 --dry-run=client -o yaml | kubectl apply -f -
kubectl create configmap served --from-literal=a=1 --dry-run=client -o yaml > served.yaml
kubectl apply --server-side -f served.yaml
sed 's/"1"/"2"/' served.yaml > other.yaml
kubectl apply --server-side --field-manager=other -f other.yaml
kubectl apply --server-side --field-manager=other --force-conflicts -f other.yaml
kubectl apply --server-side --dry-run=server -f other.yaml
kubectl apply --server-side -f web.yaml
kubectl apply --server-side --force-conflicts -f web.yaml
kubectl get cm served -o yaml --show-managed-fields
kubectl apply -f nosuch.yaml
echo 'kind: ConfigMap' | kubectl apply -f -
echo '{"apiVersion":"v1","kind":"Nosuch","metadata":{"name":"x"}}' | kubectl apply -f -
sed 's/replicas: 2/replicas: two/' web.yaml | kubectl apply -f -
sed 's/replicas: 2/replicsa: 2/' web.yaml | kubectl apply -f -
sed 's/replicas: 2/replicas: -2/' web.yaml | kubectl apply -f -
sed 's/name: web/name: Web/' web.yaml | kubectl apply -f -
kubectl apply -f web.yaml --namespace=nosuch
sed '/^---/,$d' web.yaml > service.yaml
kubectl apply --prune -l app=web -f service.yaml
