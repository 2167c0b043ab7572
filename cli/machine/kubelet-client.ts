import { X509Certificate } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import { requestFor } from "@raft2kube/kubelet/bootstrap/identities.ts";
import { signed } from "@raft2kube/kubelet/bootstrap/join.ts";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import { kubeadmKubeconfig } from "@raft2kube/pki/kubeconfig.ts";
import { readKubeconfig } from "@raft2kube/pki/read-kubeconfig.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { CodedError, codeOf } from "@raft2kube/std/errors.ts";
import { BOOTSTRAP_KUBECONFIG, KUBELET_CLIENT_PEM, KUBELET_KUBECONFIG } from "./layout.ts";

/** A certificate is renewed when less than this share of its time is left, as upstream's are. */
const RENEW_SHARE = 0.25;

/** Files by which a kubelet is known to the API. */
export interface ClientFiles {
  /** The kubeconfig with a token, that is used where there is no certificate. */
  readonly bootstrap: string;
  /** The kubeconfig that is written, which names `pem`. */
  readonly kubeconfig: string;
  readonly pem: string;
}

/** kubeadm's places. */
const CLIENT_FILES: ClientFiles = {
  bootstrap: BOOTSTRAP_KUBECONFIG,
  kubeconfig: KUBELET_KUBECONFIG,
  pem: KUBELET_CLIENT_PEM,
};

/** The state of a kubelet's client certificate. */
export type ClientState = "missing" | "due" | "valid";

/** The certificate of a kubeconfig; undefined if it, or a file that it names, is not there. */
async function certificateOf(kubeconfig: string): Promise<string | undefined> {
  if ((await readIfPresent(kubeconfig)) === undefined) return undefined;
  try {
    return (await readKubeconfig(kubeconfig)).cert;
  } catch (thrown) {
    if (codeOf(thrown) === "ENOENT") return undefined;
    throw thrown;
  }
}

/** Returns whether a kubeconfig's certificate is that of the node's kubelet. */
export async function isOfNode(kubeconfig: string, nodeName: string): Promise<boolean> {
  const cert = await certificateOf(kubeconfig);
  if (cert === undefined) return false;
  return new X509Certificate(cert).subject.split("\n").includes(`CN=system:node:${nodeName}`);
}

/** Reads the state of the kubelet's client certificate; one that has ended counts as missing. */
export async function clientState(
  now_ms: number,
  { kubeconfig }: Pick<ClientFiles, "kubeconfig"> = CLIENT_FILES,
): Promise<ClientState> {
  const cert = await certificateOf(kubeconfig);
  if (cert === undefined) return "missing";
  const { validFromDate, validToDate } = new X509Certificate(cert);
  const [from_ms, to_ms] = [validFromDate.getTime(), validToDate.getTime()];
  if (to_ms <= now_ms) return "missing";
  return now_ms > to_ms - (to_ms - from_ms) * RENEW_SHARE ? "due" : "valid";
}

/**
 * Gets a client certificate for the kubelet: with the token of its bootstrap kubeconfig, or by the
 * certificate that it has. Writes `kubelet-client-current.pem`, then the kubeconfig that names it.
 */
export async function obtainClient(
  node: { readonly nodeName: string; readonly nodeAddress: string },
  clock: Clock,
  files = CLIENT_FILES,
): Promise<void> {
  const { kubeconfig, pem } = files;
  const state = await clientState(clock.now(), files);
  const as = state === "missing" ? files.bootstrap : kubeconfig;
  const { server, ca } = await readKubeconfig(as);
  if (ca === undefined) throw new CodedError("NO_CA", `${as} has no certificate authority`);
  const client = new KubeClient({ ...(await kubeConnection(as)), clock, userAgent: "kubelet" });
  try {
    const { cert, key } = await signed(client, requestFor("kubelet", node));
    await mkdir(dirname(pem), { recursive: true, mode: 0o700 });
    await replaceFile(pem, `${cert}${key}`, { mode: 0o600 });
    const text = kubeadmKubeconfig("kubernetes", `system:node:${node.nodeName}`, {
      server,
      ca,
      certFile: pem,
      keyFile: pem,
    });
    await replaceFile(kubeconfig, text, { mode: 0o600 });
  } finally {
    client.close();
  }
}
