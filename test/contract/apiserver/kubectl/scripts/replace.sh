# A whole object in place of another.
kubectl create -f web.yaml
kubectl get configmap settings -o yaml > settings.yaml
sed 's/blue/red/' settings.yaml | kubectl replace -f -
sed 's/blue/white/' settings.yaml | kubectl replace -f -
sed 's/blue/white/' settings.yaml | grep -v resourceVersion: | kubectl replace -f -
kubectl get cm settings -o jsonpath='{.data.colour}'
kubectl replace -f pods.yaml
kubectl replace --force -f web.yaml
sed 's/uid: .*/uid: 00000000-0000-0000-0000-000000000000/' settings.yaml | grep -v resourceVersion: | kubectl replace -f -
kubectl replace -f web.yaml --dry-run=server
kubectl create -f web.yaml
kubectl replace --raw /api/v1/namespaces/$NS/configmaps/nosuch -f settings.yaml
