import { join } from "node:path";
import { NODE_PARTS, type NodePart, nodeUser } from "@raft2kube/api/node-users.ts";
import { applyFolder } from "@raft2kube/cli/apply/add-ons.ts";
import { ADDONS_DIR, NFS_ADDONS_DIR, NODE_ADDONS_DIR } from "@raft2kube/cli/assets.ts";
import { type ClusterConfig, planCluster } from "@raft2kube/cli/spec/config.ts";
import { planJoiningNode } from "@raft2kube/cli/spec/nodes.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { KeyPair } from "@raft2kube/pki/certificate.ts";
import { beforeAll, expect } from "vitest";
import { type Answer, type AskOptions, ask } from "../../../testing/apiserver/ask.ts";
import { fileApiserver } from "../../../testing/apiserver/file-apiserver.ts";

export const HOSTPATH = "hostpath.csi.r2k.dev";
export const NFS = "nfs.csi.r2k.dev";
export const NODES = ["n1", "n2"] as const;
export type NodeName = (typeof NODES)[number];

const DRIVERS = [
  { name: HOSTPATH, topologyKeys: [`topology.${HOSTPATH}/node`] },
  { name: NFS, topologyKeys: null },
];

/** The user of a node's part, `n2/csi-provisioner`, or an administrator. */
export type As = `${NodeName}/${NodePart}` | "admin";

/** Applies the manifests that every cluster gets; returns its configuration. */
export async function applyAddons(client: KubeClient, dir: string): Promise<ClusterConfig> {
  const roots = { data: join(dir, "data"), run: join(dir, "run") };
  const cluster = await planCluster("one", roots, {}, []);
  await applyFolder(client, ADDONS_DIR, cluster);
  return cluster;
}

/**
 * An API server with the manifests that a cluster gets, and nodes n1, which serves NFS, and n2; for
 * all tests of the file that calls this.
 */
export function clusterApiserver() {
  const server = fileApiserver();
  const pairs = new Map<As, KeyPair>();
  const send = (as: As, path: string, options: AskOptions = {}): Promise<Answer> =>
    ask(server.api, path, { ...(pairs.get(as) ?? server.admin), ...options });
  const make = async (path: string, body: object): Promise<{ metadata: { uid: string } }> => {
    const answer = await send("admin", path, { method: "POST", body });
    expect(answer.status, answer.body).toBe(201);
    return JSON.parse(answer.body) as { metadata: { uid: string } };
  };
  beforeAll(async () => {
    for (const node of NODES) {
      for (const part of NODE_PARTS) {
        const { name, group } = nodeUser(part, node);
        pairs.set(`${node}/${part}`, await server.api.credentials(name, [group]));
      }
    }
    const { cert, key } = server.admin;
    const client = new KubeClient({ server: server.api.server, ca: server.api.ca.cert, cert, key });
    const cluster = await applyAddons(client, server.api.dir);
    await applyFolder(client, NODE_ADDONS_DIR, planJoiningNode(cluster, "n2", []));
    await applyFolder(client, NFS_ADDONS_DIR, { ...cluster, nodeName: "n1" });
    client.close();
    for (const name of NODES) {
      await make("/api/v1/nodes", { metadata: { name } });
      const drivers = DRIVERS.map((driver) => ({ ...driver, nodeID: name }));
      await make("/apis/storage.k8s.io/v1/csinodes", { metadata: { name }, spec: { drivers } });
    }
    await make("/api/v1/namespaces/default/serviceaccounts", { metadata: { name: "default" } });
  });
  return { server, send, make };
}
