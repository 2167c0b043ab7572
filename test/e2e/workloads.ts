import { expect, it } from "vitest";
import type { TestCluster } from "./cluster.ts";

const IMAGE = "r2k.local/busybox:1";
const WAIT = "--timeout=90s";

/** A template of pods that run a command. */
const template = (app: string, command = "sleep 1000") => `
  template:
    metadata: { labels: { app: ${app} } }
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{ name: c, image: "${IMAGE}", command: [sh, -c, ${JSON.stringify(command)}] }]
`;

/** Kinds that keep pods running, by the real kubectl, their pods by the real kubelet. */
export function workloadCases(given: () => TestCluster): void {
  it("runs, scales and deletes a ReplicationController", () => older(given()));
  it("rolls a DaemonSet out, and back", () => agents(given()));
  it("keeps names and volumes of a StatefulSet in an update", () => databases(given()));
}

async function older(cluster: TestCluster): Promise<void> {
  await cluster.apply(`
apiVersion: v1
kind: ReplicationController
metadata: { name: older }
spec:
  replicas: 2${template("older")}`);
  const ready = ["get", "rc", "older", "-o", "jsonpath={.status.readyReplicas}"];
  await cluster.until("two ready", ready, (count) => count === "2");
  await cluster.ask("scale", "rc", "older", "--replicas=1");
  await cluster.until("one ready", ready, (count) => count === "1");
  expect(await cluster.ask("describe", "rc", "older")).toMatch(/SuccessfulDelete/);
  await cluster.ask("delete", "rc", "older");
  const pods = ["get", "pods", "-l", "app=older", "-o", "name"];
  await cluster.until("its pods to go", pods, (names) => names === "");
}

async function agents(cluster: TestCluster): Promise<void> {
  const manifest = (command: string) => `
apiVersion: apps/v1
kind: DaemonSet
metadata: { name: agent }
spec:
  selector: { matchLabels: { app: agent } }${template("agent", command)}`;
  const status = () => cluster.ask("rollout", "status", "daemonset/agent", WAIT);
  const said = ["logs", "daemonset/agent"];
  await cluster.apply(manifest("echo first; sleep 1000"));
  expect(await status()).toMatch(/daemon set "agent" successfully rolled out$/);
  await cluster.until("the first to speak", said, (text) => text === "first");
  await cluster.apply(manifest("echo second; sleep 1000"));
  await status();
  await cluster.until("the second to speak", said, (text) => text === "second");
  const history = await cluster.ask("rollout", "history", "daemonset/agent");
  expect(history).toMatch(/^1 .*\n2 /m);
  await cluster.ask("rollout", "undo", "daemonset/agent");
  await status();
  await cluster.until("the first to speak again", said, (text) => text === "first");
  expect(await cluster.ask("get", "ds", "agent", "--no-headers")).toMatch(/^agent( +1){5} /);
  await cluster.ask("delete", "daemonset", "agent");
  const pods = ["get", "pods", "-l", "app=agent", "-o", "name"];
  await cluster.until("its pods to go", pods, (names) => names === "");
}

async function databases(cluster: TestCluster): Promise<void> {
  const manifest = (word: string) => `
apiVersion: v1
kind: Service
metadata: { name: db }
spec: { clusterIP: None, selector: { app: db }, ports: [{ port: 80 }] }
---
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: db }
spec:
  replicas: 2
  serviceName: db
  selector: { matchLabels: { app: db } }
  persistentVolumeClaimRetentionPolicy: { whenDeleted: Delete }
  volumeClaimTemplates:
    - metadata: { name: data }
      spec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Mi } } }
  template:
    metadata: { labels: { app: db } }
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - name: c
          image: ${IMAGE}
          command: [sh, -c, "hostname >> /data/starts; echo ${word}; sleep 1000"]
          volumeMounts: [{ name: data, mountPath: /data }]`;
  const status = () => cluster.ask("rollout", "status", "statefulset/db", WAIT);
  const starts = () => cluster.ask("exec", "db-1", "--", "cat", "/data/starts");
  await cluster.apply(manifest("first"));
  await status();
  expect(await starts()).toBe("db-1");
  await cluster.apply(manifest("second"));
  await status();
  await cluster.until("the second to speak", ["logs", "db-1"], (text) => text === "second");
  await cluster.ask("rollout", "undo", "statefulset/db");
  await status();
  await cluster.until("the first to speak", ["logs", "db-0"], (text) => text === "first");
  expect(await starts()).toBe("db-1\ndb-1\ndb-1");
  const history = await cluster.ask("rollout", "history", "statefulset/db");
  expect(history).toMatch(/^2 .*\n3 /m);
  const peer = ["exec", "db-0", "--", "nslookup", `db-1.db.${cluster.namespace}.svc.cluster.local`];
  expect(await cluster.ask(...peer)).toMatch(/Address.*10\./);
  await cluster.ask("scale", "statefulset", "db", "--replicas=1");
  const pods = ["get", "pods", "-l", "app=db", "-o", "name"];
  await cluster.until("the last to go", pods, (names) => names === "pod/db-0");
  await cluster.ask("delete", "statefulset/db", "service/db");
  const claims = ["get", "pvc", "-l", "app=db", "-o", "name"];
  await cluster.until("its claims to go", claims, (names) => names === "");
}
