import { X509Certificate, createPrivateKey } from "node:crypto";
import { join } from "node:path";
import { NODE_PARTS, type NodePart } from "@raft2kube/api/node-users.ts";
import { readKubeconfig } from "@raft2kube/pki/read-kubeconfig.ts";
import { MS_PER_DAY } from "@raft2kube/std/clock.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { clusterFiles, otherUser } from "./identities.ts";
import { readIfPresent } from "./key-pair.ts";

/** A node asks for a new certificate when the one it has ends before this many days have passed. */
const RENEW_DAYS = 90;

/** An identity of a node: a user with a kubeconfig, or what the kubelet serves with. */
export type NodeIdentity = NodePart | "kubelet-serving";

export interface DueIdentity {
  readonly identity: NodeIdentity;
  /** Whether it can still be used. */
  readonly valid: boolean;
}

/** The kubeconfig with the token by which a node joins; it goes when the node has joined. */
export function bootstrapPath({ dataDir }: Pick<ClusterConfig, "dataDir">): string {
  return join(dataDir, "bootstrap.conf");
}

/** The identities that a node that joins has to ask for: all when it has a bootstrap token. */
export async function dueIdentities(config: ClusterConfig, now_ms: number): Promise<DueIdentity[]> {
  const joins = (await readIfPresent(bootstrapPath(config))) !== undefined;
  const ends = new Map<NodeIdentity, number>();
  for (const user of NODE_PARTS) ends.set(user, await endOfUser(config, user));
  ends.set("kubelet-serving", await endOfServing(config));
  return [...ends]
    .filter(([, end_ms]) => joins || end_ms < now_ms + RENEW_DAYS * MS_PER_DAY)
    .map(([identity, end_ms]) => ({ identity, valid: !joins && end_ms > now_ms }));
}

/** When the user's certificate ends; 0 when there is none, or it is another user's. */
async function endOfUser(config: ClusterConfig, user: NodePart) {
  const path = clusterFiles(config).kubeconfig(user);
  if ((await readIfPresent(path)) === undefined) return 0;
  const { cert } = await readKubeconfig(path);
  if (cert === undefined) return 0;
  const parsed = new X509Certificate(cert);
  return otherUser(parsed, user, config) ? 0 : parsed.validToDate.getTime();
}

/** 0 also when the halves do not belong together: they are written one after the other. */
async function endOfServing(config: ClusterConfig): Promise<number> {
  const paths = clusterFiles(config).pair("kubelet");
  const [text, key] = [await readIfPresent(paths.cert), await readIfPresent(paths.key)];
  if (text === undefined || key === undefined) return 0;
  const cert = new X509Certificate(text);
  return cert.checkPrivateKey(createPrivateKey(key)) ? cert.validToDate.getTime() : 0;
}
