import type { Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { ENDPOINT_SLICES, SERVICES } from "@raft2kube/client-kube/rest/resources.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
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
  /** The range of all pods; connections from outside it to a ClusterIP are masqueraded. */
  clusterCidr?: string;
  /** Ranges of addresses that serve node ports; by default all except loopback. */
  nodePortAddresses?: string[];
  /** The nft table, family ip. Default `r2k-proxy`. */
  tableName?: string;
  /** The kind of rules; fails with `unknown-mode` for any other. */
  mode?: "nftables";
  clock: Clock;
}

const DEFAULT_TABLE = "r2k-proxy";

const PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name";

/**
 * Starts the proxy in the network namespace of this process. `ready` resolves when the rules are
 * applied for the first time. `close` keeps them: connections and Services work without the proxy.
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
      selection: { labelSelector: `!${PROXY_NAME_LABEL}` },
      transform: trimMetadata,
      clock,
    }),
    slices: new Informer<EndpointSlice>({
      resource: client.resource<EndpointSlice>(ENDPOINT_SLICES),
      selection: { labelSelector: `!${PROXY_NAME_LABEL}` },
      transform: trimMetadata,
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

/** Deletes a proxy's rules in the network namespace of this process. */
export function cleanup(tableName: string = DEFAULT_TABLE): Promise<void> {
  return removeNftables(tableName);
}

/** Drops managed fields and annotations, which the proxy never reads, to save memory. */
function trimMetadata<T extends { metadata: { managedFields?: unknown; annotations?: unknown } }>(
  object: T,
): T {
  delete object.metadata.managedFields;
  delete object.metadata.annotations;
  return object;
}
