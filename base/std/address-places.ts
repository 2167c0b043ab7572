/** A connection from somewhere. */
export interface Caller {
  readonly remoteAddress?: string | undefined;
  destroy(): unknown;
}

/** The most connections of one address, and of all. */
export type PlaceLimits = { readonly ofAddress: number; readonly all: number };

/**
 * Bounds connections whose clients have not shown who they are, of each address and in all. While
 * all places are taken, a connection of an address with fewer takes that of the oldest of the
 * address with most. One whose client has shown it since is taken last, and by one connection of an
 * address at a time. As many addresses as places, each with one, keep others out.
 */
export class AddressPlaces {
  readonly #limits: PlaceLimits;
  readonly #held = new Map<string, Set<Caller>>();
  /** Held connections whose clients have not shown yet who they are. */
  readonly #unshown = new Map<string, Set<Caller>>();
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
    if (count >= ofAddress || (this.#all >= all && !this.#displace(address))) {
      caller.destroy();
      return undefined;
    }
    for (const places of [this.#held, this.#unshown]) {
      const own = places.get(address) ?? new Set();
      places.set(address, own.add(caller));
    }
    this.#all++;
    return () => this.#leave(caller, address);
  }

  /** Notes that the client of a connection has shown who it is: others' are closed before its. */
  show(caller: Caller): void {
    remove(this.#unshown, caller, caller.remoteAddress ?? "");
  }

  /** Closes a connection of the address that has most, if it would still have as many. */
  #displace(address: string): boolean {
    const isFirst = !this.#unshown.has(address);
    const found =
      oldestOfMost(this.#unshown, address) ??
      (isFirst ? oldestOfMost(this.#held, address) : undefined);
    if (!found) return false;
    this.#leave(found.oldest, found.of);
    found.oldest.destroy();
    return true;
  }

  #leave(caller: Caller, address: string): void {
    remove(this.#unshown, caller, address);
    if (remove(this.#held, caller, address)) this.#all--;
  }
}

function remove(places: Map<string, Set<Caller>>, caller: Caller, address: string): boolean {
  const own = places.get(address);
  if (!own?.delete(caller)) return false;
  if (own.size === 0) places.delete(address);
  return true;
}

/** The oldest connection of the address with most, by two or more than `address` has. */
function oldestOfMost(places: ReadonlyMap<string, ReadonlySet<Caller>>, address: string) {
  let most = (places.get(address)?.size ?? 0) + 1;
  let found: { of: string; oldest: Caller } | undefined;
  for (const [of, own] of places) {
    const [oldest] = own;
    if (own.size <= most || !oldest) continue;
    most = own.size;
    found = { of, oldest };
  }
  return found;
}
