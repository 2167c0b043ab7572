import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { createForwarder } from "./forward/forwarder.ts";
import { machineUpstreams, type Upstream } from "./forward/upstreams.ts";
import { DEFAULT_TTL_S } from "./limits.ts";
import { dnsMetrics } from "./metrics.ts";
import { createResolver } from "./resolver.ts";
import { listenTcp } from "./server/tcp.ts";
import { listenUdp } from "./server/udp.ts";
import { informerView } from "./zone/informer-view.ts";

export interface DnsOptions {
  /** Lists and watches Services, EndpointSlices and Namespaces (`system:r2k:dns`). */
  client: KubeClient;
  /** Address to listen on, UDP and TCP; in a node the node's address. */
  address: string;
  /** Default 53; 0 selects a free port. */
  port?: number;
  /** Default `cluster.local`. */
  clusterDomain?: string;
  /** Returns resolvers for names outside the cluster; default: those of the machine's resolv.conf. */
  upstreams?(): readonly Upstream[];
  /** TTL of the cluster's records in seconds. Default 5. */
  ttl_s?: number;
  /** Gets coredns' metrics of requests and answers. */
  metrics?: Registry;
  clock: Clock;
}

export interface Dns {
  port: number;
  /** Resolves when the informers are synchronized; until then cluster names are SERVFAIL. */
  ready: Promise<void>;
  close(): Promise<void>;
}

/** Starts the cluster's DNS server in the network namespace of this process. */
export async function startDns(options: DnsOptions): Promise<Dns> {
  const { client, address, clock, ttl_s = DEFAULT_TTL_S } = options;
  const log = logger("dns");
  const domain = (options.clusterDomain ?? "cluster.local").toLowerCase().replace(/^\.|\.$/g, "");
  // Forwarding to this server itself would loop.
  const { upstreams: listed = machineUpstreams } = options;
  const upstreams = () =>
    listed().filter(
      (upstream) => upstream.address !== address || upstream.port !== (options.port ?? 53),
    );
  const { length } = upstreams(); // throws before anything is open
  const view = informerView(client, clock);
  const resolve = createResolver({
    view: () => (view.hasSynced() ? view : undefined),
    zone: { domain, ttl_s },
    forwarder: createForwarder({ upstreams, clock, log }),
  });
  const at = { address, port: options.port ?? 53 };
  const counted =
    options.metrics === undefined
      ? (_: "udp" | "tcp", of: typeof resolve) => of
      : dnsMetrics({ registry: options.metrics, port: at.port, domain, clock });
  try {
    const udp = await listenUdp(at, counted("udp", resolve), log);
    try {
      const tcp = await listenTcp({ address, port: udp.port }, counted("tcp", resolve), log);
      log.info("serving", { address, port: udp.port, domain, upstreams: length });
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
