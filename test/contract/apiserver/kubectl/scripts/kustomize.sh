# What a folder describes.
kubectl kustomize kustom
kubectl apply -k kustom
kubectl apply -k kustom
kubectl get -k kustom
kubectl diff -k kustom
kubectl delete -k kustom
kubectl kustomize nosuch
