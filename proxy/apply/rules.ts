import type { Logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { ServicePort } from "../plan/model.ts";

/** Changed Service ports by key; `undefined`: the port was removed. */
export type PortChanges = ReadonlyMap<string, ServicePort | undefined>;

/** A frontend that a port wants and another port has. */
export type Conflict = { key: string; owner: string };

/**
 * The kernel's rules for all Services, in the network namespace of this process. One call runs at a
 * time. Each mode is one implementation; `test/contract/proxy` judges all of them.
 */
export interface Rules {
  /**
   * Replaces what is there by rules for these ports only. `apiServers`: IPv4 addresses by which
   * this node reaches the API, which no external address of a Service may take over.
   */
  rebuild(ports: readonly ServicePort[], apiServers: readonly string[]): Promise<void>;
  /** Applies changes. `rebuild` must follow an error. */
  change(changes: PortChanges): Promise<void>;
  /** Whether the kernel still has what was applied; false: another program changed it. */
  intact(): Promise<boolean>;
  /** Returns the frontends of a port that belong to another Service, and their owner. */
  conflicts(key: string): Conflict[];
  /** Ends what this process itself does for the mode; the kernel's rules stay. */
  close(): Promise<void>;
}

/** Options of every mode. */
export interface RulesOptions {
  /** Addresses of this node that serve node ports; undefined: all except loopback. */
  nodePortAddresses?: string[] | undefined;
  /** The range of all pods. */
  clusterCidr?: string | undefined;
  /** IPVS mode: how a virtual server chooses. Default rr. */
  ipvsScheduler?: string | undefined;
  /** IPVS mode: the node answers ARP for an address only on the interface that has it. */
  strictArp?: boolean | undefined;
  clock: Clock;
  log: Logger;
}

/** One kind of rules. */
export interface Mode {
  create(options: RulesOptions): Rules;
  /** Whether this namespace has something of the mode; cheap, asked at each start. */
  isPresent(): Promise<boolean>;
  /** Removes all that the mode left in this namespace, and nothing else. */
  remove(): Promise<void>;
}
