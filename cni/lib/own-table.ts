import { inNetns } from "@raft2kube/linux/namespace/netns.ts";
import {
  applyRuleset,
  deleteTable,
  listRuleset,
  nftGeneration,
  nftTableExists,
} from "@raft2kube/linux/netfilter/nft.ts";
import { OWN_TABLE_ATTEMPTS_MAX } from "../limits.ts";

/** The network namespace that a table is in; by default that of this thread. */
export interface TablePlace {
  readonly netns?: string | undefined;
  inside<T>(fn: () => T extends Promise<unknown> ? never : T): T;
}

/** The namespace of this process. */
export const HERE: TablePlace = { inside: (fn) => fn() as ReturnType<typeof fn> };

/** The namespace that is pinned at `netns`. */
export function placeAt(netns: string): TablePlace {
  return { netns, inside: (fn) => inNetns(netns, fn) };
}

/** A table of nftables that one process writes, as a whole; changes by others are undone. */
export class OwnTable {
  readonly #name: string;
  readonly #packetsFillSets: boolean;
  /** The last rules that were set, and how the kernel lists them. */
  #rules = "";
  #listing = "";
  /** Generation of the whole ruleset, when the listing was the kernel's. */
  #generation = -1;

  /** `name` is of family ip. Elements that packets add to its sets are no change by others. */
  constructor(name: string, { packetsFillSets = false } = {}) {
    this.#name = name;
    this.#packetsFillSets = packetsFillSets;
  }

  /**
   * Sets the table's content, nft's lines without the table's own, unless the kernel has it.
   * Returns whether it differed. Throws NftError.
   */
  async ensure(network: TablePlace, rules: readonly string[]): Promise<boolean> {
    const table = `table ip ${this.#name}`;
    const text = [`add ${table}`, `delete ${table}`, `add ${table}`, ...rules, ""].join("\n");
    // Before listing: a change in between is seen by the next call.
    const generation = network.inside(() => nftGeneration());
    const isSame = text === this.#rules && this.#exists(network);
    if (isSame && generation === this.#generation) return false;
    const changed = !isSame || (await this.#list(network)) !== this.#listing;
    if (changed) await this.#replace(network, text);
    this.#generation = changed ? -1 : generation;
    return changed;
  }

  /** Replaces the table, again while it is not certain that it was listed as it was set. */
  async #replace(network: TablePlace, text: string): Promise<void> {
    if (text !== this.#rules) this.#listing = "";
    this.#rules = "";
    for (let attempt = 0; attempt < OWN_TABLE_ATTEMPTS_MAX && this.#rules === ""; attempt++) {
      const before = network.inside(() => nftGeneration());
      await applyRuleset(text, namespaceOf(network));
      const listing = await this.#list(network);
      // One transaction, or the same result twice. Else others changed something, perhaps this
      // table before it was listed.
      const isCertain =
        listing === this.#listing || network.inside(() => nftGeneration()) === before + 1;
      this.#listing = listing;
      if (isCertain) this.#rules = text;
    }
  }

  /** Deletes the table; returns whether it was there. */
  async remove(network: TablePlace): Promise<boolean> {
    if (!this.#exists(network)) return false;
    await deleteTable("ip", this.#name, namespaceOf(network));
    return true;
  }

  #exists(network: TablePlace): boolean {
    return network.inside(() => nftTableExists("ip", this.#name));
  }

  /**
   * Lists what a table has of its rules. It is the same for each table that is made of them, also
   * by another process: handles in a table are counted from 1, only its own differs.
   */
  async #list(network: TablePlace): Promise<string> {
    const listed = await listRuleset(["table", "ip", this.#name], namespaceOf(network));
    return JSON.stringify(
      listed.map(({ metainfo: _version, table, set, ...other }) => {
        if (table) return { ...table, handle: undefined };
        if (!set) return other;
        return this.#packetsFillSets ? { set: [set["name"], set["handle"]] } : { set };
      }),
    );
  }
}

const namespaceOf = ({ netns }: TablePlace) => (netns === undefined ? {} : { netns });
