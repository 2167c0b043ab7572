import { createPrivateKey, type X509Certificate } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { requestFor } from "@raft2kube/kubelet/bootstrap/identities.ts";
import { clientAs, signed } from "@raft2kube/kubelet/bootstrap/join.ts";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { kubeadmKubeconfig } from "@raft2kube/pki/kubeconfig.ts";
import type { KubeAccess } from "@raft2kube/pki/read-kubeconfig.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { CodedError, errno, tolerate } from "@raft2kube/std/errors.ts";
import { given } from "@raft2kube/std/given.ts";
import { kubeconfigCertificate } from "../pki/certificates.ts";
import { BOOTSTRAP_KUBECONFIG, KUBELET_CLIENT_PEM, KUBELET_KUBECONFIG } from "./layout.ts";

export type NodeNames = { readonly nodeName: string; readonly nodeAddress: string };

/** A certificate is renewed after a drawn share of its time, as upstream's are. */
const RENEW_SHARE = { from: 0.7, to: 0.9 };
/** The certificate is looked at again after at most this time: the machine's clock may step. */
const LOOK_MS_MAX = 3_600_000;
const RETRY = { first_ms: 2_000, most_ms: 60_000 };
/** How long a person may take to approve a request, as upstream's kubelet waits. */
const PENDING_MS_MAX = 900_000;
export const CERTIFICATE_LOG = logger("kubelet-certificate");

/** Files by which a kubelet is known to the API. */
export interface ClientFiles {
  /** The kubeconfig with a token, that is used where there is no certificate. */
  readonly bootstrap: string;
  /** The kubeconfig that is written, which names `pem`. */
  readonly kubeconfig: string;
  readonly pem: string;
}

export const CLIENT_FILES: ClientFiles = {
  bootstrap: BOOTSTRAP_KUBECONFIG,
  kubeconfig: KUBELET_KUBECONFIG,
  pem: KUBELET_CLIENT_PEM,
};

/** The certificate of a kubeconfig; undefined if it, or a file that it names, is not there. */
const certificateOf = (kubeconfig: string) =>
  tolerate(kubeconfigCertificate(kubeconfig), errno("ENOENT"));

/** Returns whether a kubeconfig's certificate is that of the node's kubelet. */
export async function isOfNode(kubeconfig: string, nodeName: string): Promise<boolean> {
  const cert = await certificateOf(kubeconfig);
  return cert?.subject.split("\n").includes(`CN=system:node:${nodeName}`) ?? false;
}

/** Returns whether there is a client certificate of the kubelet that has not ended. */
export async function hasClient(now_ms: number, kubeconfig = KUBELET_KUBECONFIG): Promise<boolean> {
  const cert = await certificateOf(kubeconfig);
  return cert !== undefined && cert.validToDate.getTime() > now_ms;
}

/**
 * Gets a client certificate for the kubelet: with the token of its bootstrap kubeconfig, or by the
 * certificate that it has. Writes `kubelet-client-current.pem`, then the kubeconfig that names it.
 * The key is kept until then: an attempt after this one finds the same request, with its approval.
 */
export async function obtainClient(
  node: NodeNames,
  clock: Clock,
  files = CLIENT_FILES,
  signal?: AbortSignal,
): Promise<void> {
  const has = await hasClient(clock.now(), files.kubeconfig);
  const as = has ? files.kubeconfig : files.bootstrap;
  if (!has && !existsSync(as)) {
    const what = "the kubelet's client certificate is missing or has ended";
    throw new CodedError("NO_BOOTSTRAP", `${what}, and ${as} to get another is not there`, {
      remedy: "r2k token create --print-join-command, then here r2k reset and that command",
    });
  }
  const request = requestFor("kubelet", node);
  const key = await pendingKey(request.subject.commonName, files);
  await clientAs(as, { clock, userAgent: "kubelet" }, async (client, access) => {
    const waiting = { key, pending_ms: PENDING_MS_MAX, ...given({ signal }) };
    const pair = await signed(client, request, waiting);
    await writeClient(files, "kubernetes", node.nodeName, { ...access, ...pair });
  });
  await rm(pendingPath(files), { force: true });
}

/** The file of a key whose request is not signed yet, by upstream's name. */
const pendingPath = ({ pem }: ClientFiles) => join(dirname(pem), "kubelet-client.key.tmp");

/** The key that `user` already asks with, or a new one. That of the present certificate is used. */
async function pendingKey(user: string, files: ClientFiles): Promise<string> {
  // PEM allows a text before the key.
  const head = `${user}\n`;
  const kept = await readIfPresent(pendingPath(files));
  const current = await certificateOf(files.kubeconfig);
  if (kept?.startsWith(head) && isFresh(kept, current)) return kept.slice(head.length);
  const { createKey } = await import("@raft2kube/pki/certificate.ts");
  const key = await createKey();
  await mkdir(dirname(files.pem), { recursive: true, mode: 0o700 });
  await replaceFile(pendingPath(files), `${head}${key}`, { mode: 0o600 });
  return key;
}

/** Whether a kept text has a key, and not that of the certificate, whose request is answered. */
function isFresh(kept: string, current: X509Certificate | undefined): boolean {
  try {
    const key = createPrivateKey(kept);
    return !current?.checkPrivateKey(key);
  } catch (err) {
    CERTIFICATE_LOG.warn("a key that does not parse is replaced", { err });
    return false;
  }
}

/** Writes the pair of a kubelet's client as the file that is renewed, and a kubeconfig that names it. */
export async function writeClient(
  { kubeconfig, pem }: Omit<ClientFiles, "bootstrap">,
  cluster: string,
  nodeName: string,
  { server, ca, cert = "", key = "" }: KubeAccess,
): Promise<void> {
  await mkdir(dirname(pem), { recursive: true, mode: 0o700 });
  await replaceFile(pem, `${cert}${key}`, { mode: 0o600 });
  const access = { server, ...given({ ca }), certFile: pem, keyFile: pem };
  const text = kubeadmKubeconfig(cluster, `system:node:${nodeName}`, access);
  await replaceFile(kubeconfig, text, { mode: 0o600 });
}

/**
 * Calls `renew` once the kubelet's certificate is due by its own dates, and again with back-off
 * until it has succeeded. That ends the process, as a rule: started again, it has the new one.
 */
export function startRenewal(
  clock: Clock,
  files: ClientFiles,
  renew: (signal: AbortSignal) => Promise<void>,
  drawn = Math.random(),
): Pick<Runner, "close"> {
  const share = RENEW_SHARE.from + drawn * (RENEW_SHARE.to - RENEW_SHARE.from);
  const runner = new Runner({
    clock,
    retry: RETRY,
    async run(signal) {
      const cert = await certificateOf(files.kubeconfig);
      const [from_ms, to_ms] = [+(cert?.validFromDate ?? 0), +(cert?.validToDate ?? 0)];
      const left_ms = from_ms + (to_ms - from_ms) * share - clock.now();
      if (left_ms > 0) return Math.min(left_ms, LOOK_MS_MAX);
      await renew(signal);
      return RETRY.most_ms;
    },
    report: failureLog(CERTIFICATE_LOG, "not renewed"),
  });
  runner.request();
  return runner;
}
