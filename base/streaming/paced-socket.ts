import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import type { InputTurns } from "@raft2kube/std/input-turns.ts";

type Done = (error?: Error | null) => void;

/**
 * A connection whose input takes turns with others'. Node's parser of HTTP/1.1 reads a net.Socket
 * below JavaScript, all that has come in one go; it reads other streams chunk by chunk.
 */
export class PacedSocket extends Duplex {
  readonly #socket: Socket;

  constructor(socket: Socket, turns: Pick<InputTurns, "receive">) {
    super({ readableHighWaterMark: socket.readableHighWaterMark });
    this.on("error", () => this.destroy());
    this.#socket = socket;
    socket.on("data", (chunk) => turns.receive(socket, () => this.push(chunk)));
    // An end comes also while its source is paused; what came before it goes first.
    socket.on("end", () => turns.receive(socket, () => this.push(null)));
    socket.on("timeout", () => this.emit("timeout"));
    socket.on("error", (error) => this.destroy(error));
    socket.on("close", () => {
      if (!socket.readableEnded || this.readableEnded) this.destroy();
      else this.once("end", () => this.destroy());
    });
  }

  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress;
  }

  /** Node's server ends connections that are kept alive and idle by it. */
  setTimeout(timeout_ms: number): this {
    this.#socket.setTimeout(timeout_ms);
    return this;
  }

  /** Node's server ends connections by it that take no other request. */
  destroySoon(): void {
    this.end(() => this.destroy());
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _writev(chunks: { chunk: Buffer; encoding: BufferEncoding }[], done: Done): void {
    this.#socket.cork();
    chunks.forEach(({ chunk, encoding }, i) => {
      this.#socket.write(chunk, encoding, i === chunks.length - 1 ? done : undefined);
    });
    this.#socket.uncork();
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, done: Done): void {
    this.#socket.write(chunk, encoding, done);
  }

  override _final(done: Done): void {
    this.#socket.end(() => done());
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#socket.destroy();
    done(error);
  }
}
