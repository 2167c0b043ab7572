import { isDeepStrictEqual } from "node:util";
import type { ConfigMap, Service } from "@raft2kube/api/gen/core/v1.ts";
import type { Ingress } from "@raft2kube/api/gen/networking/v1.ts";
import { ignoreLostRace } from "@raft2kube/client-kube/errors.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { STATUS_WRITES_MAX } from "./limits.ts";
import { recordOf } from "./plan/owners.ts";

/** The addresses of a load balancer's Service. */
export function addressesOf(service: Service | undefined): string[] {
  return (service?.status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip || []);
}

/**
 * Writes the load balancer's addresses into Ingresses that lack them. Each write is a change, after
 * which another pass writes further ones: others' rules do not wait for thousands.
 */
export async function writeAddresses(
  ingresses: readonly Ingress[],
  addresses: readonly string[],
  writer: Pick<ResourceClient<Ingress>, "updateStatus">,
): Promise<void> {
  const lacking = ingresses.filter(({ status }) => {
    const present = (status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip);
    return present.join() !== addresses.join();
  });
  for (const ingress of lacking.slice(0, STATUS_WRITES_MAX)) {
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
