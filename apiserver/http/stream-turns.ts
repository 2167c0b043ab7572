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
  /** Requests that came in this turn. While it is not 0, an immediate starts the next turn. */
  came: number;
  isHeld: boolean;
}

/** A connection of an owner. */
export interface TurnsConnection {
  /** A request has come in. */
  came(): void;
  close(): void;
}

const UNBOUNDED: TurnsConnection = { came: () => undefined, close: () => undefined };

/**
 * Reads no more of an address's connections without a certificate in a turn of the event loop in
 * which many of its requests came in. Node makes all requests of the bytes that are there before
 * anything else runs, also those that are refused: of many connections that is seconds.
 */
export class StreamTurns {
  readonly #owners = new Map<string, Owned>();

  /** Adds a connection whose handshake is done; one with a certificate is not bounded here. */
  add(socket: TLSSocket): TurnsConnection {
    if (certifiedUser(socket) !== undefined) return UNBOUNDED;
    const owner = ownerOfAddress(socket).name;
    // An HTTP/2 session has taken it from the socket, whose pause() has no effect then.
    const { _handle: source } = socket as unknown as { _handle: Source };
    const owned = this.#owners.get(owner) ?? { sources: new Set(), came: 0, isHeld: false };
    this.#owners.set(owner, owned);
    owned.sources.add(source);
    return {
      came: () => this.#came(owned),
      close: () => {
        owned.sources.delete(source);
        if (owned.sources.size === 0) this.#owners.delete(owner);
      },
    };
  }

  #came(owned: Owned): void {
    if (owned.came++ === 0) setImmediate(() => nextTurn(owned));
    if (owned.came < REQUESTS_OF_READ_MAX || owned.isHeld) return;
    owned.isHeld = true;
    for (const source of owned.sources) source.readStop();
  }
}

function nextTurn(owned: Owned): void {
  owned.came = 0;
  if (!owned.isHeld) return;
  owned.isHeld = false;
  for (const source of owned.sources) source.readStart();
}
