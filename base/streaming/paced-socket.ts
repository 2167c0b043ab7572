import type { Http2Session } from "node:http2";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { GrowingBytes } from "@raft2kube/std/growing-bytes.ts";
import type { InputTurns } from "@raft2kube/std/input-turns.ts";
import { type ReadConnection, ReadTurns, type Source } from "./read-turns.ts";

type Done = (error?: Error | null) => void;

/** The native part of a socket, and whether Node reads it. */
type Native = Source & { readonly reading?: boolean };

/** The turns in which this process reads its connections. */
const reads = new ReadTurns();

/**
 * A connection whose input takes turns with others'. Node's parser of HTTP/1.1 reads a net.Socket
 * below JavaScript, all that has come in one go; it reads other streams chunk by chunk.
 */
export class PacedSocket extends Duplex {
  /** The connection itself. */
  readonly source: Socket;
  /** Takes input, now or in a later turn. */
  readonly #receive: (take: () => boolean) => void;
  readonly #read: ReadConnection | undefined;
  /** Whether the source is not to be read. */
  #isHeld = false;
  /** Input of a read under way when the source was held: records of TLS may have one byte each. */
  readonly #rest = new GrowingBytes();

  constructor(socket: Socket, turns: Pick<InputTurns, "receive">, owner = "") {
    super({ readableHighWaterMark: socket.readableHighWaterMark });
    this.on("error", () => this.destroy());
    this.source = socket;
    const inflow = { pause: () => this.#hold(), resume: () => this.#goOn() };
    this.#receive = (take) => turns.receive(inflow, take, owner);
    const native = {
      readStop: () => this.#native?.readStop(),
      readStart: () => this.#isHeld || this.#readOn(),
    };
    // A socket that is destroyed already emits no close.
    this.#read = this.#native ? reads.add(native, owner) : undefined;
    socket.on("data", (chunk: Buffer) => {
      this.came(1);
      if (this.#isHeld) this.#rest.append(chunk);
      else this.#receive(() => this.push(chunk));
    });
    // An end comes also while its source is held; what came before it goes first.
    socket.on("end", () => {
      this.#receiveRest();
      this.#receive(() => this.push(null));
    });
    socket.on("timeout", () => this.emit("timeout"));
    socket.on("error", (error) => this.destroy(error));
    socket.on("close", () => {
      this.#read?.close();
      if (!socket.readableEnded || this.readableEnded) this.destroy();
      else this.once("end", () => this.destroy());
    });
  }

  /** Input has come that costs as much as so many pieces. */
  came(pieces: number): void {
    this.#read?.came(pieces);
  }

  get remoteAddress(): string | undefined {
    return this.source.remoteAddress;
  }

  get alpnProtocol(): TLSSocket["alpnProtocol"] {
    return (this.source as TLSSocket).alpnProtocol;
  }

  /** Node's agents keep connections by these. */
  setKeepAlive(enable: boolean, delay_ms: number): this {
    this.source.setKeepAlive(enable, delay_ms);
    return this;
  }

  ref(): this {
    this.source.ref();
    return this;
  }

  unref(): this {
    this.source.unref();
    return this;
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
    this.#goOn();
  }

  /** Returns the native part of a socket of Node's that is not destroyed. */
  get #native(): Native | null | undefined {
    return (this.source as Socket & { _handle?: Native | null })._handle;
  }

  /** A pause of Node's takes effect when 64 KiB wait, each byte of which may be an object. */
  #hold(): void {
    this.#isHeld = true;
    if (this.#native) this.#native.readStop();
    else this.source.pause();
  }

  #goOn(): void {
    const wasHeld = this.#isHeld;
    this.#isHeld = false;
    this.#receiveRest();
    if (this.#isHeld) return;
    if (wasHeld) this.#readOn();
    this.source.resume();
  }

  /** Reads on, unless Node does not read yet: it destroys a socket that is read before its start. */
  #readOn(): void {
    if (this.#native?.reading) this.#native.readStart();
  }

  #receiveRest(): void {
    if (this.#rest.length === 0) return;
    const rest = this.#rest.take();
    this.#receive(() => this.push(rest));
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

/** The paced connection of an HTTP/2 session, which Node reads by a socket of its own. */
export function pacedOf({ socket }: Http2Session): PacedSocket | undefined {
  const { stream } = socket as Socket & { stream?: Duplex };
  return stream instanceof PacedSocket ? stream : undefined;
}
