import { readFileSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { nodeUser } from "@raft2kube/api/node-users.ts";
import { renewCertificate } from "@raft2kube/pki/certificate.ts";
import { withClientCertificate } from "@raft2kube/pki/kubeconfig.ts";
import { readKubeconfig } from "@raft2kube/pki/read-kubeconfig.ts";
import { beforeAll, describe, expect, it } from "vitest";
import type { TestCluster } from "./cluster.ts";

let cluster: TestCluster;
let nodes: string[];
let dataDir: string;

const dirOf = (node: string) => (node === "node-2" ? join(dataDir, "nodes", node) : dataDir);
const volumesOf = (node: string) => readdir(join(dirOf(node), "csi/volumes"));

const claim = (name: string, more = "") => `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: ${name} }
spec:
  accessModes: [ReadWriteOnce]
  resources: { requests: { storage: 8Mi } }
  ${more}
---`;

const pod = (name: string, node: string, claimName: string, command: string) => `
apiVersion: v1
kind: Pod
metadata: { name: ${name} }
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  nodeSelector: { kubernetes.io/hostname: ${node} }
  containers:
    - name: main
      image: r2k.local/busybox:1
      command: [sh, -c, ${JSON.stringify(command)}]
      volumeMounts: [{ name: data, mountPath: /data }]
  volumes: [{ name: data, persistentVolumeClaim: { claimName: ${claimName} } }]
---`;

async function succeeded(name: string): Promise<void> {
  const phase = ["get", "pod", name, "-o", "jsonpath={.status.phase}"];
  const ended = await cluster.until(`${name} to end`, phase, (text) => /ed$/.test(text));
  expect(ended, await cluster.ask("describe", "pod", name)).toBe("Succeeded");
}

/** Provisions, fills, expands, clones and deletes volumes of a node. */
async function useVolumes(node: string): Promise<void> {
  await cluster.apply(claim(`c-${node}`) + pod(`w-${node}`, node, `c-${node}`, "echo x > /data/f"));
  await succeeded(`w-${node}`);
  const spec = { resources: { requests: { storage: "16Mi" } } };
  await cluster.ask("patch", "pvc", `c-${node}`, "-p", JSON.stringify({ spec }));
  const size = ["get", "pvc", `c-${node}`, "-o", "jsonpath={.status.capacity.storage}"];
  await cluster.until("the new size", size, (text) => text === "16Mi");
  const source = `dataSource: { kind: PersistentVolumeClaim, name: c-${node} }`;
  const copy = claim(`copy-${node}`, source).replace("8Mi", "16Mi");
  await cluster.apply(copy + pod(`r-${node}`, node, `copy-${node}`, "grep x /data/f"));
  await succeeded(`r-${node}`);
  expect(await volumesOf(node)).toHaveLength(2);
  await cluster.ask("delete", "pod", `w-${node}`, `r-${node}`);
  await cluster.ask("delete", "pvc", `c-${node}`, `copy-${node}`);
  await cluster.until("no volume", ["get", "pv", "-o", "name"], (text) => text === "");
  expect(await volumesOf(node)).toEqual([]);
}

/** kubectl with the kubeconfig of a part of node-2. */
const asNode2 = (part: string, args: readonly string[], input?: string) =>
  cluster.kubectl(args, {
    env: { KUBECONFIG: join(dirOf("node-2"), `${part}.conf`) },
    ...(input === undefined ? {} : { input }),
  });

/** Volumes of each node, by its own provisioner. */
async function madeOnEach(): Promise<void> {
  expect(nodes).toHaveLength(2);
  for (const node of nodes) await useVolumes(node);
  const capacities = [
    "get",
    "csistoragecapacities",
    "-n",
    "kube-system",
    "-o",
    "jsonpath={.items[*].nodeTopology.matchLabels}",
  ];
  const published = await cluster.ask(...capacities);
  for (const node of nodes) expect(published).toContain(`/node":"${node}"`);
}

/** The credentials of a part of node-2 reach neither files nor a Secret of others. */
async function keptFromOthers(): Promise<void> {
  await cluster.apply(claim("victim"));
  await cluster.ask("create", "secret", "generic", "gold", "--from-literal=key=value");
  const uid = await cluster.ask("get", "pvc", "victim", "-o", "jsonpath={.metadata.uid}");
  const secret = { name: "gold", namespace: "default" };
  const csi = { driver: "hostpath.csi.r2k.dev", volumeHandle: "v", nodePublishSecretRef: secret };
  for (const source of [{ hostPath: { path: "/" } }, { csi }]) {
    const volume = {
      apiVersion: "v1",
      kind: "PersistentVolume",
      metadata: { name: `pvc-${uid}` },
      spec: {
        accessModes: ["ReadWriteOnce"],
        capacity: { storage: "8Mi" },
        storageClassName: "standard",
        claimRef: { namespace: "default", name: "victim", uid },
        ...source,
      },
    };
    const create = ["create", "--validate=false", "-f", "-"];
    const made = await asNode2("csi-provisioner", create, JSON.stringify(volume));
    expect(made.stderr).toMatch(/node "node-2" may only write CSI volumes that no other node/);
  }
  for (const part of ["kubelet", "proxy", "dns", "csi-provisioner"]) {
    const read = await asNode2(part, ["get", "secret", "gold"]);
    expect(read.stderr, part).toMatch(/[Ff]orbidden/);
  }
  await cluster.ask("delete", "pvc", "victim");
}

/** A node whose provisioner has the certificate of the user that all nodes once shared. */
async function goOnAfterSharedUser(): Promise<void> {
  const path = join(dirOf("node-2"), "csi-provisioner.conf");
  const pki = (name: string) => readFileSync(join(dataDir, "pki", name), "utf8");
  const { cert = "" } = await readKubeconfig(path);
  const subject = { commonName: "system:r2k:csi-provisioner" };
  const shared = await renewCertificate({ cert: pki("ca.crt"), key: pki("ca.key") }, cert, {
    days: 365,
    now_ms: Date.now(),
    subject,
  });
  writeFileSync(path, withClientCertificate(readFileSync(path, "utf8"), shared));
  const refused = await asNode2("csi-provisioner", ["get", "pv"]);
  expect(refused.stderr).toMatch(/User "system:r2k:csi-provisioner" cannot list/);
  for (const act of ["stop", "start"]) {
    const done = await cluster.host.r2k(["node", act, "node-2", "--name", cluster.name]);
    expect(done.code, done.stderr).toBe(0);
  }
  const who = await asNode2("csi-provisioner", ["auth", "whoami", "-o", "json"]);
  expect(who.stdout).toContain(`"${nodeUser("csi-provisioner", "node-2").name}"`);
  await useVolumes("node-2");
}

/** Tests of the volumes of a running cluster that has a node "node-2" beside its first. */
export function volumesOfNodes(running: () => TestCluster): void {
  describe("volumes of a cluster with several nodes", () => {
    beforeAll(async () => {
      cluster = running();
      dataDir = join(cluster.host.dir, "data", cluster.name);
      const names = await cluster.ask("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}");
      nodes = names.split(" ");
    });

    it("are made, grown, copied and deleted on each, by its own provisioner", madeOnEach);
    it("give the credentials of one neither another's files nor a Secret", keptFromOthers);
    it("go on after a node gave up a user that all nodes shared", goOnAfterSharedUser);
  });
}
