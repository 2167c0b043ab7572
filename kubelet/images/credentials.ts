import { createHash } from "node:crypto";
import type { Pod, Secret } from "@raft2kube/api/gen/core/v1.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import type { AuthConfig } from "@raft2kube/proto/gen/cri.ts";
import { jsonOrNothing } from "@raft2kube/std/json-or-nothing.ts";
import { isRecord } from "@raft2kube/std/record.ts";
import { PULL_SECRETS_CHARACTERS_MAX, PULL_SECRETS_MAX } from "../limits.ts";

/** A pull secret's credential for an image. */
export interface PullCredential {
  auth: Init<AuthConfig>;
  secret: { uid: string; namespace: string; name: string };
  /** Hash that identifies the credential without storing it. */
  hash: string;
}

interface DockerAuth {
  username: string | undefined;
  password: string | undefined;
  auth: string | undefined;
  identitytoken: string | undefined;
}

/**
 * Returns the credentials of a pod's pull secrets for an image, the closest match first. A secret
 * that does not parse yields none; the registry then rejects the pull. Source: documentation of
 * `kubernetes.io/dockerconfigjson` and `kubernetes.io/dockercfg`.
 */
export function credentialsFor(image: string, secrets: Secret[]): PullCredential[] {
  const wanted = partsOf(repositoryOf(image));
  return secrets
    .flatMap((secret) => authsOf(secret, wanted).map((found) => ({ ...found, secret })))
    .sort((a, b) => b.server.length - a.server.length)
    .map(({ server, auth: docker, secret: { metadata } }) => {
      const auth = authConfig(server, docker);
      const { uid = "", namespace = "", name = "" } = metadata;
      const parts = [auth.username, auth.password, auth.identityToken, server];
      const hash = createHash("sha256").update(JSON.stringify(parts)).digest("hex");
      return { auth, secret: { uid, namespace, name }, hash };
    });
}

/**
 * Reads a pod's pull secrets, each once: a pod may name one 40,000 times, and each is parsed for
 * each image. Secrets beyond PULL_SECRETS_MAX are left out, and texts that exceed what is left of
 * PULL_SECRETS_CHARACTERS_MAX. `report` is called with an event's text when any is missing or left
 * out.
 */
export async function readPullSecrets(
  { spec: { imagePullSecrets = [] } }: Pod,
  read: (name: string) => Promise<Secret | undefined>,
  report: (message: string) => void,
): Promise<Secret[]> {
  const names = new Set(imagePullSecrets.map(({ name = "" }) => name));
  // Upstream's validation admits an empty name, and its kubelet ignores it.
  names.delete("");
  const secrets: Secret[] = [];
  const failed: string[] = [];
  let left = PULL_SECRETS_CHARACTERS_MAX;
  for (const name of [...names].slice(0, PULL_SECRETS_MAX)) {
    const secret = await read(name);
    const length = secret ? (configOf(secret).text ?? "").length : 0;
    if (!secret) failed.push(name);
    else if (length > left) failed.push(`${name}: ${length} bytes of base64, of which ${left} fit`);
    else {
      left -= length;
      secrets.push(secret);
    }
  }
  const beyond = names.size - PULL_SECRETS_MAX;
  if (beyond > 0) failed.push(`${beyond} beyond the first ${PULL_SECRETS_MAX}`);
  if (failed.length > 0) {
    report(
      `Unable to retrieve some image pull secrets (${failed.join(", ")}); ` +
        "attempting to pull the image may not succeed.",
    );
  }
  return secrets;
}

/** Returns the text of a pull secret, in base64, and the form that it has. */
function configOf({ data = {} }: Secret) {
  const json = data[".dockerconfigjson"];
  return { text: json ?? data[".dockercfg"], isJson: json !== undefined };
}

function authsOf(secret: Secret, wanted: Parts): { server: string; auth: DockerAuth }[] {
  const { text, isJson } = configOf(secret);
  const parsed =
    text === undefined ? undefined : jsonOrNothing(Buffer.from(text, "base64").toString("utf8"));
  const auths = !isJson ? parsed : isRecord(parsed) ? parsed["auths"] : undefined;
  if (!isRecord(auths)) return [];
  return Object.entries(auths).flatMap(([url, auth]) => {
    const server = url.replace(/^https?:\/\//, "").replace(/\/(v[12]\/?)?$/, "");
    if (!isRecord(auth) || !matches(partsOf(server), wanted)) return [];
    const field = (name: string) => {
      const value = auth[name];
      return typeof value === "string" ? value : undefined;
    };
    return {
      server,
      auth: {
        username: field("username"),
        password: field("password"),
        auth: field("auth"),
        identitytoken: field("identitytoken"),
      },
    };
  });
}

function authConfig(serverAddress: string, auth: DockerAuth): Init<AuthConfig> {
  const [username = "", ...rest] = auth.auth
    ? Buffer.from(auth.auth, "base64").toString("utf8").split(":")
    : [];
  return {
    username: auth.username ?? username,
    password: auth.password ?? rest.join(":"),
    identityToken: auth.identitytoken ?? "",
    serverAddress,
  };
}

/** Returns `registry/path` of an image reference, with Docker Hub's implied parts filled in. */
export function repositoryOf(image: string): string {
  const name = image.split("@", 1)[0]!.replace(/:[^/:]*$/, "");
  const [first = "", ...rest] = name.split("/");
  const hasRegistry = rest.length > 0 && (/[.:]/.test(first) || first === "localhost");
  const isHub = first === "docker.io" || first === "index.docker.io";
  if (hasRegistry && !isHub) return name;
  const path = hasRegistry ? rest : [first, ...rest];
  return `index.docker.io/${path.length === 1 ? "library/" : ""}${path.join("/")}`;
}

/** A server or a repository: the labels of its host name, and the segments of its path. */
type Parts = { readonly labels: readonly string[]; readonly path: readonly string[] };

function partsOf(name: string): Parts {
  const [host = "", ...path] = name.replace(/^docker\.io/, "index.docker.io").split("/");
  return { labels: host.split("."), path };
}

/**
 * Whether a pattern matches: `*` is one label of the host name; a path must be a prefix by whole
 * segments. A secret may have 20,000 patterns.
 */
function matches({ labels, path }: Parts, wanted: Parts): boolean {
  if (labels.length !== wanted.labels.length) return false;
  if (!labels.every((label, i) => label === "*" || label === wanted.labels[i])) return false;
  return path.every((part, i) => part === wanted.path[i]);
}
