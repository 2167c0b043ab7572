# Labels and annotations.
kubectl create -f web.yaml
kubectl label cm settings a=1 b=2
kubectl label cm settings a=1
kubectl label cm settings a=2
kubectl label cm settings a=2 --overwrite
kubectl label cm settings b-
kubectl label cm settings --list | sort
kubectl label cm settings 'bad label=1'
kubectl label cm settings 'good=not/good'
kubectl label cm,deploy --all all=yes
kubectl label svc -l app=web chosen=yes --dry-run=server
kubectl label cm settings c=3 --resource-version=1
kubectl label -f web.yaml from=file
kubectl annotate cm settings note='some words'
kubectl annotate cm settings note=others
kubectl annotate cm settings note=others --overwrite
kubectl annotate cm settings note-
kubectl annotate deploy --all all=yes
kubectl annotate cm nosuch a=1
kubectl get cm,deploy -o custom-columns=NAME:.metadata.name,LABELS:.metadata.labels,NOTES:.metadata.annotations
