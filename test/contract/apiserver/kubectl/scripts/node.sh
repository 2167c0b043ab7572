# A node that no kubelet serves.
kubectl create -f node.yaml
kubectl get node k-node
kubectl get node k-node -o wide
kubectl create -f on-node.yaml
kubectl describe node k-node
kubectl cordon k-node
kubectl cordon k-node
kubectl get node k-node -o jsonpath='{.spec}'
kubectl uncordon k-node
kubectl uncordon k-node --dry-run=server
kubectl taint node k-node key=value:NoSchedule
kubectl taint node k-node key=value:NoSchedule
kubectl taint node k-node key=other:NoSchedule --overwrite
kubectl taint node k-node key=other:Nonsense
kubectl taint node k-node key-
kubectl taint node k-node key-
kubectl drain k-node --dry-run=server
kubectl drain k-node 2>&1 | sort
kubectl drain k-node --force --grace-period=0 2>&1 | sort
kubectl get pods
kubectl drain nosuch
kubectl top node
kubectl top pod
kubectl label node k-node role=test
kubectl delete node k-node
