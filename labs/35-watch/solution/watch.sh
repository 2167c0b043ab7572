path=/api/v1/namespaces/$NS/configmaps
version=$(kubectl get --raw "$path" | grep -o '"resourceVersion": *"[0-9]*"' | head -1 | tr -dc 0-9)
kubectl -n $NS create configmap seen >&2
kubectl -n $NS label configmap seen step=2 >&2
kubectl -n $NS delete configmap seen >&2
kubectl get --raw "$path?watch=1&resourceVersion=$version&timeoutSeconds=2&fieldSelector=metadata.name=seen" |
  sed 's/^{"type":"\([A-Z]*\)".*/\1/'
