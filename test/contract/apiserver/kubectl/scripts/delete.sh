# Deletion by name, selection, file, and what holds it up.
kubectl create -f web.yaml -f pods.yaml
kubectl delete pod a --dry-run=client
kubectl delete pod a --dry-run=server
kubectl delete pod a
kubectl delete pod b --grace-period=0 --force
kubectl delete cm nosuch
kubectl delete cm nosuch --ignore-not-found
kubectl delete deployment web --cascade=orphan --wait=false
kubectl delete service -l app=web
kubectl create cm held --from-literal=a=1
kubectl patch cm held --type=merge -p '{"metadata":{"finalizers":["example.com/hold"]}}'
kubectl delete cm held --wait=false
kubectl delete cm held --timeout=1s
kubectl get cm held -o jsonpath='{.metadata.finalizers}'
kubectl patch cm held --type=merge -p '{"metadata":{"finalizers":null}}'
kubectl get cm held
kubectl delete cm --all --field-selector=metadata.name=settings
kubectl delete -f web.yaml
kubectl delete -f web.yaml --ignore-not-found
kubectl delete deployments --all
kubectl delete --raw /api/v1/namespaces/$NS/configmaps/nosuch
kubectl delete nosuch --all
kubectl create -f pods.yaml
kubectl delete pods --all --now
