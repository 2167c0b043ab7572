/** How much there is of something that several owners use. */
export interface ShareLimits {
  readonly all: number;
  /** The share of one owner. */
  readonly each: number;
  /** The part of `all` that is kept for owners that may use the reserve. */
  readonly reserved: number;
  /** The share of one owner that may use the reserve; `each` if there is none. */
  readonly eachOfReserve?: number;
}

/** The user, namespace or address that an amount is counted for. */
export interface Owner {
  readonly name: string;
  /**
   * `reserve`: may use the reserve too; `all`: is bounded neither by the reserve nor by a share, as
   * parts of the control plane are.
   */
  readonly may?: "reserve" | "all";
}

/**
 * Counts how much of a bounded resource each owner has taken. An amount that is larger than a share
 * fits if its owner has none; one that is larger than all fits alone, and leaves the reserve.
 */
export class Shares {
  readonly #limits: ShareLimits;
  readonly #owned = new Map<string, number>();
  #taken = 0;
  /** The part of `#taken` that owners without the reserve have. */
  #ordinary = 0;

  constructor(limits: ShareLimits) {
    this.#limits = limits;
  }

  /** The amount that all owners have taken. */
  get taken(): number {
    return this.#taken;
  }

  /** The amount that one owner has taken. */
  of(name: string): number {
    return this.#owned.get(name) ?? 0;
  }

  /** Whether an amount is within the owner's share. */
  isWithinShare({ name, may }: Owner, amount = 1): boolean {
    const { each, eachOfReserve = each } = this.#limits;
    const owned = this.of(name);
    const share = may === "reserve" ? eachOfReserve : each;
    return may === "all" || owned === 0 || owned + amount <= share;
  }

  /** Whether an amount is left for an owner, regardless of its share. */
  isLeft(owner: Owner, amount = 1): boolean {
    const limit = this.#limitOf(owner);
    const taken = owner.may === undefined ? this.#ordinary : this.#taken;
    const isWithin = taken === 0 || taken + amount <= limit;
    return isWithin && this.#taken + Math.min(amount, limit) <= this.#limits.all;
  }

  fits(owner: Owner, amount = 1): boolean {
    return this.isWithinShare(owner, amount) && this.isLeft(owner, amount);
  }

  /** Counts an amount for an owner, whether it fits or not. Returns how to give it back, once. */
  take(owner: Owner, amount = 1): () => void {
    const by = Math.min(amount, this.#limitOf(owner));
    let isHeld = true;
    this.#change(owner, by);
    return () => {
      if (isHeld) this.#change(owner, -by);
      isHeld = false;
    };
  }

  /** Counts one for an owner while something runs. */
  async during<T>(owner: Owner, run: () => Promise<T>): Promise<T> {
    const giveBack = this.take(owner);
    try {
      return await run();
    } finally {
      giveBack();
    }
  }

  #limitOf({ may }: Owner): number {
    const { all, reserved } = this.#limits;
    return may === undefined ? all - reserved : all;
  }

  #change({ name, may }: Owner, by: number): void {
    const owned = this.of(name) + by;
    if (owned > 0) this.#owned.set(name, owned);
    else this.#owned.delete(name);
    this.#taken += by;
    if (may === undefined) this.#ordinary += by;
  }
}

/** How much there is for groups of owners, as namespaces of pods, and for one owner of a group. */
export interface NestedLimits {
  readonly all: number;
  readonly reserved: number;
  readonly eachGroup: number;
  readonly each: number;
}

/** Counts what owners have taken of the shares of their groups. */
export class NestedShares {
  readonly #groups: Shares;
  readonly #owners: Shares;

  constructor({ eachGroup, each, ...all }: NestedLimits) {
    this.#groups = new Shares({ ...all, each: eachGroup });
    this.#owners = new Shares({ ...all, each });
  }

  /** Takes one. Returns how to give it back, once; or whose share is used up, the widest. */
  take(owner: Owner, group: Owner): (() => void) | "all" | "group" | "owner" {
    if (!this.#groups.isLeft(group)) return "all";
    if (!this.#groups.isWithinShare(group)) return "group";
    if (!this.#owners.isWithinShare(owner)) return "owner";
    const gives = [this.#groups.take(group), this.#owners.take(owner)];
    return () => gives.forEach((give) => give());
  }
}
