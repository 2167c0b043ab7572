import { isDeepStrictEqual } from "node:util";
import type { ConfigMap, Service } from "@raft2kube/api/gen/core/v1.ts";
import type { Ingress } from "@raft2kube/api/gen/networking/v1.ts";
import { ignoreLostRace } from "@raft2kube/client-kube/errors.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { recordOf } from "./plan/owners.ts";

/** The addresses of a load balancer's Service. */
export function addressesOf(service: Service | undefined): string[] {
  return (service?.status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip || []);
}

/** Writes the load balancer's addresses into the Ingresses that lack them. */
export async function writeAddresses(
  ingresses: readonly Ingress[],
  addresses: readonly string[],
  writer: ResourceClient<Ingress>,
): Promise<void> {
  for (const ingress of ingresses) {
    const present = (ingress.status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip);
    if (present.join() === addresses.join()) continue;
    const status = { loadBalancer: { ingress: addresses.map((ip) => ({ ip })) } };
    await ignoreLostRace(writer.updateStatus({ ...ingress, status }));
  }
}

/** Writes the record of hosts and their owners where it differs. */
export async function writeOwners(
  owners: ReadonlyMap<string, string>,
  former: ConfigMap | undefined,
  [namespace, name]: readonly [string, string],
  writer: ResourceClient<ConfigMap>,
): Promise<void> {
  const data = recordOf(owners);
  if (isDeepStrictEqual(data, former?.data ?? {})) return;
  await ignoreLostRace(
    former
      ? writer.update({ ...former, data })
      : writer.create({ metadata: { namespace, name }, data }),
  );
}
