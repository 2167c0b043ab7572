import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import type { InputTurns } from "@raft2kube/std/input-turns.ts";

type Done = (error?: Error | null) => void;

/**
 * A connection whose input takes turns with others'. Node's parser of HTTP/1.1 reads a net.Socket
 * below JavaScript, all that has come in one go; it reads other streams chunk by chunk.
 */
export class PacedSocket extends Duplex {
  /** The connection itself. */
  readonly source: Socket;

  constructor(socket: Socket, turns: Pick<InputTurns, "receive">, owner?: string) {
    super({ readableHighWaterMark: socket.readableHighWaterMark });
    this.on("error", () => this.destroy());
    this.source = socket;
    socket.on("data", (chunk) => turns.receive(socket, () => this.push(chunk), owner));
    // An end comes also while its source is paused; what came before it goes first.
    socket.on("end", () => turns.receive(socket, () => this.push(null), owner));
    socket.on("timeout", () => this.emit("timeout"));
    socket.on("error", (error) => this.destroy(error));
    socket.on("close", () => {
      if (!socket.readableEnded || this.readableEnded) this.destroy();
      else this.once("end", () => this.destroy());
    });
  }

  get remoteAddress(): string | undefined {
    return this.source.remoteAddress;
  }

  get alpnProtocol(): TLSSocket["alpnProtocol"] {
    return (this.source as TLSSocket).alpnProtocol;
  }

  /** Node's server ends connections that are kept alive and idle by it. */
  setTimeout(timeout_ms: number): this {
    this.source.setTimeout(timeout_ms);
    return this;
  }

  /** Node's server ends connections by it that take no other request. */
  destroySoon(): void {
    this.end(() => this.destroy());
  }

  override _read(): void {
    this.source.resume();
  }

  override _writev(chunks: { chunk: Buffer; encoding: BufferEncoding }[], done: Done): void {
    this.source.cork();
    chunks.forEach(({ chunk, encoding }, i) => {
      this.source.write(chunk, encoding, i === chunks.length - 1 ? done : undefined);
    });
    this.source.uncork();
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, done: Done): void {
    this.source.write(chunk, encoding, done);
  }

  override _final(done: Done): void {
    this.source.end(() => done());
  }

  override _destroy(error: Error | null, done: Done): void {
    this.source.destroy();
    done(error);
  }
}

/** The connection of a request, of a server whose connections are paced or of another. */
export const sourceOf = (socket: Duplex): Socket =>
  socket instanceof PacedSocket ? socket.source : (socket as Socket);
