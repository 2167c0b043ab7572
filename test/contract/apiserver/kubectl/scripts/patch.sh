# Three forms of patches, and a subresource.
kubectl create -f web.yaml -f pods.yaml
kubectl patch deployment web -p '{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"example.com/web:2"}]}}}}'
kubectl patch deployment web --type=merge -p '{"spec":{"replicas":5}}'
kubectl patch deployment web --type=json -p '[{"op":"replace","path":"/spec/replicas","value":1}]'
kubectl patch deployment web --type=merge -p '{"spec":{"replicas":1}}'
kubectl patch cm settings --type=json -p '[{"op":"test","path":"/data/colour","value":"red"}]'
kubectl patch cm settings --type=json -p '[{"op":"remove","path":"/data/nosuch"}]'
kubectl patch cm settings -p '{"data":{"colour":null}}' -o yaml
kubectl patch cm settings -p '{"data":{"size":"9"}}' --dry-run=server -o jsonpath='{.data}'
kubectl patch -f web.yaml -p '{"metadata":{"labels":{"patched":"yes"}}}'
kubectl patch pod a -p '{"spec":{"containers":[{"name":"main","image":"example.com/a:2"}]}}'
kubectl patch pod a --type=merge -p '{"spec":{"nodeName":"elsewhere"}}' 2>&1 | head -1
kubectl patch deployment web -p '{"spec":{"replicas":"two"}}'
kubectl patch deployment web -p '{"spec":{"selector":{"matchLabels":{"app":"other"}}}}'
kubectl patch deployment web -p 'not json'
kubectl patch cm nosuch -p '{}'
kubectl patch deployment web --subresource=status --type=merge -p '{"status":{"replicas":7}}'
kubectl get deployment web -o jsonpath='{.spec.replicas} {.status.replicas} {.metadata.generation}'
