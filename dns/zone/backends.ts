import type { Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { labelOf } from "./cluster-name.ts";
import type { Backend } from "./view.ts";

export function isHeadless({ spec }: Service): boolean {
  return spec.clusterIP === "None";
}

/** Returns a Service's ClusterIPs. */
export function clusterIps({ spec }: Service): string[] {
  const ips = spec.clusterIPs?.length ? spec.clusterIPs : [spec.clusterIP ?? ""];
  return ips.filter((ip) => ip !== "" && ip !== "None");
}

/** Returns the ready endpoints, each address once. publishNotReadyAddresses marks all as ready. */
export function backendsOf(slices: readonly EndpointSlice[]): Backend[] {
  const backends = new Map<string, Backend>();
  for (const slice of slices) {
    const ports = (slice.ports ?? []).flatMap(({ name = "", protocol = "TCP", port }) => {
      return port === undefined ? [] : [{ name, protocol, port }];
    });
    for (const { addresses, conditions, hostname } of slice.endpoints ?? []) {
      if (conditions?.ready === false) continue;
      for (const address of addresses) {
        const known = backends.get(address);
        if (known) known.ports.push(...ports);
        else backends.set(address, { address, host: hostname || labelOf(address), ports });
      }
    }
  }
  return [...backends.values()];
}
