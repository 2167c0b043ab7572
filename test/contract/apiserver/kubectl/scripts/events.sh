# Events as their own command and at the foot of describe.
kubectl create -f pods.yaml -f event.yaml
kubectl get events
kubectl get events -o wide --sort-by=.lastTimestamp
kubectl get events --field-selector=type=Warning,involvedObject.name=a
kubectl get events.v1.events.k8s.io
kubectl events
kubectl events --for=pod/a --types=Warning
kubectl describe pod a | sed -n '/^Events/,$p'
