import { STREAM_BYTES } from "./packet-sizes.ts";

const IMAGE = "r2k.local/busybox:1";

/** A server on each node that answers with its pod and node; it leaves lost nodes after 1 s. */
const serverSpec = (more = "") => `
      terminationGracePeriodSeconds: 1${more}
      tolerations:
        - { key: node.kubernetes.io/unreachable, effect: NoExecute, tolerationSeconds: 1 }
        - { key: node.kubernetes.io/not-ready, effect: NoExecute, tolerationSeconds: 1 }
      containers:
        - name: main
          image: ${IMAGE}
          command:
            - sh
            - -c
            - >-
              head -c ${STREAM_BYTES} /dev/zero > /tmp/stream;
              echo "$POD $NODE" | tee /tmp/index.html; httpd -f -p 8080 -h /tmp
          env:
            - { name: POD, valueFrom: { fieldRef: { fieldPath: metadata.name } } }
            - { name: POD_UID, valueFrom: { fieldRef: { fieldPath: metadata.uid } } }
            - { name: NODE, valueFrom: { fieldRef: { fieldPath: spec.nodeName } } }
          readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 }`;

const service = (name: string, selector: string, type: string) => `
---
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec: { selector: { ${selector} }, ports: [{ port: 80, targetPort: 8080 }], type: ${type} }
`;

/** Pods on every node, some that may move, and one with an identity, with their Services. */
export const MANIFEST = `
apiVersion: apps/v1
kind: DaemonSet
metadata: { name: agent }
spec:
  selector: { matchLabels: { app: agent } }
  template:
    metadata: { labels: { app: agent } }
    spec:${serverSpec()}
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: moving }
spec:
  replicas: 3
  selector: { matchLabels: { app: moving } }
  template:
    metadata: { labels: { app: moving } }
    spec:${serverSpec()}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: single }
spec:
  serviceName: single
  selector: { matchLabels: { app: single } }
  template:
    metadata: { labels: { app: single } }
    spec:${serverSpec(`
      affinity:
        nodeAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
            - weight: 100
              preference:
                matchExpressions:
                  - { key: kubernetes.io/hostname, operator: In, values: [node-2] }`)}
${service("agents", "app: agent", "NodePort")}${service("moving", "app: moving", "ClusterIP")}`;
