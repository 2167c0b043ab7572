import type { Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { labelOf } from "./cluster-name.ts";
import type { Backend, Backends } from "./view.ts";

const SERVICE_NAME = "kubernetes.io/service-name";

export const isHeadless = ({ spec }: Service): boolean => spec.clusterIP === "None";

export function clusterIps({ spec }: Service): string[] {
  const ips = spec.clusterIPs?.length ? spec.clusterIPs : [spec.clusterIP ?? ""];
  return ips.filter((ip) => ip !== "" && ip !== "None");
}

/**
 * Returns the ready endpoints, each address once, with the ports of every slice that has it; an
 * unknown readiness counts as ready. publishNotReadyAddresses marks all as ready.
 */
export function backendsOf(slices: readonly EndpointSlice[]): Backends {
  // lab:15 begin backends-of
  const backends = new Map<string, Backend>();
  for (const slice of slices) {
    const ports = (slice.ports ?? []).flatMap(({ name = "", protocol = "TCP", port }) => {
      return port === undefined ? [] : [{ name, protocol, port }];
    });
    for (const { addresses, conditions, hostname } of slice.endpoints ?? []) {
      if (conditions?.ready === false) continue;
      for (const address of addresses) {
        const known = backends.get(address);
        if (!known) backends.set(address, { address, host: hostname || labelOf(address), ports });
        else if (known.ports !== ports) known.ports = bothOf(known.ports, ports);
      }
    }
  }
  const all = [...backends.values()];
  return { all, byHost: Map.groupBy(all, ({ host }) => host.toLowerCase()) };
  // lab:15 end
}

/** Returns the ports of two slices that have the same address, each once. */
function bothOf(some: Backend["ports"], others: Backend["ports"]): Backend["ports"] {
  const keyed = [...some, ...others].map(
    (each) => [`${each.protocol} ${each.port} ${each.name}`, each] as const,
  );
  return [...new Map(keyed).values()];
}

/**
 * The Service of a slice, `namespace/name`; none if its label is missing, or its addresses are
 * names.
 */
export function serviceOf({ metadata, addressType }: EndpointSlice): string[] {
  const name = addressType === "FQDN" ? undefined : metadata.labels?.[SERVICE_NAME];
  return name === undefined ? [] : [`${metadata.namespace}/${name}`];
}

/** The backends of Services that have slices, each kept until one of these changes. */
export class BackendCache {
  readonly #backends = new Map<string, Backends>();

  /** Returns the backends of a Service with these slices. */
  of(service: string, slices: readonly EndpointSlice[]): Backends {
    const backends = this.#backends.get(service) ?? backendsOf(slices);
    if (slices.length > 0) this.#backends.set(service, backends);
    return backends;
  }

  /** Forgets a slice's Service; called with each slice that was added, changed or deleted. */
  changed(slice: EndpointSlice): void {
    for (const service of serviceOf(slice)) this.#backends.delete(service);
  }
}
