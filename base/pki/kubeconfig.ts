import { parseDocument, stringify } from "yaml";
import type { KubeAccess } from "./read-kubeconfig.ts";

const base64 = (text: string) => Buffer.from(text).toString("base64");

/** YAML is for people; a process reads JSON without the memory that the parser of YAML takes. */
export type KubeconfigFormat = "yaml" | "json";

/** A kubeconfig file's text with one cluster, one user and one context, all named `name`. */
export function kubeconfig(
  name: string,
  access: KubeAccess,
  format: KubeconfigFormat = "yaml",
): string {
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
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster }],
    users: [{ name, user }],
    contexts: [{ name, context }],
    "current-context": name,
  };
  return format === "json" ? jsonText(config) : stringify(config);
}

function jsonText(config: unknown): string {
  return `${JSON.stringify(config, undefined, 2)}\n`;
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
  return text.startsWith("{") ? jsonText(config.toJS()) : config.toString();
}

type Section = Readonly<Record<string, unknown>>;
type Named = { name: string } & Section;
