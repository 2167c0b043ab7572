import type { TLSSocket } from "node:tls";
import { ownerOfConnection } from "../authn/owner.ts";
import { PIECES_OF_REQUEST, REQUESTS_OF_READ_MAX } from "../limits.ts";

/** The native part of a socket of Node's, which takes bytes from the kernel. */
interface Source {
  readStop(): unknown;
  readStart(): unknown;
}

interface Owned {
  readonly sources: Set<Source>;
  /** Sources of which a request came in this round: they are read again when the others were. */
  readonly served: Set<Source>;
  /** Requests that came in this turn, and parts of one for pieces of bodies. */
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
  /** A piece of a body has come in. */
  cameOn(): void;
  close(): void;
}

const ignore = () => undefined;
const UNBOUNDED: TurnsConnection = { came: ignore, cameOn: ignore, close: ignore };

/**
 * Reads no more of an owner's HTTP/2 connections in a turn of the event loop in which many of its
 * requests, or pieces of their bodies, came in. The next turns are of those that were not read.
 * Node makes all requests of the bytes that are there before anything else runs, also those that
 * are refused: of many connections that is seconds.
 */
export class StreamTurns {
  readonly #owners = new Map<string, Owned>();

  /** Adds a connection whose handshake is done; one of the control plane is not bounded here. */
  add(socket: TLSSocket): TurnsConnection {
    const { name: owner, may } = ownerOfConnection(socket);
    if (may === "all") return UNBOUNDED;
    // An HTTP/2 session has taken it from the socket, whose pause() has no effect then.
    const { _handle: source } = socket as unknown as { _handle: Source };
    const owned = this.#owners.get(owner) ?? newOwned();
    this.#owners.set(owner, owned);
    owned.sources.add(source);
    return {
      came: () => this.#came(owned, source, 1),
      cameOn: () => this.#came(owned, source, 1 / PIECES_OF_REQUEST),
      close: () => {
        owned.sources.delete(source);
        owned.served.delete(source);
        if (owned.sources.size === 0) this.#owners.delete(owner);
      },
    };
  }

  #came(owned: Owned, source: Source, requests: number): void {
    owned.served.add(source);
    if (owned.came === 0 && !owned.isRound) setImmediate(() => nextTurn(owned));
    owned.came += requests;
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
