import { isErrno } from "@raft2kube/std/errors.ts";
import { inSlices } from "@raft2kube/std/slices.ts";
import { applyRuleset } from "../nft.ts";
import { NftSession } from "../nft-session.ts";
import { isIntact, type Shape, shapeInKernel, shapeOfText } from "./shape.ts";
import { type Change, TableState } from "./table-state.ts";

/** A longer transaction is applied by the program nft, whose memory ends with it. */
const IN_PROCESS_BYTES_MAX = 1 << 20;
const EMPTY: Shape = { rules: new Map(), elements: new Map() };

/**
 * A table of family ip in the kernel, which this process alone writes: a base that is fixed, and
 * the fragments of many owners. Changed by whole transactions; one call at a time.
 */
export class NftTable {
  readonly #name: string;
  #state: TableState;
  #base = EMPTY;
  /** The ruleset's generation with our rules; undefined: not compared since others changed it. */
  #generation: number | undefined;
  #session: NftSession | undefined;

  constructor(name: string) {
    this.#name = name;
    this.#state = new TableState(name);
  }

  /** Opens the sockets, if they are not: before this process opens many. */
  open(): NftSession {
    return (this.#session ??= new NftSession());
  }

  /**
   * Replaces the table, including changes by other programs. `base` deletes and makes it. Throws
   * NftError, and nothing is changed then.
   */
  async rebuild(base: string, changes: Iterable<Change>): Promise<void> {
    this.#state = new TableState(this.#name);
    this.#base = shapeOfText(base);
    await this.#apply(base + (await inSlices(this.#state.apply(changes))), true);
  }

  /** Applies what differs. After NftError the caller has to rebuild. */
  async change(changes: Iterable<Change>): Promise<void> {
    const statements = await inSlices(this.#state.apply(changes));
    if (statements !== "") await this.#apply(statements, false);
  }

  /** Whether the kernel has every chain with its rules, and every set with its elements. */
  async intact(): Promise<boolean> {
    const now = this.open().generation();
    if (this.#generation === now) return true;
    try {
      const wanted = this.#state.shape();
      const found = await inSlices(shapeInKernel(this.#name, wanted.elements.keys()));
      if (!isIntact(found, this.#base, wanted)) return false;
    } catch (thrown) {
      if (isErrno(thrown, "ENOENT")) return false;
      // Others write rules all the time: the next look compares.
      if (isErrno(thrown, "EINTR")) return true;
      throw thrown;
    }
    this.#generation = now;
    return true;
  }

  /** Returns the elements that `owner` needs with another value than the one that applies. */
  conflicts(owner: string): { key: string; owner: string }[] {
    return this.#state.conflicts(owner);
  }

  /** Ends the session; the table stays. */
  close(): void {
    this.#session?.[Symbol.dispose]();
    this.#session = undefined;
  }

  async #apply(text: string, isWhole: boolean): Promise<void> {
    const session = this.open();
    const before = session.generation();
    const isOurs = isWhole || this.#generation === before;
    this.#generation = undefined;
    try {
      const isLong = text.length > IN_PROCESS_BYTES_MAX;
      await (isLong || !session.canApply ? applyRuleset(text) : session.apply(text));
    } catch (thrown) {
      this.close();
      throw thrown;
    }
    if (isOurs && session.generation() === before + 1) this.#generation = before + 1;
  }
}
