# What create makes of words, without a file.
kubectl create configmap words --from-literal=a=1 --from-file=pods.yaml
kubectl create secret generic hidden --from-literal=password=four
kubectl create secret docker-registry pull --docker-server=example.com --docker-username=u --docker-password=p
kubectl create deployment web --image=example.com/web:1 --replicas=2 --port=80
kubectl create job once --image=example.com/once:1 -- run it
kubectl create cronjob nightly --image=example.com/n:1 --schedule='5 4 * * *'
kubectl create job from-nightly --from=cronjob/nightly
kubectl create quota few --hard=pods=30,services=10
kubectl create serviceaccount robot
kubectl create role reader --verb=get,list --resource=pods,deployments.apps
kubectl create rolebinding readers --role=reader --serviceaccount=$NS:robot --user=jim
kubectl create clusterrole k-made --verb=get --resource=nodes
kubectl create clusterrolebinding k-made --clusterrole=k-made --user=jim
kubectl create service clusterip plain --tcp=80:8080
kubectl create service nodeport open --tcp=81:8081
kubectl create service externalname outside --external-name=example.com
kubectl create poddisruptionbudget keep --selector=app=web --min-available=1
kubectl create priorityclass k-made --value=7
kubectl create ingress web --rule='example.com/=plain:80'
kubectl create namespace k-created
kubectl create configmap words
kubectl create role wrong --verb=get --resource=nosuch
kubectl create token robot --duration=1h | tr -cd . | wc -c
kubectl get cm,deploy,job,cronjob,quota,sa,role,rolebinding,svc,pdb,ingress -o name
kubectl get deploy web -o yaml
kubectl get rolebinding readers -o yaml
kubectl run alone --image=example.com/alone:1 --labels=app=alone --env=A=b --port=80
kubectl get pod alone -o jsonpath='{.spec.containers[0]}' | tr , '\n' | head -3
kubectl delete clusterrole/k-made clusterrolebinding/k-made priorityclass/k-made ns/k-created --wait=false
