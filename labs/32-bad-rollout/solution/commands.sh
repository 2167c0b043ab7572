kubectl -n $NS set image deployment/shop main=r2k.local/busybox:9
kubectl -n $NS rollout undo deployment/shop
kubectl -n $NS rollout status deployment/shop --timeout=60s
