import { applyRuleset, deleteTable, listRuleset, nftTableExists } from "@raft2kube/linux/netfilter/nft.ts";
import { NftSession } from "@raft2kube/linux/netfilter/nft-session.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { inSlices } from "@raft2kube/std/slices.ts";
import { IN_PROCESS_BYTES_MAX } from "../../limits.ts";
import type { ServicePort } from "../../plan/model.ts";
import type { Mode, Rules } from "../rules.ts";
import { type BaseOptions, baseRules } from "./base.ts";
import { isIntact, type Shape, shapeOfListing, shapeOfText } from "./drift.ts";
import { renderPort } from "./render-port.ts";
import { AffinityShares } from "./session-affinity.ts";
import { type Change, TableState } from "./table-state.ts";

const EMPTY: Shape = { rules: new Map(), elements: new Map() };

export interface NftablesRules extends Rules {
  /** Opens the sockets, if they are not: before this process opens many. */
  open(): void;
}

/** Makes the rules of kube-proxy's nftables mode: one table, changed by whole transactions. */
export function nftablesRules(options: BaseOptions): NftablesRules {
  const { table, clusterCidr } = options;
  let state = new TableState(table);
  let affinity = new AffinityShares();
  let base = EMPTY;
  /** The ruleset's generation with our rules; undefined: not compared since others changed it. */
  let generation: number | undefined;
  let session: NftSession | undefined;
  const endSession = () => {
    session?.[Symbol.dispose]();
    session = undefined;
  };
  /** `isWhole`: the text replaces the table, including changes by other programs. */
  const apply = async (text: string, isWhole: boolean) => {
    session ??= new NftSession();
    const before = session.generation();
    const isOurs = isWhole || generation === before;
    generation = undefined;
    try {
      const isLong = text.length > IN_PROCESS_BYTES_MAX;
      await (isLong || !session.canApply ? applyRuleset(text) : session.apply(text));
    } catch (thrown) {
      endSession();
      throw thrown;
    }
    if (isOurs && session.generation() === before + 1) generation = before + 1;
  };
  return {
    open() {
      session ??= new NftSession();
    },
    async rebuild(ports, apiServers) {
      state = new TableState(table);
      affinity = new AffinityShares();
      for (const port of ports) affinity.share(port.key, port);
      const changes = ports.map((port) => [port.key, port] as const);
      const text = baseRules(options, apiServers);
      base = shapeOfText(text);
      const steps = state.apply(rendered(changes, clusterCidr, affinity));
      await apply(text + await inSlices(steps), true);
    },
    async change(changes) {
      const statements = await inSlices(state.apply(rendered(changes, clusterCidr, affinity)));
      if (statements !== "") await apply(statements, false);
    },
    async intact() {
      session ??= new NftSession();
      const now = session.generation();
      if (generation === now) return true;
      try {
        const found = shapeOfListing(await listRuleset(["table", "ip", table]));
        if (!isIntact(found, base, state.shape())) return false;
      } catch (thrown) {
        if (isErrno(thrown, "ENOENT")) return false;
        throw thrown;
      }
      generation = now;
      return true;
    },
    conflicts: (key) => state.conflicts(key),
    close() {
      endSession();
      return Promise.resolve();
    },
  };
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
export function nftablesMode(table: string): Mode {
  return {
    create: (options) => nftablesRules({ ...options, table }),
    isPresent: () => Promise.resolve(nftTableExists("ip", table)),
    remove: () => deleteTable("ip", table),
  };
}
