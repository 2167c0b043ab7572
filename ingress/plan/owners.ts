import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";

/** Orders objects by their age, then by their names, so that every observer decides alike. */
export function byAge(a: KubeObject, b: KubeObject): number {
  return ageOf(a) < ageOf(b) ? -1 : 1;
}

const ageOf = ({ metadata: { creationTimestamp = "", namespace = "", name = "" } }: KubeObject) =>
  `${creationTimestamp} ${namespace}/${name}`;

/**
 * Gives host names to namespaces: the first that names one has it, and a wildcard covers the
 * names below it, except those that another namespace had before. Rules without a host are for all
 * names that no one has; the first namespace has these too.
 */
export class HostOwners {
  readonly #owners = new Map<string, string>();

  /** Claims a host (empty: all others); returns the namespace that has it already, if another. */
  claim(host: string, namespace: string): string | undefined {
    const owner = this.#owners.get(host) ?? this.#owners.get(wildcardAbove(host));
    if (owner !== undefined && owner !== namespace) return owner;
    if (!this.#owners.has(host)) this.#owners.set(host, namespace);
    return undefined;
  }
}

/** The wildcard that covers a host name: of one label more. */
function wildcardAbove(host: string): string {
  const dot = host.indexOf(".");
  return dot <= 0 || host.startsWith("*") ? "no host" : `*${host.slice(dot)}`;
}
