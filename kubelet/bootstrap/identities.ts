import { createPrivateKey, X509Certificate } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { KeyUsage } from "@raft2kube/api/gen/certificates/v1.ts";
import { NODE_PARTS, type NodePart, type NodeUser, nodeUser } from "@raft2kube/api/node-users.ts";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import type { CertificateRequest } from "@raft2kube/pki/certificate.ts";
import { readKubeconfig } from "@raft2kube/pki/read-kubeconfig.ts";
import { subjectOf } from "@raft2kube/pki/subject.ts";
import { MS_PER_DAY } from "@raft2kube/std/clock.ts";

/** A certificate that ends before this many days have passed is replaced. */
export const RENEW_DAYS = 90;

/** A node's names, and where it keeps its identities. */
export interface NodeFiles {
  readonly clusterName: string;
  readonly nodeName: string;
  readonly nodeAddress: string;
  /** The kubeconfig with the token by which a node joins; it goes when the node has joined. */
  readonly bootstrap: string;
  /** The path of a kubeconfig by its user. */
  kubeconfig(part: NodePart): string;
  /** The CA's certificate, and the certificate and key that the kubelet serves with. */
  pair(name: "ca" | "kubelet"): { readonly cert: string; readonly key: string };
}

/** An identity of a node: a user with a kubeconfig, or what the kubelet serves with. */
export type NodeIdentity = NodePart | "kubelet-serving";

export const NODE_IDENTITIES: readonly NodeIdentity[] = [...NODE_PARTS, "kubelet-serving"];

/** The request by which a node asks for an identity. */
export interface IdentityRequest {
  readonly signerName: string;
  readonly usages: KeyUsage[];
  readonly subject: Omit<CertificateRequest, "days">;
}

/** Returns the request for an identity; no other subject is approved for it. */
export function requestFor(
  identity: NodeIdentity,
  { nodeName, nodeAddress }: Pick<NodeFiles, "nodeName" | "nodeAddress">,
): IdentityRequest {
  const { name: commonName, group } = userOf(identity, nodeName);
  const organizations = [group];
  if (identity === "kubelet-serving") {
    const names = { dnsNames: [nodeName], ipAddresses: [nodeAddress] };
    return {
      signerName: "kubernetes.io/kubelet-serving",
      usages: ["digital signature", "server auth"],
      subject: { commonName, organizations, ...names, usages: ["server"] },
    };
  }
  const kind = identity === "kubelet" ? "-kubelet" : "";
  return {
    signerName: `kubernetes.io/kube-apiserver-client${kind}`,
    usages: ["digital signature", "client auth"],
    subject: { commonName, organizations, usages: ["client"] },
  };
}

function userOf(identity: NodeIdentity, nodeName: string): NodeUser {
  return nodeUser(identity === "kubelet-serving" ? "kubelet" : identity, nodeName);
}

/**
 * Returns the user of a node's part if `cert` is of another: clusters of earlier versions have
 * users that all nodes share.
 */
export function otherUser(
  cert: X509Certificate,
  part: NodePart,
  { nodeName }: Pick<NodeFiles, "nodeName">,
): NodeUser | undefined {
  const wanted = nodeUser(part, nodeName);
  const subject = { commonNames: [wanted.name], organizations: [wanted.group] };
  return isDeepStrictEqual(subjectOf(cert), subject) ? undefined : wanted;
}

export interface DueIdentity {
  readonly identity: NodeIdentity;
  /** Whether it can still be used. */
  readonly valid: boolean;
}

/**
 * The identities that a node that joins has to ask for: all when it has a bootstrap token, else
 * those that end soon, where another would end later: none outlives the CA.
 */
export async function dueIdentities(files: NodeFiles, now_ms: number): Promise<DueIdentity[]> {
  const joins = (await readIfPresent(files.bootstrap)) !== undefined;
  const ca = await readIfPresent(files.pair("ca").cert);
  const caEnd_ms = ca === undefined ? Infinity : new X509Certificate(ca).validToDate.getTime();
  const soon_ms = Math.min(now_ms + RENEW_DAYS * MS_PER_DAY, caEnd_ms);
  const ends = await Promise.all(
    NODE_IDENTITIES.map(async (identity) => {
      const end = identity === "kubelet-serving" ? endOfServing(files) : endOfUser(files, identity);
      return [identity, await end] as const;
    }),
  );
  return ends
    .filter(([, end_ms]) => joins || end_ms < soon_ms)
    .map(([identity, end_ms]) => ({ identity, valid: !joins && end_ms > now_ms }));
}

/** When the user's certificate ends; 0 when there is none, or it is another user's. */
async function endOfUser(files: NodeFiles, user: NodePart): Promise<number> {
  const path = files.kubeconfig(user);
  if ((await readIfPresent(path)) === undefined) return 0;
  const { cert } = await readKubeconfig(path);
  if (cert === undefined) return 0;
  const parsed = new X509Certificate(cert);
  return otherUser(parsed, user, files) ? 0 : parsed.validToDate.getTime();
}

/** 0 also when the halves do not belong together: they are written one after the other. */
async function endOfServing(files: NodeFiles): Promise<number> {
  const paths = files.pair("kubelet");
  const [text, key] = [await readIfPresent(paths.cert), await readIfPresent(paths.key)];
  if (text === undefined || key === undefined) return 0;
  const cert = new X509Certificate(text);
  return cert.checkPrivateKey(createPrivateKey(key)) ? cert.validToDate.getTime() : 0;
}
