import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import { requestFor } from "@raft2kube/kubelet/bootstrap/identities.ts";
import { signed } from "@raft2kube/kubelet/bootstrap/join.ts";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { kubeadmKubeconfig } from "@raft2kube/pki/kubeconfig.ts";
import { readKubeconfig } from "@raft2kube/pki/read-kubeconfig.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { CodedError, errno, tolerate } from "@raft2kube/std/errors.ts";
import { kubeconfigCertificate } from "../pki/certificates.ts";
import { BOOTSTRAP_KUBECONFIG, KUBELET_CLIENT_PEM, KUBELET_KUBECONFIG } from "./layout.ts";

/** A node as its kubelet's certificate names it. */
export type NodeNames = { readonly nodeName: string; readonly nodeAddress: string };

/** A certificate is renewed when less than this share of its time is left, as upstream's are. */
const RENEW_SHARE = 0.25;

/** How often the certificate is looked at. */
const RENEWAL_MS = 3_600_000;
export const CERTIFICATE_LOG = logger("kubelet-certificate");

/** Files by which a kubelet is known to the API. */
export interface ClientFiles {
  /** The kubeconfig with a token, that is used where there is no certificate. */
  readonly bootstrap: string;
  /** The kubeconfig that is written, which names `pem`. */
  readonly kubeconfig: string;
  readonly pem: string;
}

/** kubeadm's places. */
export const CLIENT_FILES: ClientFiles = {
  bootstrap: BOOTSTRAP_KUBECONFIG,
  kubeconfig: KUBELET_KUBECONFIG,
  pem: KUBELET_CLIENT_PEM,
};

/** The state of a kubelet's client certificate. */
export type ClientState = "missing" | "due" | "valid";

/** The certificate of a kubeconfig; undefined if it, or a file that it names, is not there. */
const certificateOf = (kubeconfig: string) =>
  tolerate(kubeconfigCertificate(kubeconfig), errno("ENOENT"));

/** Returns whether a kubeconfig's certificate is that of the node's kubelet. */
export async function isOfNode(kubeconfig: string, nodeName: string): Promise<boolean> {
  const cert = await certificateOf(kubeconfig);
  return cert?.subject.split("\n").includes(`CN=system:node:${nodeName}`) ?? false;
}

/** Reads the state of the kubelet's client certificate; one that has ended counts as missing. */
export async function clientState(
  now_ms: number,
  { kubeconfig }: Pick<ClientFiles, "kubeconfig"> = CLIENT_FILES,
): Promise<ClientState> {
  const cert = await certificateOf(kubeconfig);
  if (cert === undefined) return "missing";
  const { validFromDate, validToDate } = cert;
  const [from_ms, to_ms] = [validFromDate.getTime(), validToDate.getTime()];
  if (to_ms <= now_ms) return "missing";
  return now_ms > to_ms - (to_ms - from_ms) * RENEW_SHARE ? "due" : "valid";
}

/**
 * Gets a client certificate for the kubelet: with the token of its bootstrap kubeconfig, or by the
 * certificate that it has. Writes `kubelet-client-current.pem`, then the kubeconfig that names it.
 */
export async function obtainClient(
  node: NodeNames,
  clock: Clock,
  files = CLIENT_FILES,
): Promise<void> {
  const state = await clientState(clock.now(), files);
  const as = state === "missing" ? files.bootstrap : files.kubeconfig;
  const { server, ca } = await readKubeconfig(as);
  if (ca === undefined) throw new CodedError("NO_CA", `${as} has no certificate authority`);
  using client = new KubeClient({ ...(await kubeConnection(as)), clock, userAgent: "kubelet" });
  const pair = await signed(client, requestFor("kubelet", node));
  await writeClient(files, "kubernetes", node.nodeName, { server, ca }, pair);
}

/** Writes the pair of a kubelet's client as the file that is renewed, and a kubeconfig that names it. */
export async function writeClient(
  { kubeconfig, pem }: Omit<ClientFiles, "bootstrap">,
  cluster: string,
  nodeName: string,
  access: { readonly server: string; readonly ca?: string },
  { cert = "", key = "" }: { readonly cert?: string; readonly key?: string },
): Promise<void> {
  await mkdir(dirname(pem), { recursive: true, mode: 0o700 });
  await replaceFile(pem, `${cert}${key}`, { mode: 0o600 });
  const named = { ...access, certFile: pem, keyFile: pem };
  const text = kubeadmKubeconfig(cluster, `system:node:${nodeName}`, named);
  await replaceFile(kubeconfig, text, { mode: 0o600 });
}

/**
 * Looks from time to time at the kubelet's certificate, and once it is due calls `renew`, which
 * ends the process: started again, it has the new one.
 */
export function startRenewal(
  clock: Clock,
  files: ClientFiles,
  renew: () => Promise<void>,
  first_ms = RENEWAL_MS,
): { close(): Promise<void> } {
  const look = async () => {
    if ((await clientState(clock.now(), files)) !== "valid") await renew();
  };
  let timer = clock.after(first_ms, function again() {
    look().catch((err: unknown) => CERTIFICATE_LOG.error("not renewed", { err }));
    timer = clock.after(RENEWAL_MS, again);
  });
  return { close: async () => timer.cancel() };
}
