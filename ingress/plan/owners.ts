import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import { RECORD_BYTES_MAX, RECORD_OF_NAMESPACE_BYTES_MAX } from "../limits.ts";

/** Orders objects by their age, then by their names, so that every observer decides alike. */
export const byAge = (a: KubeObject, b: KubeObject): number => (ageOf(a) < ageOf(b) ? -1 : 1);

const ageOf = ({ metadata: { creationTimestamp = "", namespace = "", name = "" } }: KubeObject) =>
  `${creationTimestamp} ${namespace}/${name}`;

/**
 * Claims a host name (empty: all that no one has) for a namespace; returns the one that has it
 * already, if another. The first that names one has it, and a wildcard covers the names below it,
 * except those that another namespace had before.
 */
export function claim(
  owners: Map<string, string>,
  host: string,
  namespace: string,
): string | undefined {
  const owner = owners.get(host) ?? owners.get(wildcardAbove(host));
  if (owner !== undefined && owner !== namespace) return owner;
  if (!owners.has(host)) owners.set(host, namespace);
  return undefined;
}

/** The wildcard that covers a host name: of one label more. */
function wildcardAbove(host: string): string {
  const dot = host.indexOf(".");
  return dot <= 0 || host.startsWith("*") ? "no host" : `*${host.slice(dot)}`;
}

/** Stands for rules without a host in the record. */
const NO_HOST = "-";

/**
 * Writes owners as a ConfigMap's data: hosts by namespace. Hosts beyond a namespace's bound, or
 * that of all, are left out: the oldest Ingress has them when the controller starts again.
 */
export function recordOf(owners: ReadonlyMap<string, string>): Record<string, string> {
  // A namespace may be called `constructor`.
  const record = new Map<string, string>();
  let bytes = 0;
  for (const [host, namespace] of owners) {
    const before = record.get(namespace);
    const text = before === undefined ? host || NO_HOST : `${before} ${host || NO_HOST}`;
    if (text.length > RECORD_OF_NAMESPACE_BYTES_MAX) continue;
    bytes += host.length + 1;
    if (bytes > RECORD_BYTES_MAX) break;
    record.set(namespace, text);
  }
  return Object.fromEntries(record);
}

/** Reads what `recordOf` has written. */
export function recordedOwners(record: Readonly<Record<string, string>> = {}): Map<string, string> {
  return new Map(
    Object.entries(record).flatMap(([namespace, hosts]) =>
      hosts.split(" ").map((host) => [host === NO_HOST ? "" : host, namespace]),
    ),
  );
}
