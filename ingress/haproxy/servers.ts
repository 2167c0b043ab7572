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
 * Assigns a backend's endpoints to servers. A server that gets another endpoint keeps its
 * connections to the former one. Weights are shared out within a target. Pure.
 */
export function assignServers({ targets }: Backend): Server[] {
  const used = targets.flatMap(({ endpoints, ...target }) =>
    endpoints ? [{ ...target, endpoints: endpoints.slice(0, ENDPOINTS_MAX) }] : [],
  );
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
