import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { getLink, openRoute, setLink } from "@raft2kube/linux/netlink/link.ts";
import { digestOf } from "@raft2kube/runtime/image/blobs.ts";

/** Brings up the loopback of the checks' own network. */
export function loopbackUp(): void {
  using route = openRoute();
  setLink(route, getLink(route, "lo"), { up: true });
}

/**
 * A registry in memory, with what the distribution spec asks of a push: each upload goes on at
 * another place, a piece must follow the one before, and only a blob of its digest is taken.
 */
export class LabRegistry {
  /** Requests, with the place of an upload as `UPLOAD`. */
  readonly requests: string[] = [];
  /** Blobs of repositories: `one/sha256:...`. */
  readonly blobs = new Map<string, Buffer>();
  readonly manifests = new Map<string, Buffer>();
  readonly #uploads = new Map<string, Buffer>();
  readonly #server = createServer((request, response) => void this.#answer(request, response));
  #count = 0;

  static async start(): Promise<LabRegistry> {
    loopbackUp();
    const registry = new LabRegistry();
    registry.#server.listen(0, "127.0.0.1");
    await once(registry.#server, "listening");
    return registry;
  }

  get domain(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, "http://registry");
    const body = await buffer(request);
    const place = url.pathname.replace(/^\/v2\//, "");
    const upload = /^(.*)\/blobs\/uploads\/(\d+)$/.exec(place);
    const shown = upload ? `${upload[1]}/UPLOAD` : place;
    const size = request.method === "PATCH" ? ` ${request.headers["content-range"]}` : "";
    this.requests.push(`${request.method} ${shown}${decodeURIComponent(url.search)}${size}`);
    const { status, location } = this.#do(request.method!, place, url.searchParams, body, request);
    response.writeHead(status, { "Content-Length": 0, ...(location && { Location: location }) });
    response.end();
  }

  #do(
    method: string,
    place: string,
    query: URLSearchParams,
    body: Buffer,
    request: IncomingMessage,
  ): { status: number; location?: string } {
    const [, repository = "", kind, rest = ""] =
      /^(.+?)\/(blobs|manifests)\/(.*)$/.exec(place) ?? [];
    if (kind === "manifests") {
      this.manifests.set(`${repository}:${rest}`, body);
      return { status: 201 };
    }
    if (method === "HEAD") return { status: this.blobs.has(`${repository}/${rest}`) ? 200 : 404 };
    if (method === "POST") return this.#begin(repository, query);
    const id = rest.replace("uploads/", "");
    const before = this.#uploads.get(id);
    if (before === undefined) return { status: 404 };
    this.#uploads.delete(id);
    if (method === "PATCH") {
      const [from, to] = (request.headers["content-range"] ?? "").split("-").map(Number);
      if (from !== before.length || to !== before.length + body.length - 1) return { status: 416 };
      return { status: 202, location: this.#open(repository, Buffer.concat([before, body])) };
    }
    const digest = query.get("digest") ?? "";
    const whole = Buffer.concat([before, body]);
    if (digestOf(whole) !== digest) return { status: 400 };
    this.blobs.set(`${repository}/${digest}`, whole);
    return { status: 201 };
  }

  #begin(repository: string, query: URLSearchParams): { status: number; location?: string } {
    const [digest, from] = [query.get("mount"), query.get("from")];
    const found = this.blobs.get(`${from}/${digest}`);
    if (!found) return { status: 202, location: this.#open(repository, Buffer.alloc(0)) };
    this.blobs.set(`${repository}/${digest}`, found);
    return { status: 201 };
  }

  #open(repository: string, bytes: Buffer): string {
    const id = String(++this.#count);
    this.#uploads.set(id, bytes);
    return `/v2/${repository}/blobs/uploads/${id}`;
  }
}
