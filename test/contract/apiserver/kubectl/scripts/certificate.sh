# Requests for certificates.
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key -subj /CN=jane/O=readers -out jane.csr 2> said
printf '{"apiVersion":"certificates.k8s.io/v1","kind":"CertificateSigningRequest","metadata":{"name":"k-NAME"},"spec":{"request":"%s","signerName":"kubernetes.io/kube-apiserver-client","usages":["client auth"]}}' $(base64 -w0 jane.csr) > csr.json
sed s/NAME/jane/ csr.json | kubectl create -f -
sed s/NAME/joe/ csr.json | kubectl create -f -
kubectl certificate approve k-jane
kubectl certificate deny k-joe
kubectl certificate deny k-jane
kubectl get csr k-jane k-joe
kubectl describe csr k-joe
kubectl certificate approve nosuch
kubectl delete csr k-jane k-joe
