# The tables of kinds that a user meets.
kubectl create -f kinds.yaml -f web.yaml
kubectl get statefulsets,daemonsets,jobs,cronjobs -o wide
kubectl get hpa,ingress,networkpolicy,pdb
kubectl get pvc,limitrange,quota,secrets,roles,rolebindings,endpointslices
kubectl get serviceaccounts -o wide
kubectl get ns $NS
kubectl get crd,apiservice -l none=such
kubectl get componentstatuses -l none=such
