import { inPlaces } from "@raft2kube/std/in-places.ts";
import { ENDPOINTS_MAX, WEIGHT_MAX } from "../limits.ts";
import { serversOf } from "../plan/bounds.ts";
import type { Backend, Endpoint } from "../plan/model.ts";

/** A server of a backend, by its place called `s0`, `s1`; one without an endpoint is disabled. */
export interface Server {
  readonly endpoint: Endpoint | undefined;
  readonly weight: number;
  readonly isHttp2: boolean;
}

/**
 * Assigns a backend's endpoints to servers, each to the one of `former` that it had: a server that
 * gets another endpoint loses its idle connections. Weights are shared out within a target. Pure.
 */
export function assignServers({ targets }: Backend, former: readonly Server[] = []): Server[] {
  let first = 0;
  const used = targets.flatMap(({ endpoints, ...target }) => {
    if (!endpoints) return [];
    const own = former.slice(first, (first += serversOf({ endpoints })));
    const before = own.flatMap(({ endpoint }) => endpoint ?? []);
    const placed = inPlaces(endpoints.slice(0, ENDPOINTS_MAX), before, keyOf);
    return [{ ...target, endpoints: placed }];
  });
  const share = ({ weight, endpoints }: (typeof used)[number]) =>
    endpoints.length === 0 ? 0 : weight / endpoints.length;
  const largest = Math.max(...used.map(share));
  return used.flatMap((target) => {
    const { endpoints, isHttp2 } = target;
    const scaled = Math.round((share(target) / largest) * WEIGHT_MAX);
    const weight = share(target) === 0 ? 0 : Math.max(1, scaled);
    return Array.from(
      { length: serversOf(target) },
      (_, at): Server => ({
        endpoint: endpoints[at],
        weight: at < endpoints.length ? weight : 1,
        isHttp2,
      }),
    );
  });
}

const keyOf = ({ address, port }: Endpoint) => `${address}:${port}`;
