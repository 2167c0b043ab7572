import { ENDPOINTS_MAX, SERVERS_MIN, WEIGHT_MAX } from "../limits.ts";
import type { Backend, Endpoint } from "../plan/model.ts";

/** A server of a backend; one without an endpoint is disabled. */
export interface Server {
  readonly endpoint: Endpoint | undefined;
  readonly weight: number;
  readonly isHttp2: boolean;
}

/** Servers of a backend; their names are `s0`, `s1`, ... */
export type Servers = readonly Server[];

/** Used addresses by place, so that an endpoint that stays keeps its server. */
export type FormerServers = ReadonlyMap<string, Servers>;

/**
 * Assigns a backend's endpoints to servers. Each target has as many as the next power of two,
 * so that endpoints come and go without a reload; one that stays keeps its place, and with it its
 * connections. Weights are shared out within a target. Pure.
 */
export function assignServers(backend: Backend, former: Servers = []): Servers {
  const servers: Server[] = [];
  const shares = backend.targets.map(({ weight, endpoints }) =>
    endpoints === undefined || endpoints.length === 0 ? 0 : weight / used(endpoints).length);
  const largest = Math.max(...shares);
  backend.targets.forEach(({ endpoints, isHttp2 }, index) => {
    if (endpoints === undefined) return;
    const wanted = used(endpoints);
    const size = sizeFor(wanted.length);
    const before = former.slice(servers.length, servers.length + size);
    const share = shares[index]!;
    const weight = share === 0 ? 0
      : Math.max(1, Math.round((share / largest) * WEIGHT_MAX));
    servers.push(...placed(wanted, before, size).map((endpoint): Server => {
      return { endpoint, weight: endpoint ? weight : 1, isHttp2 };
    }));
  });
  return servers;
}

const used = (endpoints: readonly Endpoint[]) => endpoints.slice(0, ENDPOINTS_MAX);

function sizeFor(count: number): number {
  let size = SERVERS_MIN;
  while (size < count) size *= 2;
  return size;
}

function placed(
  wanted: readonly Endpoint[], before: Servers, size: number,
): (Endpoint | undefined)[] {
  const keys = new Map(wanted.map((endpoint) => [keyOf(endpoint), endpoint]));
  const places = Array.from({ length: size }, (_, at): Endpoint | undefined => {
    const endpoint = before[at]?.endpoint;
    const stays = endpoint && keys.get(keyOf(endpoint));
    if (stays) keys.delete(keyOf(stays));
    return stays;
  });
  const rest = keys.values();
  return places.map((endpoint) => endpoint ?? rest.next().value);
}

const keyOf = ({ address, port }: Endpoint) => `${address}:${port}`;
