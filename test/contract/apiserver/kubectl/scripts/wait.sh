# Waiting is a watch.
kubectl create -f web.yaml -f pods.yaml
kubectl wait pod/a --for=condition=Ready --timeout=1s
kubectl wait pod/a --for=condition=Ready --timeout=60s > said & kubectl replace --raw /api/v1/namespaces/$NS/pods/a/status -f running.json > answer; wait; cat said
kubectl wait pods -l tier=front --for=condition=Ready
kubectl wait pod/a --for=condition=Ready=false --timeout=1s
kubectl wait pod/b --for=delete --timeout=60s > said 2>&1 & kubectl delete pod b --wait=false; wait
kubectl wait cm/settings --for=jsonpath='{.data.colour}'=red --timeout=60s > said & kubectl patch cm settings -p '{"data":{"colour":"red"}}'; wait; cat said
kubectl wait pod/nosuch --for=condition=Ready --timeout=1s
kubectl wait pods --all --for=delete --timeout=1s
kubectl wait cm/settings --for=nonsense
