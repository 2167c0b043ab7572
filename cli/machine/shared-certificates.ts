import * as crypto from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import { newToken, tokenName } from "@raft2kube/client-kube/object/bootstrap-token.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { SECRETS } from "@raft2kube/client-kube/rest/resources.ts";
import { aesgcm } from "@raft2kube/encryption/ciphers.ts";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import { CodedError, messageOf } from "@raft2kube/std/errors.ts";
import { given } from "@raft2kube/std/given.ts";
import { CommandError } from "../terminal.ts";
import { otherCluster } from "./certificates.ts";
import type { ClusterSection } from "./config/kubeadm.ts";
import { createToken, parseToken } from "./tokens.ts";

/** The Secret by which control planes that join get what all of them share, as kubeadm's. */
const PLACE = { namespace: "kube-system", name: "kubeadm-certs" };
const SHARED = ["ca.crt", "ca.key", "sa.pub", "sa.key", "front-proxy-ca.crt", "front-proxy-ca.key"];
const OF_ETCD = ["etcd/ca.crt", "etcd/ca.key"];
const TTL = "2h0m0s";
const RENEW = "on a control plane machine: r2k init phase upload-certs --upload-certs";

export const newCertificateKey = (): string => crypto.randomBytes(32).toString("hex");

function keyOf(text: string): Buffer {
  if (/^[0-9a-f]{64}$/.test(text)) return Buffer.from(text, "hex");
  throw new CommandError("FLAG", "the certificate key is not of 32 bytes in hexadecimal", {
    remedy: "take the one that init phase upload-certs --upload-certs printed",
  });
}

function unusable(what: string, cause: unknown, remedy = RENEW): CommandError {
  const text = `${what}: ${messageOf(cause)}`;
  return new CommandError("CERTIFICATE_KEY", text, { remedy, cause });
}

/** Encrypts as kubeadm does: AES-256-GCM, the nonce first, the tag last. */
export const encryptFile = (plain: Buffer, certificateKey: string): Buffer =>
  aesgcm.encrypt(keyOf(certificateKey), plain, "");

/** Throws CommandError `CERTIFICATE_KEY` for another key, or bytes that were changed. */
export function decryptFile(bytes: Buffer, certificateKey: string): Buffer {
  const key = keyOf(certificateKey);
  try {
    return aesgcm.decrypt(key, bytes, "");
  } catch (cause) {
    throw unusable("the certificate key does not fit", cause);
  }
}

/** The shared files' paths by their fields in the Secret, which are kubeadm's. */
function sharedOf({ certificatesDir, etcd: { external } }: ClusterSection): Map<string, string> {
  const files = external ? SHARED : [...SHARED, ...OF_ETCD];
  const ofExternal = given({
    "external-etcd-ca.crt": external?.caFile,
    "external-etcd.crt": external?.certFile,
    "external-etcd.key": external?.keyFile,
  });
  const own = files.map((file) => [file.replace("/", "-"), join(certificatesDir, file)] as const);
  return new Map([...own, ...Object.entries<string>(ofExternal)]);
}

/** Stores the shared files, encrypted. They go after two hours, with a token of no other use. */
export async function uploadCertificates(client: KubeClient, cluster: ClusterSection, key: string) {
  const data: Record<string, string> = {};
  for (const [field, path] of sharedOf(cluster)) {
    const plain = await readIfPresent(path);
    if (plain === undefined) {
      const remedy = "copy an external CA's files yourself, and join without --certificate-key";
      throw new CommandError("EXTERNAL_CA", `${path} is not here`, { remedy });
    }
    data[field] = encryptFile(Buffer.from(plain), key).toString("base64");
  }
  const description = "Proxy for managing TTL for the kubeadm-certs secret";
  const token = newToken();
  await createToken(client, { token, ttl: TTL, description, usages: [], groups: [] });
  const secrets = client.resource(SECRETS);
  const owner = tokenName(parseToken(token).id);
  const { uid = "" } = (await secrets.get(owner)).metadata;
  await undefinedIfNotFound(secrets.delete(PLACE));
  const ownerReferences = [{ apiVersion: "v1", kind: "Secret", name: owner.name, uid }];
  await secrets.create({ metadata: { ...PLACE, ownerReferences }, type: "Opaque", data });
}

/**
 * Writes the shared files that are not here. Throws CommandError `CERTIFICATE_KEY`, and
 * `OTHER_CLUSTER` where a file is here with another content; nothing is then written.
 */
export async function downloadCertificates(
  client: KubeClient,
  cluster: ClusterSection,
  key: string,
): Promise<void> {
  const secret = client.resource(SECRETS).get(PLACE);
  const { data = {} } = await secret.catch((cause: unknown) => {
    const remedy = `it is deleted two hours after it was made; ${RENEW}`;
    throw unusable("the Secret kubeadm-certs", cause, remedy);
  });
  const paths = [...sharedOf(cluster)];
  const decrypted = (field: string) => decryptFile(Buffer.from(data[field] ?? "", "base64"), key);
  const texts = new Map(paths.map(([field]) => [field, decrypted(field)]));
  requirePairs(texts);
  const missing: typeof paths = [];
  for (const [field, path] of paths) {
    const own = await readIfPresent(path);
    if (own === undefined) missing.push([field, path]);
    else if (own !== String(texts.get(field))) throw otherCluster(`${path} is another cluster's`);
  }
  for (const [field, path] of missing) {
    await replaceFile(path, texts.get(field)!, { mode: path.endsWith(".key") ? 0o600 : 0o644 });
  }
}

/**
 * Throws CommandError `CERTIFICATE_KEY` when certificates and keys do not belong together: nothing
 * binds a field of the Secret to its name.
 */
export function requirePairs(files: ReadonlyMap<string, Buffer>): void {
  const keys = [...files.keys()].filter((field) => field.endsWith(".key"));
  for (const file of keys.map((field) => field.slice(0, -".key".length))) {
    try {
      const key = crypto.createPrivateKey(files.get(`${file}.key`)!);
      const isPair =
        file === "sa"
          ? crypto.createPublicKey(files.get("sa.pub") ?? "").equals(crypto.createPublicKey(key))
          : new crypto.X509Certificate(files.get(`${file}.crt`) ?? "").checkPrivateKey(key);
      if (!isPair) throw new CodedError("PAIR", "are of different keys");
    } catch (thrown) {
      throw unusable(`the Secret kubeadm-certs: ${file}`, thrown);
    }
  }
}

/** Throws CommandError `CERTIFICATES` naming the shared files that are not on this machine. */
export function requireShared(cluster: ClusterSection): void {
  const missing = [...sharedOf(cluster).values()].filter((path) => !existsSync(path));
  if (missing.length === 0) return;
  const remedy = "give --certificate-key, or copy them from a control plane machine";
  throw new CommandError("CERTIFICATES", `not on this machine: ${missing.join(", ")}`, { remedy });
}
