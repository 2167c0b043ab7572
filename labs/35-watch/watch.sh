# List the ConfigMaps of $NS by `kubectl get --raw`, and keep the list's resourceVersion. Then create a ConfigMap
# called `seen`, label it, and delete it. At last watch from that resourceVersion, for two seconds, and print the type of
# each event of `seen`, one a line.
