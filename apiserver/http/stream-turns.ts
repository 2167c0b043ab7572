import type { TLSSocket } from "node:tls";
import { certifiedUser } from "../authn/client-certificate.ts";
import { ownerOfAddress } from "../authn/owner.ts";
import { REQUESTS_OF_READ_MAX } from "../limits.ts";

/** The native part of a socket of Node's, which takes bytes from the kernel. */
interface Source {
  readStop(): unknown;
  readStart(): unknown;
}

interface Owned {
  readonly sources: Set<Source>;
  /** Sources of which a request came in this round: they are read again when the others were. */
  readonly served: Set<Source>;
  /** Requests that came in this turn. */
  came: number;
  /** Whether no more is read in this turn. */
  isHeld: boolean;
  /** Whether some wait for the others: an immediate starts the next turn. */
  isRound: boolean;
}

/** A connection of an owner. */
export interface TurnsConnection {
  /** A request has come in. */
  came(): void;
  close(): void;
}

const UNBOUNDED: TurnsConnection = { came: () => undefined, close: () => undefined };

/**
 * Reads no more of an address's HTTP/2 connections without a certificate in a turn of the event
 * loop in which many of its requests came in. The next turns are of those that were not read.
 * Node makes all requests of the bytes that are there before anything else runs, also those that
 * are refused: of many connections that is seconds. HTTP/1 needs no turns, as a connection has one
 * request at a time, and may not be started here: Node stops reading bodies that wait.
 */
export class StreamTurns {
  readonly #owners = new Map<string, Owned>();

  /** Adds a connection whose handshake is done; one with a certificate is not bounded here. */
  add(socket: TLSSocket): TurnsConnection {
    if (certifiedUser(socket) !== undefined) return UNBOUNDED;
    const owner = ownerOfAddress(socket).name;
    // An HTTP/2 session has taken it from the socket, whose pause() has no effect then.
    const { _handle: source } = socket as unknown as { _handle: Source };
    const owned = this.#owners.get(owner) ?? newOwned();
    this.#owners.set(owner, owned);
    owned.sources.add(source);
    return {
      came: () => this.#came(owned, source),
      close: () => {
        owned.sources.delete(source);
        owned.served.delete(source);
        if (owned.sources.size === 0) this.#owners.delete(owner);
      },
    };
  }

  #came(owned: Owned, source: Source): void {
    owned.served.add(source);
    if (owned.came++ === 0 && !owned.isRound) setImmediate(() => nextTurn(owned));
    if (owned.came < REQUESTS_OF_READ_MAX || owned.isHeld) return;
    owned.isHeld = true;
    for (const each of owned.sources) each.readStop();
  }
}

const newOwned = (): Owned => ({
  sources: new Set(),
  served: new Set(),
  came: 0,
  isHeld: false,
  isRound: false,
});

/** Goes on with a round as long as it had too many requests for one turn. */
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
