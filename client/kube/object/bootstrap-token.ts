import { randomInt } from "node:crypto";
import type { Secret } from "@raft2kube/api/gen/core/v1.ts";

const LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789";

/** A token in kubeadm's form, `ID.SECRET`. */
export function newToken(): string {
  const letters = (count: number) =>
    Array.from({ length: count }, () => LETTERS[randomInt(LETTERS.length)]).join("");
  return `${letters(6)}.${letters(16)}`;
}

/** The name of the Secret of the token with an id. */
export function tokenName(id: string): { namespace: string; name: string } {
  return { namespace: "kube-system", name: `bootstrap-token-${id}` };
}

export interface TokenSettings {
  /** When the token ends; undefined: never. */
  readonly expires_ms?: number | undefined;
  readonly description?: string | undefined;
  readonly usages: readonly string[];
  readonly groups: readonly string[];
}

/** A token as its Secret has it; texts that are not there are empty. */
export function readToken({ data = {} }: Pick<Secret, "data">) {
  const text = (key: string) => Buffer.from(data[key] ?? "", "base64").toString("utf8");
  const usages = Object.keys(data).flatMap((key) => /^usage-bootstrap-(.+)$/.exec(key)?.[1] ?? []);
  return {
    id: text("token-id"),
    secret: text("token-secret"),
    usages: usages.filter((usage) => text(`usage-bootstrap-${usage}`) === "true").sort(),
    groups: text("auth-extra-groups"),
    expiration: text("expiration"),
    description: text("description"),
  };
}

/** The Secret by which apiserver and controllers know a token. */
export function tokenSecret(
  token: string,
  { expires_ms, description, usages, groups }: TokenSettings,
): Secret {
  const [id = "", secret = ""] = token.split(".");
  const expiration = expires_ms === undefined ? undefined : new Date(expires_ms).toISOString();
  return {
    metadata: tokenName(id),
    type: "bootstrap.kubernetes.io/token",
    stringData: {
      "token-id": id,
      "token-secret": secret,
      ...(expiration === undefined ? {} : { expiration }),
      ...(description === undefined ? {} : { description }),
      ...Object.fromEntries(usages.map((name) => [`usage-bootstrap-${name}`, "true"])),
      ...(groups.length > 0 ? { "auth-extra-groups": groups.join(",") } : {}),
    },
  };
}
