import { isDeepStrictEqual } from "node:util";
import type { ConfigMap, Service } from "@raft2kube/api/gen/core/v1.ts";
import type { Ingress } from "@raft2kube/api/gen/networking/v1.ts";
import { ignoreLostRace, KubeError } from "@raft2kube/client-kube/errors.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { KeysInTurn } from "@raft2kube/reconcile/keys-in-turn.ts";
import { tolerate } from "@raft2kube/std/errors.ts";
import { STATUS_WRITES_MAX } from "./limits.ts";
import { recordOf } from "./plan/owners.ts";

/** The addresses of a load balancer's Service. */
export function addressesOf(service: Service | undefined): string[] {
  return (service?.status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip || []);
}

/**
 * The statuses that passes have to write, of each namespace in turn: one that another controller
 * keeps changing waits again after the others.
 */
export class StatusWrites {
  readonly #waiting = new KeysInTurn();

  /**
   * Makes a bounded number of the writes, by keys `NAMESPACE/NAME`. Each is a change, after which
   * another pass makes further ones: others' rules do not wait for thousands. An object that is as
   * large as the API server takes gets no status, which is no failure of the pass.
   */
  async make(writes: ReadonlyMap<string, () => Promise<unknown>>): Promise<void> {
    for (const key of writes.keys()) this.#waiting.add(key);
    for (let left = STATUS_WRITES_MAX; left > 0; ) {
      const key = this.#waiting.shift();
      if (key === undefined) return;
      const write = writes.get(key);
      if (!write) continue; // the status is as it should be by now
      left--;
      await tolerate(ignoreLostRace(write()), isTooLarge);
    }
  }
}

const isTooLarge = (thrown: unknown) => thrown instanceof KubeError && thrown.http === 413;

/** Writes the load balancer's addresses into Ingresses that lack them, or into some. */
export async function writeAddresses(
  ingresses: readonly Ingress[],
  addresses: readonly string[],
  writer: Pick<ResourceClient<Ingress>, "updateStatus">,
  writes: StatusWrites,
): Promise<void> {
  const lacking = ingresses.filter(({ status }) => {
    const present = (status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip);
    return present.join() !== addresses.join();
  });
  const status = { loadBalancer: { ingress: addresses.map((ip) => ({ ip })) } };
  await writes.make(
    new Map(lacking.map((each) => [keyOf(each), () => writer.updateStatus({ ...each, status })])),
  );
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
