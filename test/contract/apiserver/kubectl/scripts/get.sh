# Every way to print what is there.
kubectl create -f pods.yaml -f web.yaml
kubectl get pods
kubectl get pods -o wide
kubectl get pods -o name
kubectl get pods --show-labels --no-headers
kubectl get pods -L tier --sort-by=.spec.containers[0].image
kubectl get pods -l 'tier in (front)' -o jsonpath='{.items[*].metadata.name}'
kubectl get pods --field-selector=spec.nodeName= -o name
kubectl get pods -A --field-selector=metadata.namespace=$NS -l app=pods -o custom-columns=NAME:.metadata.name,IMAGE:.spec.containers[*].image
kubectl get pod a -o go-template='{{range .spec.containers}}{{.name}}{{end}}'
kubectl get pod a -o yaml
kubectl get configmap settings -o json
kubectl get deployment,service,cm/settings
kubectl get deployments,services
kubectl get all
kubectl get pod/a service/web
kubectl get pods --chunk-size=1 -o name
kubectl get pod nosuch
kubectl get pod nosuch --ignore-not-found
kubectl get nosuch
kubectl get pods --field-selector=spec.nosuch=1
kubectl get pods -l 'a=b=c'
kubectl get --raw /api/v1/namespaces/$NS/configmaps/settings | tr '{},' '\n' | sort
kubectl get --raw /api/v1/namespaces/$NS/configmaps/nosuch
kubectl get -f web.yaml
kubectl get pods --show-kind --server-print=false
kubectl get cm settings -w -o jsonpath='{.data.colour}{"\n"}' >> seen & touch seen; until grep -q blue seen; do sleep 0.1; done; kubectl patch cm settings -p '{"data":{"colour":"red"}}'; until grep -q red seen; do sleep 0.1; done; kill $!; cat seen
