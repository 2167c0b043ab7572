import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { CodedError } from "@raft2kube/std/errors.ts";
import { parse, parseDocument, stringify } from "yaml";

/** How to reach one cluster as one user. Certificates and keys are PEM texts. */
export interface KubeAccess {
  /** `https://host:port`. */
  readonly server: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly namespace?: string;
}

const base64 = (text: string) => Buffer.from(text).toString("base64");

/** A kubeconfig file's text with one cluster, one user and one context, all named `name`. */
export function kubeconfig(name: string, access: KubeAccess): string {
  const user = {
    ...(access.cert === undefined ? {} : { "client-certificate-data": base64(access.cert) }),
    ...(access.key === undefined ? {} : { "client-key-data": base64(access.key) }),
    ...(access.token === undefined ? {} : { token: access.token }),
    ...(access.tokenFile === undefined ? {} : { tokenFile: access.tokenFile }),
  };
  const cluster = {
    server: access.server,
    ...(access.ca === undefined ? {} : { "certificate-authority-data": base64(access.ca) }),
  };
  const context = {
    cluster: name,
    user: name,
    ...(access.namespace === undefined ? {} : { namespace: access.namespace }),
  };
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster }],
    users: [{ name, user }],
    contexts: [{ name, context }],
    "current-context": name,
  });
}

/** A kubeconfig's text with another certificate for its current user, everything else as it was. */
export function withClientCertificate(text: string, cert: string): string {
  return withCurrent(text, "user", "client-certificate-data", base64(cert));
}

/** A kubeconfig's text with another server for its current cluster, everything else as it was. */
export function withServer(text: string, server: string): string {
  return withCurrent(text, "cluster", "server", server);
}

/** Sets one field of the user or the cluster that the current context names. */
function withCurrent(text: string, part: "user" | "cluster", field: string, value: string): string {
  const config = parseDocument(text);
  const lists = config.toJS() as Record<string, Named[]>;
  const current = lists["contexts"]?.find(({ name }) => name === config.get("current-context"));
  const named = (current?.["context"] as Section | undefined)?.[part];
  const index = lists[`${part}s`]?.findIndex(({ name }) => name === named);
  config.setIn([`${part}s`, index, part, field], value);
  return config.toString();
}

type Section = Readonly<Record<string, unknown>>;
type Named = { name: string } & Section;

/**
 * Reads a kubeconfig file's current context (client-go's `clientcmd` v1 format); relative paths are
 * relative to the file. Throws CodedError `BAD_KUBECONFIG` naming the file and what is missing.
 */
export async function readKubeconfig(path: string): Promise<KubeAccess> {
  const bad = (what: string, cause?: unknown) =>
    new CodedError("BAD_KUBECONFIG", `kubeconfig ${path}: ${what}`, { cause });
  let config: Section;
  try {
    config = parse(await readFile(path, "utf8")) as Section;
  } catch (cause) {
    throw bad("cannot be read as YAML", cause);
  }
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
  const optional = (key: string, value: unknown) => (value === undefined ? {} : { [key]: value });
  const pem = (section: Section, name: string) => readPem(dirname(path), section, name);
  return {
    server: cluster["server"],
    ...optional("ca", await pem(cluster, "certificate-authority")),
    ...optional("cert", await pem(user, "client-certificate")),
    ...optional("key", await pem(user, "client-key")),
    ...optional("token", user["token"]),
    ...optional("tokenFile", user["tokenFile"]),
    ...optional("namespace", context["namespace"]),
  };
}

async function readPem(dir: string, section: Section, name: string): Promise<string | undefined> {
  const data = section[`${name}-data`];
  if (typeof data === "string") return Buffer.from(data, "base64").toString("utf8");
  const file = section[name];
  return typeof file === "string" ? readFile(resolve(dir, file), "utf8") : undefined;
}
