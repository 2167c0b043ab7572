import { deleteTable, nftTableExists } from "@raft2kube/linux/netfilter/nft.ts";
import { NftTable } from "@raft2kube/linux/netfilter/nft-table/nft-table.ts";
import type { Change } from "@raft2kube/linux/netfilter/nft-table/table-state.ts";
import { type Logger, logger } from "@raft2kube/observe/log.ts";
import type { ServicePort } from "../../plan/model.ts";
import type { Mode, Rules } from "../rules.ts";
import { type BaseOptions, baseRules } from "./base.ts";
import { renderPort } from "./render-port.ts";
import { AffinityShares } from "./session-affinity.ts";

export interface NftablesRules extends Rules {
  /** Opens the sockets, if they are not: before this process opens many. */
  open(): void;
}

/** Makes the rules of kube-proxy's nftables mode: one table, changed by whole transactions. */
export function nftablesRules(options: BaseOptions & { log?: Logger }): NftablesRules {
  const { clusterCidr, log = logger("proxy") } = options;
  const table = new NftTable(options.table);
  let affinity = new AffinityShares();
  return {
    open: () => void table.open(),
    async rebuild(ports, apiServers) {
      affinity = new AffinityShares();
      for (const port of ports) affinity.share(port.key, port);
      const changes = ports.map((port) => [port.key, port] as const);
      const base = baseRules(options, apiServers);
      await table.rebuild(base, rendered(changes, clusterCidr, affinity));
      logRefused(log, affinity.takeRefused());
    },
    async change(changes) {
      // First: a port that comes in the same change may take their part.
      for (const [key, port] of changes) if (!port) affinity.share(key, undefined);
      await table.change(rendered(changes, clusterCidr, affinity));
      logRefused(log, affinity.takeRefused());
    },
    intact: () => table.intact(),
    conflicts: (key) => table.conflicts(key),
    close() {
      table.close();
      return Promise.resolve();
    },
  };
}

function logRefused(log: Logger, refused: readonly string[]): void {
  if (refused.length === 0) return;
  log.warn("Service ports have no session affinity: others have their namespace's part", {
    ports: refused.length,
    first: refused[0],
    remedy: "fewer ports or endpoints with it in that namespace, or another proxy mode",
  });
}

/** Renders the ports as they are asked for. */
function* rendered(
  changes: Iterable<readonly [string, ServicePort | undefined]>,
  clusterCidr: string | undefined,
  affinity: AffinityShares,
): Generator<Change> {
  for (const [owner, port] of changes) {
    const clients = affinity.share(owner, port);
    yield { owner, fragment: port && renderPort(port, clusterCidr, clients) };
  }
}

/** The mode of one table, family ip. */
export const nftablesMode = (table: string): Mode => ({
  create: (options) => nftablesRules({ ...options, table }),
  isPresent: () => Promise.resolve(nftTableExists("ip", table)),
  remove: () => deleteTable("ip", table),
});
