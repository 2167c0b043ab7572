import { applyRuleset, deleteTable, nftTableExists } from "@raft2kube/linux/nft.ts";
import type { ServicePort } from "../../plan/model.ts";
import { type BaseOptions, baseRules } from "./base.ts";
import { renderPort } from "./fragment.ts";
import { type Change, Ledger } from "./ledger.ts";

/** Changed Service ports by key; `undefined`: that port is no more. */
export type PortChanges = ReadonlyMap<string, ServicePort | undefined>;

/** The kernel's rules for all Services: one nft table, changed by whole transactions. */
export interface Rules {
  /**
   * Builds the table anew with these ports and nothing else. `apiServers`: IPv4 addresses by which
   * this node reaches the API, which no external address of a Service takes over.
   */
  rebuild(ports: readonly ServicePort[], apiServers: readonly string[]): Promise<void>;
  /** Applies what changed since. After an error the table is as before, and `rebuild` is due. */
  change(changes: PortChanges): Promise<void>;
  /** Whether they are still there. Asks the kernel, without a process. */
  present(): boolean;
  /** Fronts of a port that another Service holds. */
  conflicts(key: string): { key: string; holder: string }[];
}

export function nftablesRules(options: BaseOptions): Rules {
  const { table, clusterCidr } = options;
  let ledger = new Ledger(table);
  const toChange = (key: string, port: ServicePort | undefined): Change => {
    return { owner: key, fragment: port && renderPort(port, clusterCidr) };
  };
  return {
    async rebuild(ports, apiServers) {
      ledger = new Ledger(table);
      const changes = ports.map((port) => toChange(port.key, port));
      await applyRuleset(baseRules(options, apiServers) + ledger.apply(changes));
    },
    async change(changes) {
      const statements = ledger.apply([...changes].map(([key, port]) => toChange(key, port)));
      if (statements !== "") await applyRuleset(statements);
    },
    present: () => nftTableExists("ip", table),
    conflicts: (key) => ledger.conflicts(key),
  };
}

/** Takes all rules away, as if no proxy had been here. */
export function removeNftables(table: string): Promise<void> {
  return deleteTable("ip", table);
}
