import type { Secret } from "@raft2kube/api/gen/core/v1.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import type { AuthConfig } from "@raft2kube/proto/gen/cri.ts";

interface DockerAuth {
  username?: string;
  password?: string;
  auth?: string;
  identitytoken?: string;
}

/**
 * Credentials for an image from a pod's pull secrets, the closest match first. A secret that does
 * not parse gives none: the pull then says what the registry answers.
 * Source: the documentation of `kubernetes.io/dockerconfigjson` and `kubernetes.io/dockercfg`.
 */
export function credentialsFor(image: string, secrets: Secret[]): Init<AuthConfig>[] {
  const repository = repositoryOf(image);
  return secrets
    .flatMap(authsOf)
    .filter(({ server }) => matches(server, repository))
    .sort((a, b) => b.server.length - a.server.length)
    .map(({ server, auth }) => authConfig(server, auth));
}

function authsOf(secret: Secret): { server: string; auth: DockerAuth }[] {
  const json = secret.data?.[".dockerconfigjson"];
  const text = json ?? secret.data?.[".dockercfg"];
  if (text === undefined) return [];
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(text, "base64").toString("utf8"));
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return [];
    throw thrown;
  }
  const auths = json ? (parsed as { auths?: Record<string, DockerAuth> }).auths : parsed;
  return Object.entries((auths ?? {}) as Record<string, DockerAuth>).map(([server, auth]) => ({
    server: server.replace(/^https?:\/\//, "").replace(/\/(v[12]\/?)?$/, ""),
    auth,
  }));
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

/** `registry/path` of an image reference, with Docker Hub's implied parts filled in. */
function repositoryOf(image: string): string {
  const name = image.replace(/@.*$/, "").replace(/:[^/:]*$/, "");
  const [first = "", ...rest] = name.split("/");
  const hasRegistry = rest.length > 0 && (/[.:]/.test(first) || first === "localhost");
  if (hasRegistry) return name;
  return `index.docker.io/${rest.length === 0 ? "library/" : ""}${name}`;
}

/** `*` stands for one label of the host name; a path must be a prefix by whole parts. */
function matches(server: string, repository: string): boolean {
  const [host = "", ...path] = server.replace(/^docker\.io/, "index.docker.io").split("/");
  const [imageHost = "", ...imagePath] = repository.split("/");
  const labels = host.split(".");
  const imageLabels = imageHost.split(".");
  if (labels.length !== imageLabels.length) return false;
  if (!labels.every((label, i) => label === "*" || label === imageLabels[i])) return false;
  return path.every((part, i) => part === imagePath[i]);
}
