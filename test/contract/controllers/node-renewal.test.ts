import { X509Certificate } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { NODE_PARTS, nodeUser } from "@raft2kube/api/node-users.ts";
import { clusterFiles, nodeFiles } from "@raft2kube/cli/pki/identities.ts";
import { startNodeApprovals } from "@raft2kube/cli/process/node-approvals.ts";
import { type ClusterConfig, planCluster, writeCluster } from "@raft2kube/cli/spec/config.ts";
import { planJoiningNode } from "@raft2kube/cli/spec/nodes.ts";
import { CLUSTER_ROLE_BINDINGS } from "@raft2kube/client-kube/rest/resources.ts";
import { dueIdentities, requestFor } from "@raft2kube/kubelet/bootstrap/identities.ts";
import { joinCluster } from "@raft2kube/kubelet/bootstrap/join.ts";
import { issueCertificate } from "@raft2kube/pki/certificate.ts";
import { kubeconfig } from "@raft2kube/pki/kubeconfig.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { given } from "@raft2kube/std/given.ts";
import { expect, onTestFinished, test } from "vitest";
import { testFolder } from "../../../testing/folders.ts";
import { fileControlPlane } from "./file-control-plane.ts";

const plane = fileControlPlane([]);
const LOOK_EVERY_MS = 500;
const SELF = "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient";

/** Writes a kubeconfig of a user whose certificate has a day left of the two that the CA has. */
async function writeUser(path: string, name: string, group: string): Promise<void> {
  const { server, ca, cert, key } = await plane.connection(name, [group]);
  await writeFile(path, kubeconfig("renewal", { server, ...given({ ca, cert, key }) }, "json"));
}

/** A cluster's folder with a node that joined a year ago, behind one whose files are damaged. */
async function oldNode(): Promise<{ cluster: ClusterConfig; node: ClusterConfig }> {
  const dir = testFolder("r2k-renewal-");
  const folders = { data: join(dir, "data"), run: join(dir, "run") };
  const cluster = await planCluster("renewal", folders, {}, []);
  const node = planJoiningNode(cluster, "second", []);
  const files = clusterFiles(node);
  for (const place of [cluster, node]) await mkdir(clusterFiles(place).pkiDir, { recursive: true });
  await writeCluster(node);
  await writeUser(clusterFiles(cluster).kubeconfig("admin"), "admin", "system:masters");
  for (const part of NODE_PARTS) {
    const { name, group } = nodeUser(part, "second");
    await writeUser(files.kubeconfig(part), name, group);
  }
  const { subject } = requestFor("kubelet-serving", node);
  const served = await issueCertificate(plane.ca, { ...subject, days: 1 }, Date.now());
  await writeFile(files.pair("kubelet").cert, served.cert);
  await writeFile(files.pair("kubelet").key, served.key);
  await writeFile(files.pair("ca").cert, plane.ca.cert);
  const damaged = planJoiningNode(cluster, "first", []);
  await mkdir(clusterFiles(damaged).pkiDir, { recursive: true });
  await writeCluster(damaged);
  await writeFile(clusterFiles(damaged).kubeconfig("kubelet"), "}");
  return { cluster, node };
}

test("a node that joined renews all its certificates while it and its cluster run", async () => {
  await plane.admin
    .resource(CLUSTER_ROLE_BINDINGS)
    .create({
      metadata: { name: "nodes-renew" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: SELF },
      subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "Group", name: "system:nodes" }],
    });
  const { cluster, node } = await oldNode();
  const due = async () => {
    return (await dueIdentities(nodeFiles(node), Date.now())).map(({ identity }) => identity);
  };
  expect(await due()).toEqual([...NODE_PARTS, "kubelet-serving"]);
  const clock = new ManualClock(Date.now());
  const approvals = startNodeApprovals(cluster, clock);
  // The clock also ends the requests of a look that is under way: it leaves each look its time.
  const looks = setInterval(() => clock.advance(60_000), LOOK_EVERY_MS);
  onTestFinished(() => {
    clearInterval(looks);
    approvals.close();
  });
  await joinCluster(nodeFiles(node), plane.clock);
  expect(await due(), "none outlives the CA").toEqual([]);
  const cert = new X509Certificate(await readFile(clusterFiles(node).pair("kubelet").cert));
  expect(cert.subjectAltName).toBe(`DNS:second, IP Address:${node.nodeAddress}`);
});
