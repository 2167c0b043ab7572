import { mkdirSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";

/** How soon a connection that waits for the other member is tried again. */
const RETRY_MS = 20;

/**
 * One direction between two members: forwards connections to the other. While it is cut, or the
 * other member is down, a new connection stays open and silent, as over a network that loses all.
 */
export class Link {
  readonly #to: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #cut = false;

  private constructor(to: string) {
    this.#to = to;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** Listens at the socket `at`, in the place of the one at `to`. */
  static async open(at: string, to: string): Promise<Link> {
    mkdirSync(dirname(at), { recursive: true });
    const link = new Link(to);
    await new Promise<void>((resolve, reject) => {
      link.#server.once("error", reject);
      link.#server.listen(at, resolve);
    });
    return link;
  }

  set cut(cut: boolean) {
    this.#cut = cut;
    if (cut) for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.cut = true;
    this.#server.close();
  }

  #accept(from: Socket): void {
    this.#keep(from);
    this.#forward(from);
  }

  #forward(from: Socket): void {
    if (from.destroyed) return;
    if (this.#cut) return this.#later(from);
    const to = connect(this.#to);
    this.#keep(to);
    let connected = false;
    to.once("connect", () => {
      connected = true;
      from.pipe(to).pipe(from);
      from.once("close", () => to.destroy());
    });
    to.once("close", () => {
      if (connected) from.destroy();
      else this.#later(from);
    });
  }

  #later(from: Socket): void {
    setTimeout(() => this.#forward(from), RETRY_MS).unref();
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    // A connection that breaks on one side is closed on the other; the member connects again.
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#sockets.delete(socket));
  }
}
