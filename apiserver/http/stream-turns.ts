import type { TLSSocket } from "node:tls";
import { ReadTurns, type Source } from "@raft2kube/streaming/read-turns.ts";
import { ownerOfConnection } from "../authn/owner.ts";
import { PIECES_OF_REQUEST } from "../limits.ts";

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
 * requests, or pieces of their bodies, came in. Node makes all requests of the bytes that are there
 * before anything else runs, also those that are refused: of many connections that is seconds.
 */
export class StreamTurns {
  readonly #turns = new ReadTurns();

  /** Adds a connection whose handshake is done; one of the control plane is not bounded here. */
  add(socket: TLSSocket): TurnsConnection {
    const { name: owner, may } = ownerOfConnection(socket);
    if (may === "all") return UNBOUNDED;
    // An HTTP/2 session has taken it from the socket, whose pause() has no effect then.
    const { _handle: source } = socket as unknown as { _handle: Source };
    const { came, close } = this.#turns.add(source, owner);
    return { came: () => came(PIECES_OF_REQUEST), cameOn: () => came(1), close };
  }
}
