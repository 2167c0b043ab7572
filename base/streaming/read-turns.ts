import { PIECES_OF_TURN_MAX } from "./limits.ts";

/** The native part of a socket of Node's, which takes bytes from the kernel. */
export interface Source {
  readStop(): unknown;
  readStart(): unknown;
}

interface Owned {
  readonly sources: Set<Source>;
  /** Sources of which a piece came in this round: they are read again when the others were. */
  readonly served: Set<Source>;
  /** Pieces that came in this turn. */
  came: number;
  /** Whether no more is read in this turn. */
  isHeld: boolean;
  /** Whether some wait for the others: an immediate starts the next turn. */
  isRound: boolean;
}

/** A connection of an owner. */
export interface ReadConnection {
  /** Input has come that costs as much as so many pieces. */
  came(pieces: number): void;
  close(): void;
}

/**
 * Reads no more of an owner's connections in a turn of the event loop in which many pieces of input
 * came in. The next turns are of those that were not read. Node hands all over that is there before
 * anything else runs, a record of TLS at a time, which may have one byte: of many connections that
 * is seconds.
 */
export class ReadTurns {
  readonly #owners = new Map<string, Owned>();

  /** Adds a connection of an owner. */
  add(source: Source, owner: string): ReadConnection {
    const owned = this.#owners.get(owner) ?? newOwned();
    this.#owners.set(owner, owned);
    owned.sources.add(source);
    return {
      came: (pieces) => came(owned, source, pieces),
      close: () => {
        owned.sources.delete(source);
        owned.served.delete(source);
        if (owned.sources.size === 0) this.#owners.delete(owner);
      },
    };
  }
}

const newOwned = (): Owned => ({
  sources: new Set(),
  served: new Set(),
  came: 0,
  isHeld: false,
  isRound: false,
});

function came(owned: Owned, source: Source, pieces: number): void {
  owned.served.add(source);
  if (owned.came === 0 && !owned.isRound) setImmediate(() => nextTurn(owned));
  owned.came += pieces;
  if (owned.came < PIECES_OF_TURN_MAX || owned.isHeld) return;
  owned.isHeld = true;
  for (const each of owned.sources) each.readStop();
}

/** Goes on with a round as long as it had too many pieces for one turn. */
function nextTurn(owned: Owned): void {
  const { isHeld, isRound, sources, served } = owned;
  owned.came = 0;
  owned.isHeld = false;
  owned.isRound = isHeld;
  const next = isHeld ? sources.difference(served) : served;
  if (isHeld || isRound) for (const source of next) source.readStart();
  if (isHeld) setImmediate(() => nextTurn(owned));
  else served.clear();
}
