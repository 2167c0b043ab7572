import { randomInt } from "node:crypto";
import type { Secret } from "@raft2kube/api/gen/core/v1.ts";
import { isNotFound } from "@raft2kube/client-kube/errors.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { SECRETS } from "@raft2kube/client-kube/rest/resources.ts";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { kubeconfig } from "@raft2kube/pki/kubeconfig.ts";
import { readKubeconfig } from "@raft2kube/pki/read-kubeconfig.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { clusterFiles, serverFor } from "../pki/identities.ts";
import { readIfPresent } from "../pki/key-pair.ts";
import { bootstrapPath, dueIdentities } from "../pki/node-identities.ts";

/** How long a node may take to join. */
const TOKEN_LIFE_MS = 600_000;
const NAMESPACE = "kube-system";
/**
 * The token's group. It may ask for a kubelet's certificate (`cli/addons/05-join.yaml`); no
 * controller approves that, but `approveRequests` for the node's own name.
 */
const GROUP = "system:bootstrappers:r2k";
const LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789";

/** A token in kubeadm's form; it works until it is revoked or ten minutes have passed. */
export interface BootstrapToken {
  /** The user that it authenticates. */
  readonly user: string;
  revoke(): Promise<void>;
}

/**
 * Gives a node that cannot show who it is, or whose certificates another CA issued, a token to join
 * with, in its folder: good for its name alone. Returns undefined for a node that has joined.
 */
export async function ensureBootstrapToken(
  cluster: ClusterConfig,
  node: ClusterConfig,
  client: KubeClient,
): Promise<BootstrapToken | undefined> {
  const now_ms = client.clock.now();
  const ca = (await readIfPresent(clusterFiles(cluster).pair("ca").cert)) ?? "";
  const kubelet = (await dueIdentities(node, now_ms)).find((due) => due.identity === "kubelet");
  if (kubelet?.valid !== false && (await caOf(node)) === ca) return undefined;
  const [id, secret] = [letters(6), letters(16)];
  const secrets = client.resource<Secret>(SECRETS);
  const name = { namespace: NAMESPACE, name: `bootstrap-token-${id}` };
  await secrets.create({
    metadata: name,
    type: "bootstrap.kubernetes.io/token",
    stringData: {
      "token-id": id,
      "token-secret": secret,
      "usage-bootstrap-authentication": "true",
      "auth-extra-groups": GROUP,
      expiration: new Date(now_ms + TOKEN_LIFE_MS).toISOString(),
      description: `r2k: the node ${node.nodeName} joins with it`,
    },
  });
  const access = { server: serverFor("kubelet", cluster), ca, token: `${id}.${secret}` };
  await replaceFile(bootstrapPath(node), kubeconfig(cluster.name, access), { mode: 0o600 });
  return {
    user: `system:bootstrap:${id}`,
    async revoke() {
      try {
        await secrets.delete(name);
      } catch (thrown) {
        if (!isNotFound(thrown)) throw thrown;
      }
    },
  };
}

/** The CA in the kubelet's kubeconfig. */
async function caOf(node: ClusterConfig): Promise<string | undefined> {
  const path = clusterFiles(node).kubeconfig("kubelet");
  return (await readIfPresent(path)) === undefined ? undefined : (await readKubeconfig(path)).ca;
}

function letters(count: number): string {
  return Array.from({ length: count }, () => LETTERS[randomInt(LETTERS.length)]).join("");
}
