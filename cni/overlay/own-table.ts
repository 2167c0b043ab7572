import {
  applyRuleset, deleteTable, listRuleset, nftGeneration, nftTableExists,
} from "@raft2kube/linux/nft.ts";
import type { OverlayNetwork } from "./network.ts";

/** A table of nftables that one process writes, as a whole; changes by others are undone. */
export class OwnTable {
  readonly #name: string;
  /** The last rules that were set, and how the kernel lists them. */
  #rules = "";
  #listing = "";
  /** Of the whole ruleset, when the listing was the kernel's. */
  #generation = -1;

  /** `name` is of family ip. */
  constructor(name: string) {
    this.#name = name;
  }

  /**
   * Sets the table's content, nft's lines without the table's own, unless the kernel has it.
   * Returns whether it differed. Throws NftError.
   */
  async ensure(network: OverlayNetwork, rules: readonly string[]): Promise<boolean> {
    const table = `table ip ${this.#name}`;
    const text = [`add ${table}`, `delete ${table}`, `add ${table}`, ...rules, ""].join("\n");
    // Before listing: a change in between is seen by the next call.
    const generation = network.inside(() => nftGeneration());
    const isSame = text === this.#rules && this.#exists(network);
    if (isSame && generation === this.#generation) return false;
    const changed = !isSame || (await this.#list(network)) !== this.#listing;
    if (changed) {
      await applyRuleset(text, namespaceOf(network));
      this.#rules = text;
      this.#listing = await this.#list(network);
    }
    this.#generation = changed ? -1 : generation;
    return changed;
  }

  /** Deletes the table; returns whether it was there. */
  async remove(network: OverlayNetwork): Promise<boolean> {
    if (!this.#exists(network)) return false;
    await deleteTable("ip", this.#name, namespaceOf(network));
    return true;
  }

  #exists(network: OverlayNetwork): boolean {
    return network.inside(() => nftTableExists("ip", this.#name));
  }

  async #list(network: OverlayNetwork): Promise<string> {
    const listed = await listRuleset(["table", "ip", this.#name], namespaceOf(network));
    return JSON.stringify(listed);
  }
}

const namespaceOf = ({ netns }: OverlayNetwork) => (netns === undefined ? {} : { netns });
