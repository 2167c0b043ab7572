import type { KubeClient } from "@raft2kube/client-kube/rest.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { createForwarder } from "./forward/forwarder.ts";
import { machineUpstreams, type Upstream } from "./forward/upstreams.ts";
import { DEFAULT_TTL_S } from "./limits.ts";
import { createResolver } from "./resolver.ts";
import { listenTcp } from "./server/tcp.ts";
import { listenUdp } from "./server/udp.ts";
import { informerView } from "./zone/informer-view.ts";

export interface DnsOptions {
  /** As `system:r2k:dns`: lists and watches Services, EndpointSlices and Namespaces. */
  client: KubeClient;
  /** Listens here, UDP and TCP; in a node it is the node's address. */
  address: string;
  /** Default 53; 0 takes a free one. */
  port?: number;
  /** Default `cluster.local`. */
  clusterDomain?: string;
  /** For names outside the cluster; by default those of this machine's resolv.conf. */
  upstreams?: Upstream[];
  /** Seconds that answers about the cluster may be kept. Default 5. */
  ttl_s?: number;
  clock: Clock;
}

export interface Dns {
  port: number;
  /** Resolves when the cluster's names are known. Before, they are answered SERVFAIL. */
  ready: Promise<void>;
  close(): Promise<void>;
}

/** Starts the cluster's DNS server in the network namespace that the process is in. */
export async function startDns(options: DnsOptions): Promise<Dns> {
  const { client, address, clock, ttl_s = DEFAULT_TTL_S } = options;
  const log = logger("dns");
  const domain = (options.clusterDomain ?? "cluster.local").toLowerCase().replace(/^\.|\.$/g, "");
  // Forwarding to oneself would go round for ever.
  const upstreams = (options.upstreams ?? machineUpstreams()).filter(
    (upstream) => upstream.address !== address || upstream.port !== (options.port ?? 53),
  );
  const view = informerView(client, clock);
  const resolve = createResolver({
    view: () => (view.hasSynced() ? view : undefined),
    zone: { domain, ttl_s },
    forwarder: createForwarder({ upstreams, clock, log }),
  });
  try {
    const udp = await listenUdp({ address, port: options.port ?? 53 }, resolve, log);
    try {
      const tcp = await listenTcp({ address, port: udp.port }, resolve, log);
      log.info("serving", { address, port: udp.port, domain, upstreams: upstreams.length });
      return {
        port: udp.port,
        ready: view.synced,
        async close() {
          await Promise.all([udp.close(), tcp.close(), view.close()]);
        },
      };
    } catch (thrown) {
      await udp.close();
      throw thrown;
    }
  } catch (thrown) {
    await view.close();
    throw thrown;
  }
}
