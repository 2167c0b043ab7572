import { createHash, X509Certificate } from "node:crypto";
import { parseDuration } from "@raft2kube/api/duration.ts";
import type { BootstrapToken } from "@raft2kube/api/gen/bootstraptoken/v1.ts";
import type { Secret } from "@raft2kube/api/gen/core/v1.ts";
import {
  readToken,
  tokenSecret as secretOf,
  tokenName,
} from "@raft2kube/client-kube/object/bootstrap-token.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { SECRETS } from "@raft2kube/client-kube/rest/resources.ts";
import { CommandError } from "../terminal.ts";

const GROUP = "system:bootstrappers:kubeadm:default-node-token";
const USAGES = ["authentication", "signing"];
export const TOKEN_TTL = "24h0m0s";
const TOKEN = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;

/** The halves of a token. Throws CommandError `TOKEN` if it is none. */
export function parseToken(text: string): { id: string; secret: string } {
  const [, id, secret] = TOKEN.exec(text) ?? [];
  if (id !== undefined && secret !== undefined) return { id, secret };
  const form = "abcdef.0123456789abcdef";
  const remedy = "r2k token create --print-join-command";
  throw new CommandError("TOKEN", `the bootstrap token is not of the form ${form}`, { remedy });
}

/** The hash of one CA's public key, as `--discovery-token-ca-cert-hash` takes it (RFC 7469). */
export function caHash(cert: string | Buffer): string {
  const key = new X509Certificate(cert).publicKey.export({ type: "spki", format: "der" });
  return `sha256:${createHash("sha256").update(key).digest("hex")}`;
}

type NewToken = Readonly<BootstrapToken>;

export async function createToken(client: KubeClient, token: NewToken): Promise<void> {
  await client.resource(SECRETS).create(tokenSecret(token, client.clock.now()));
}

/** The Secret of a token; by default one for joining. A ttl of 0 has no end. */
export function tokenSecret(
  { token, ttl = TOKEN_TTL, expires, description, usages = USAGES, groups = [GROUP] }: NewToken,
  now_ms: number,
): Secret {
  parseToken(token);
  const ttl_ns = parseDuration(ttl === "0" ? "0s" : ttl);
  if (ttl_ns === undefined) throw new CommandError("FLAG", `--ttl: not a duration: ${ttl}`);
  const end_ms = ttl_ns === 0n ? undefined : now_ms + Number(ttl_ns / 1_000_000n);
  const expires_ms = expires === undefined ? end_ms : Date.parse(expires);
  return secretOf(token, { expires_ms, description, usages, groups });
}

/** The tokens of a cluster, as kubeadm lists them, those included that wait for their deletion. */
export async function listTokens(client: KubeClient) {
  const { items } = await client.resource(SECRETS).listAll({ namespace: "kube-system" });
  const tokens = items.filter(({ type }) => type === "bootstrap.kubernetes.io/token");
  return tokens.map((each) => {
    const { id, secret, usages, expiration, groups, description } = readToken(each);
    const expires = expiration || "<never>";
    return { token: `${id}.${secret}`, expires, usages: usages.join(","), description, groups };
  });
}

/** Deletes a token by its id, or by itself. */
export async function deleteToken(client: KubeClient, given: string): Promise<string> {
  const id = /^[a-z0-9]{6}$/.test(given) ? given : parseToken(given).id;
  await client.resource(SECRETS).delete(tokenName(id));
  return id;
}
