import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { CodedError } from "@raft2kube/std/errors.ts";

/** How to reach one cluster as one user. Certificates and keys are PEM texts. */
export interface KubeAccess {
  /** `https://host:port`. */
  readonly server: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** The files that `cert` and `key` were read from, where both are: they are replaced in time. */
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly namespace?: string;
}

/** Fields that change who connects, or whom to, and that are not served: none is passed over. */
const NOT_SERVED = {
  user: [
    "exec",
    "auth-provider",
    "username",
    "password",
    "as",
    "as-uid",
    "as-groups",
    "as-user-extra",
  ],
  cluster: ["insecure-skip-tls-verify", "tls-server-name", "proxy-url"],
} as const;

type Section = Readonly<Record<string, unknown>>;
type Named = { name: string } & Section;

/**
 * Reads a kubeconfig file's current context (client-go's `clientcmd` v1 format); relative paths are
 * relative to the file. Throws CodedError `BAD_KUBECONFIG` naming the file and the field that is
 * missing, or is not served.
 */
export async function readKubeconfig(path: string): Promise<KubeAccess> {
  const bad = (what: string) => badKubeconfig(path, what);
  const config = await readConfig(path);
  const find = (list: string, name: unknown, field: string): Section => {
    const items = (config[list] ?? []) as Named[];
    const found = items.find((item) => item.name === name)?.[field];
    if (typeof found !== "object" || found === null) throw bad(`no ${field} named ${String(name)}`);
    return found as Section;
  };
  const context = find("contexts", config["current-context"], "context");
  const cluster = find("clusters", context["cluster"], "cluster");
  const user = find("users", context["user"], "user");
  if (typeof cluster["server"] !== "string") throw bad("the cluster has no server");
  for (const [name, section] of Object.entries({ user, cluster })) {
    const found = NOT_SERVED[name as keyof typeof NOT_SERVED].find((each) => section[each]);
    if (found === undefined) continue;
    throw bad(
      `the ${name}'s ${found} is not served; use a certificate, token or tokenFile, and ` +
        "certificate-authority",
    );
  }
  const tokenFile = user["tokenFile"] as string | undefined;
  const pem = (section: Section, name: string) => readPem(dirname(path), section, name);
  const certFile = fileOf(dirname(path), user, "client-certificate");
  const keyFile = fileOf(dirname(path), user, "client-key");
  return {
    server: cluster["server"],
    ...optional("ca", await pem(cluster, "certificate-authority")),
    ...optional("cert", await pem(user, "client-certificate")),
    ...optional("key", await pem(user, "client-key")),
    ...(certFile !== undefined && keyFile !== undefined && { certFile, keyFile }),
    ...optional("token", user["token"]),
    ...optional("tokenFile", tokenFile && resolve(dirname(path), tokenFile)),
    ...optional("namespace", context["namespace"]),
  };
}

/** Reads a file that names one cluster and no context, as one for discovery; else undefined. */
export async function readClusterAlone(
  path: string,
): Promise<Pick<KubeAccess, "server" | "ca" | "token"> | undefined> {
  const { clusters, contexts } = await readConfig(path);
  if (Array.isArray(contexts) && contexts.length > 0) return undefined;
  const [first, ...others] = Array.isArray(clusters) ? (clusters as (Section | null)[]) : [];
  const cluster = first?.["cluster"] as Section | undefined;
  if (others.length > 0 || typeof cluster?.["server"] !== "string") return undefined;
  const ca = await readPem(dirname(path), cluster, "certificate-authority");
  return { server: cluster["server"], ...optional("ca", ca) };
}

const optional = (key: string, value: unknown) => (value === undefined ? {} : { [key]: value });

function badKubeconfig(path: string, what: string, cause?: unknown): CodedError {
  return new CodedError("BAD_KUBECONFIG", `kubeconfig ${path}: ${what}`, { cause });
}

async function readConfig(path: string): Promise<Section> {
  try {
    return ((await parseConfig(await readFile(path, "utf8"))) ?? {}) as Section;
  } catch (cause) {
    throw badKubeconfig(path, "cannot be read as YAML", cause);
  }
}

/** The parser of YAML takes 3 MiB, which is loaded only for a file that is not JSON. */
async function parseConfig(text: string): Promise<unknown> {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown;
    const { parseYaml } = await import("@raft2kube/std/parse-yaml.ts");
    return parseYaml(text);
  }
}

async function readPem(dir: string, section: Section, name: string): Promise<string | undefined> {
  const data = section[`${name}-data`];
  if (hasText(data)) return Buffer.from(data, "base64").toString("utf8");
  const file = fileOf(dir, section, name);
  return file === undefined ? undefined : readFile(file, "utf8");
}

/** The file that has a PEM text; undefined if the kubeconfig has the text itself, or none. */
function fileOf(dir: string, section: Section, name: string): string | undefined {
  const file = section[name];
  return hasText(section[`${name}-data`]) || !hasText(file) ? undefined : resolve(dir, file);
}

const hasText = (value: unknown): value is string => typeof value === "string" && value !== "";
