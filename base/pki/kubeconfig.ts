import { parseDocument, stringify } from "yaml";
import type { KubeAccess } from "./read-kubeconfig.ts";

const base64 = (text: string) => Buffer.from(text).toString("base64");

/** YAML is for people; a process reads JSON without the memory that the parser of YAML takes. */
export type KubeconfigFormat = "yaml" | "json";

/** The names in a kubeconfig. */
export interface KubeconfigNames {
  readonly cluster: string;
  readonly user: string;
  readonly context: string;
}

/** A kubeconfig file's text with one cluster, one user and one context; one name is that of all. */
export function kubeconfig(
  names: string | KubeconfigNames,
  access: KubeAccess,
  format: KubeconfigFormat = "yaml",
): string {
  const { cluster, user, context } =
    typeof names === "string" ? { cluster: names, user: names, context: names } : names;
  const { namespace, server, ca, token, tokenFile } = access;
  const credentials = {
    "client-certificate-data": access.cert && base64(access.cert),
    "client-key-data": access.key && base64(access.key),
    "client-certificate": access.certFile,
    "client-key": access.keyFile,
    token,
    tokenFile,
  };
  // Neither format has fields that are undefined.
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      { name: cluster, cluster: { server, "certificate-authority-data": ca && base64(ca) } },
    ],
    users: [{ name: user, user: credentials }],
    contexts: [{ name: context, context: { cluster, user, namespace } }],
    "current-context": context,
  };
  return format === "json" ? jsonText(config) : stringify(config);
}

/** A kubeconfig's text with the names that kubeadm gives: the context is `USER@CLUSTER`. */
export function kubeadmKubeconfig(cluster: string, user: string, access: KubeAccess): string {
  return kubeconfig({ cluster, user, context: `${user}@${cluster}` }, access);
}

const jsonText = (config: unknown): string => `${JSON.stringify(config, undefined, 2)}\n`;

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
