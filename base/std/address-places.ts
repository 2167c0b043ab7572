/** A connection from somewhere. */
export interface Caller {
  readonly remoteAddress?: string | undefined;
  destroy(): unknown;
}

/** The most connections of one address, and of all. */
export interface PlaceLimits {
  readonly ofAddress: number;
  readonly all: number;
}

/**
 * Bounds connections whose clients have not shown who they are, of each address and in all. While
 * all places are taken, a connection of an address with fewer takes that of the oldest of the
 * address with most: however many addresses hold as many as they may, they keep no other out.
 */
export class AddressPlaces {
  readonly #limits: PlaceLimits;
  readonly #held = new Map<string, Set<Caller>>();
  #all = 0;

  constructor(limits: PlaceLimits) {
    this.#limits = limits;
  }

  /**
   * Gives a connection a place, and returns how to give it back, which may be called several times;
   * without a place the connection is closed.
   */
  take(caller: Caller): (() => void) | undefined {
    const address = caller.remoteAddress ?? "";
    const { ofAddress, all } = this.#limits;
    const count = this.#held.get(address)?.size ?? 0;
    if (count >= ofAddress || (this.#all >= all && !this.#displace(count))) {
      caller.destroy();
      return undefined;
    }
    const own = this.#held.get(address) ?? new Set();
    this.#held.set(address, own.add(caller));
    this.#all++;
    return () => this.#leave(caller, address);
  }

  /** Closes a connection of the address that has most, if it would still have as many. */
  #displace(count: number): boolean {
    let most: readonly [string, ReadonlySet<Caller>] | undefined;
    for (const each of this.#held) if (each[1].size > (most?.[1].size ?? count + 1)) most = each;
    const [oldest] = most?.[1] ?? [];
    if (!most || !oldest) return false;
    this.#leave(oldest, most[0]);
    oldest.destroy();
    return true;
  }

  #leave(caller: Caller, address: string): void {
    const own = this.#held.get(address);
    if (!own?.delete(caller)) return;
    if (own.size === 0) this.#held.delete(address);
    this.#all--;
  }
}
