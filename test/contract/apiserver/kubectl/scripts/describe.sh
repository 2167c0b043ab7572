# What describe makes of each kind.
kubectl create -f pods.yaml -f web.yaml -f kinds.yaml -f cluster.yaml
kubectl replace --raw /api/v1/namespaces/$NS/pods/a/status -f running.json > answer; wc -l < answer
kubectl describe pod a
kubectl describe pods -l tier=back
kubectl describe service web
kubectl describe deployment web
kubectl describe statefulset db
kubectl describe daemonset agent
kubectl describe job once
kubectl describe cronjob nightly
kubectl describe hpa web
kubectl describe ingress web
kubectl describe networkpolicy closed
kubectl describe pdb keep
kubectl describe pvc claim
kubectl describe limitrange/range quota/quota
kubectl describe secret hidden
kubectl describe cm settings | sort
kubectl describe role reader
kubectl describe rolebinding readers
kubectl describe endpointslice web-1
kubectl describe pv k-disk
kubectl describe storageclass k-slow
kubectl describe priorityclass k-high
kubectl describe clusterrole k-viewer
kubectl describe sa default
kubectl describe ns $NS
kubectl describe pod nosuch
kubectl delete -f cluster.yaml --wait=false
