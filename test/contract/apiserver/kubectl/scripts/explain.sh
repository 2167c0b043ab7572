# Discovery and the schema. Descriptions are our own words: only names and types are compared.
kubectl explain pod | grep -E '^ +[a-zA-Z]+.<|^KIND|^VERSION'
kubectl explain deployment.spec.strategy | grep -E '^ +[a-zA-Z]+.<|^KIND|^VERSION|^FIELD|^RESOURCE'
kubectl explain pod.spec.containers --recursive | grep -E '^ +[a-zA-Z]+.<'
kubectl explain service.spec --recursive | grep -E '^ +[a-zA-Z]+.<'
kubectl explain hpa.spec.metrics --api-version=autoscaling/v2 | grep -E '^ +[a-zA-Z]+.<'
kubectl explain crd.spec.versions | grep -E '^ +[a-zA-Z]+.<'
kubectl explain pod.spec.nosuch
kubectl explain nosuch
kubectl api-resources --no-headers -o wide | sort
kubectl api-resources --namespaced=false -o name | sort
kubectl api-resources --api-group=apps --verbs=list,watch
kubectl api-versions
kubectl version -o json | grep '"major"'
kubectl cluster-info | tr -d '\033' | head -1
