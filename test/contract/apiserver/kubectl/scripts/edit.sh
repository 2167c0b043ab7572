# An editor that is a filter.
kubectl create -f web.yaml
KUBE_EDITOR='sed -i s/blue/green/' kubectl edit configmap settings
KUBE_EDITOR=true kubectl edit configmap settings
KUBE_EDITOR='sed -i s/replicas:.2/replicas:\ 3/' kubectl edit deployment web -o json
KUBE_EDITOR='sed -i s/replicas:.2/replicas:\ 3/' kubectl edit deployment web
KUBE_EDITOR='sed -i s/replicas:.3/replicas:\ -3/' kubectl edit deployment web 2>&1 | grep -v 'A copy of'
KUBE_EDITOR='sed -i s/name:.settings/name:\ other/' kubectl edit configmap settings 2>&1 | grep -v 'A copy of'
KUBE_EDITOR='sed -i s/green/yellow/' kubectl edit -f web.yaml
kubectl get cm settings -o jsonpath='{.data}'
kubectl get deploy web -o jsonpath='{.spec.replicas}'
KUBE_EDITOR=true kubectl edit configmap nosuch
kubectl apply -f web.yaml
KUBE_EDITOR='sed -i s/blue/white/' kubectl apply edit-last-applied configmap/settings
kubectl apply view-last-applied configmap/settings
