# A Deployment whose ReplicaSets and status are written by hand.
kubectl create -f web.yaml -f kinds.yaml
kubectl get deployment web -o jsonpath='{.metadata.uid}' > owner
for n in 1 2; do sed "s/NUMBER/$n/g; s/OWNER/$(cat owner)/" replicaset.yaml | kubectl create -f -; done
kubectl annotate deployment web deployment.kubernetes.io/revision=2
kubectl rollout status deployment/web --watch=false
kubectl rollout status deployment/web --timeout=1s
kubectl replace --raw /apis/apps/v1/namespaces/$NS/deployments/web/status -f rolled-out.json > answer; wc -l < answer
kubectl rollout status deployment/web
kubectl rollout history deployment/web
kubectl rollout history deployment/web --revision=2
kubectl rollout undo deployment/web --dry-run=server
kubectl rollout undo deployment/web --to-revision=1
kubectl get deployment web -o jsonpath='{.spec.template.spec.containers[0].image}'
kubectl rollout undo deployment/web --to-revision=9
kubectl rollout pause deployment/web
kubectl rollout pause deployment/web
kubectl rollout undo deployment/web
kubectl rollout resume deployment/web
kubectl rollout restart deployment/web
kubectl rollout restart daemonset/agent statefulset/db
kubectl rollout status daemonset/agent --watch=false
kubectl rollout status statefulset/db --watch=false
kubectl rollout history daemonset/agent
kubectl rollout status deployment/nosuch
kubectl rollout status job/once
kubectl get rs
