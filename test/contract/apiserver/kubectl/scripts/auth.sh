# Who may do what.
kubectl auth can-i create pods
kubectl auth can-i create pods --as=jane
kubectl auth can-i get pods/log --as=jane
kubectl auth can-i get /version --as=jane
kubectl auth can-i get nosuch
kubectl create role reader --verb=get,list --resource=pods
kubectl create rolebinding readers --role=reader --user=jane
kubectl auth can-i list pods --as=jane
kubectl auth can-i list pods --as=jane --subresource=log
kubectl auth can-i list pods --as=jane -A
kubectl auth can-i list pods --as=joe --quiet
kubectl auth can-i --list --as=jane | sort
kubectl get pods --as=jane
kubectl get cm --as=jane
kubectl delete pods --all --as=jane
kubectl get nodes --as=system:anonymous --as-group=system:unauthenticated
kubectl auth whoami
kubectl auth whoami --as=jane --as-group=readers
kubectl get role reader -o yaml | sed 's/- list/- watch/' | kubectl auth reconcile -f -
kubectl get role reader -o jsonpath='{.rules}'
kubectl create sa robot
kubectl auth can-i get pods --as=system:serviceaccount:$NS:robot
