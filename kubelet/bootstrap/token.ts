import { undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import { newToken, tokenName, tokenSecret } from "@raft2kube/client-kube/object/bootstrap-token.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { SECRETS } from "@raft2kube/client-kube/rest/resources.ts";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import { kubeconfig } from "@raft2kube/pki/kubeconfig.ts";
import { readKubeconfig } from "@raft2kube/pki/read-kubeconfig.ts";
import { dueIdentities, type NodeFiles } from "./identities.ts";

/** How long a node may take to join. */
const TOKEN_LIFE_MS = 600_000;
/**
 * The token's group. It may ask for a kubelet's certificate (`cli/addons/05-join.yaml`); no
 * controller approves that, but `approveRequests` for the node's own name.
 */
const GROUP = "system:bootstrappers:r2k";

/** A token in kubeadm's form; it works until it is revoked or ten minutes have passed. */
export interface BootstrapToken {
  /** The user that it authenticates. */
  readonly user: string;
  revoke(): Promise<void>;
}

/**
 * Gives a node that cannot show its identity, or whose certificates another CA issued, a token to
 * join with, in its folder: good for its name alone. Returns undefined for a node that has joined.
 */
export async function ensureBootstrapToken(
  client: KubeClient,
  node: NodeFiles,
  api: { readonly server: string; readonly ca: string },
): Promise<BootstrapToken | undefined> {
  const now_ms = client.clock.now();
  const kubelet = (await dueIdentities(node, now_ms)).find((due) => due.identity === "kubelet");
  if (kubelet?.valid !== false && (await caOf(node)) === api.ca) return undefined;
  const token = newToken();
  const [id = ""] = token.split(".");
  const secrets = client.resource(SECRETS);
  await secrets.create(
    tokenSecret(token, {
      usages: ["authentication"],
      groups: [GROUP],
      expires_ms: now_ms + TOKEN_LIFE_MS,
      description: `r2k: the node ${node.nodeName} joins with it`,
    }),
  );
  const text = kubeconfig(node.clusterName, { ...api, token });
  await replaceFile(node.bootstrap, text, { mode: 0o600 });
  return {
    user: `system:bootstrap:${id}`,
    async revoke() {
      await undefinedIfNotFound(secrets.delete(tokenName(id)));
    },
  };
}

/** The CA in the kubelet's kubeconfig. */
async function caOf(node: NodeFiles): Promise<string | undefined> {
  const path = node.kubeconfig("kubelet");
  return (await readIfPresent(path)) === undefined ? undefined : (await readKubeconfig(path)).ca;
}
