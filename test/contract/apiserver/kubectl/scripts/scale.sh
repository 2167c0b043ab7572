# Scale, autoscale, expose and set.
kubectl create -f web.yaml -f pods.yaml
kubectl scale deployment web --replicas=3
kubectl scale deployment web --replicas=4 --current-replicas=9
kubectl scale deployment web --replicas=4 --current-replicas=3
kubectl scale --replicas=1 -f web.yaml
kubectl scale cm settings --replicas=1
kubectl scale deployment nosuch --replicas=1
kubectl scale deployment web --replicas=-1
kubectl get --raw /apis/apps/v1/namespaces/$NS/deployments/web/scale | tr , '\n' | grep replicas
kubectl autoscale deployment web --min=2 --max=5 --cpu-percent=70
kubectl get hpa web -o jsonpath='{.spec}'
kubectl autoscale deployment web --min=5 --max=2
kubectl expose deployment web --name=exposed --port=80 --target-port=8080
kubectl expose pod a --port=8080 --type=NodePort --name=open
kubectl expose service web --name=again --port=81
kubectl expose deployment nosuch --port=1
kubectl expose cm settings --port=1
kubectl get svc exposed open again
kubectl set image deployment/web web=example.com/web:9
kubectl set image deployment/web nosuch=example.com/web:9
kubectl set env deployment/web COLOUR=red GREETING-
kubectl set env deployment/web --list
kubectl set env deployment/web --from=configmap/settings
kubectl set resources deployment web --limits=cpu=200m,memory=128Mi
kubectl set selector service web app=other
kubectl set serviceaccount deployment web robot
kubectl create role reader --verb=get --resource=pods
kubectl create rolebinding readers --role=reader --user=jane
kubectl set subject rolebinding readers --user=joe --group=all
kubectl get deploy web -o jsonpath='{.spec.template.spec}'
kubectl get rolebinding readers -o jsonpath='{.subjects}'
