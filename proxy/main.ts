import type { Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { Informer } from "@raft2kube/client-kube/informer.ts";
import { ENDPOINT_SLICES, SERVICES } from "@raft2kube/client-kube/resources.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { nftablesRules, removeNftables } from "./apply/nftables/apply.ts";
import { ProxyLoop } from "./loop.ts";
import { apiServerAddresses } from "./reserved.ts";

export interface ProxyOptions {
  /** As `system:kube-proxy`: lists and watches Services and EndpointSlices. */
  client: KubeClient;
  nodeName: string;
  /** The pods' range: connections from elsewhere to a ClusterIP are masqueraded. */
  clusterCidr?: string;
  /** Ranges of addresses that node ports are served on; by default all but loopback. */
  nodePortAddresses?: string[];
  /** The nft table, family ip. Default `r2k-proxy`. */
  tableName?: string;
  /** The kind of rules; others are refused by name. */
  mode?: "nftables";
  clock: Clock;
}

const DEFAULT_TABLE = "r2k-proxy";

const SERVICES_WITHOUT_PROXY = "service.kubernetes.io/service-proxy-name";

/**
 * Starts the proxy in the network namespace that the process is in. `ready` resolves when the rules
 * stand for the first time. `close` leaves them: connections and Services go on without it.
 */
export async function startProxy(
  options: ProxyOptions,
): Promise<{ ready: Promise<void>; close(): Promise<void> }> {
  const { client, nodeName, clock, mode = "nftables" } = options;
  if (mode !== "nftables") {
    const remedy = "use nftables";
    throw new CodedError("unknown-mode", `proxy mode ${mode} is not supported`, { remedy });
  }
  const table = options.tableName ?? DEFAULT_TABLE;
  const { nodePortAddresses, clusterCidr } = options;
  const loop = new ProxyLoop({
    services: new Informer<Service>({
      resource: client.resource<Service>(SERVICES),
      selection: { labelSelector: `!${SERVICES_WITHOUT_PROXY}` },
      transform: withoutNotes,
      clock,
    }),
    slices: new Informer<EndpointSlice>({
      resource: client.resource<EndpointSlice>(ENDPOINT_SLICES),
      selection: { labelSelector: `!${SERVICES_WITHOUT_PROXY}` },
      transform: withoutNotes,
      clock,
    }),
    rules: nftablesRules({ table, nodePortAddresses, clusterCidr }),
    nodeName,
    apiServers: () => apiServerAddresses(client.server),
    clock,
    log: logger("proxy"),
  });
  void loop.start();
  return { ready: loop.ready, close: () => loop.close() };
}

/** Takes a proxy's rules away, in the network namespace that the process is in. */
export function cleanup(tableName: string = DEFAULT_TABLE): Promise<void> {
  return removeNftables(tableName);
}

/** Drops what the proxy never reads: managed fields and annotations are most of an object. */
function withoutNotes<T extends { metadata: { managedFields?: unknown; annotations?: unknown } }>(
  object: T,
): T {
  delete object.metadata.managedFields;
  delete object.metadata.annotations;
  return object;
}
