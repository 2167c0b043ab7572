kubectl -n $NS delete configmap keep --wait=false
kubectl -n $NS create configmap receipt --from-literal=bill=$(kubectl -n $NS get configmap keep -o 'jsonpath={.data.bill}')
kubectl -n $NS patch configmap keep --type=json -p '[{"op":"remove","path":"/metadata/finalizers"}]'
kubectl -n $NS delete deployment left --cascade=orphan
kubectl -n $NS delete deployment whole --cascade=foreground
