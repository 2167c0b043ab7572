import { applyRuleset, deleteTable, nftTableExists } from "@raft2kube/linux/nft.ts";
import type { ServicePort } from "../../plan/model.ts";
import { type BaseOptions, baseRules } from "./base.ts";
import { renderPort } from "./fragment.ts";
import { type Change, TableState } from "./table-state.ts";

/** Changed Service ports by key; `undefined`: the port was removed. */
export type PortChanges = ReadonlyMap<string, ServicePort | undefined>;

/** The kernel's rules for all Services: one nft table, changed by whole transactions. */
export interface Rules {
  /**
   * Replaces the table by one with these ports only. `apiServers`: IPv4 addresses by which this
   * node reaches the API, which no external address of a Service may take over.
   */
  rebuild(ports: readonly ServicePort[], apiServers: readonly string[]): Promise<void>;
  /** Applies changes. After an error the table is unchanged and `rebuild` must follow. */
  change(changes: PortChanges): Promise<void>;
  /** Whether the table exists. Asks the kernel, without a process. */
  present(): boolean;
  /** Returns the frontends of a port that belong to another Service, their owner. */
  conflicts(key: string): { key: string; owner: string }[];
}

/** Makes the rules of kube-proxy's nftables mode. */
export function nftablesRules(options: BaseOptions): Rules {
  const { table, clusterCidr } = options;
  let state = new TableState(table);
  const toChange = (key: string, port: ServicePort | undefined): Change => {
    return { owner: key, fragment: port && renderPort(port, clusterCidr) };
  };
  return {
    async rebuild(ports, apiServers) {
      state = new TableState(table);
      const changes = ports.map((port) => toChange(port.key, port));
      await applyRuleset(baseRules(options, apiServers) + state.apply(changes));
    },
    async change(changes) {
      const statements = state.apply([...changes].map(([key, port]) => toChange(key, port)));
      if (statements !== "") await applyRuleset(statements);
    },
    present: () => nftTableExists("ip", table),
    conflicts: (key) => state.conflicts(key),
  };
}

/** Deletes the table. */
export function removeNftables(table: string): Promise<void> {
  return deleteTable("ip", table);
}
