# What an apply would change.
kubectl apply -f web.yaml
kubectl diff -f web.yaml
sed 's/blue/red/' web.yaml | kubectl diff -f -
sed 's/replicas: 2/replicas: 6/' web.yaml | kubectl diff -f -
kubectl diff -f pods.yaml
sed 's/blue/red/' web.yaml | kubectl diff --server-side --force-conflicts -f -
sed 's/replicas: 2/replicas: -6/' web.yaml | kubectl diff -f -
kubectl get cm settings -o jsonpath='{.data.colour}'
