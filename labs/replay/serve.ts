import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** Browsers' windows that are informed of a newer page. */
const WINDOWS_MAX = 16;
const HEADERS = { "cache-control": "no-store", "x-content-type-options": "nosniff" };

/** Serves one page on the loopback address, and reloads open windows when it has changed. */
export class PageServer {
  readonly #server: Server;
  readonly #windows = new Set<ServerResponse>();
  #page = notice("The first run is not recorded yet.");

  private constructor() {
    this.#server = createServer((request, response) => {
      response.on("error", () => this.#windows.delete(response));
      if (!this.#isForUs(request.headers.host)) return refuse(response, 403);
      if (request.url === "/changes") return this.#addWindow(response);
      if (request.url !== "/") return refuse(response, 404);
      response.writeHead(200, { ...HEADERS, "content-type": "text/html; charset=utf-8" });
      response.end(this.#page);
    });
  }

  /** Listens on a port of 127.0.0.1, a free one for 0. Rejects when it is taken. */
  static listen(port: number): Promise<PageServer> {
    const pages = new PageServer();
    return new Promise((resolve, reject) => {
      pages.#server.once("error", reject);
      pages.#server.listen(port, "127.0.0.1", () => resolve(pages));
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  /** Replaces the page; open windows load it again. */
  publish(page: string): void {
    this.#page = page;
    for (const window of this.#windows) window.write("data: changed\n\n");
  }

  /** Reports to open windows what the judge does; the page stays. */
  publishState(state: "judging"): void {
    for (const window of this.#windows) window.write(`data: ${state}\n\n`);
  }

  /** Replaces the page by a line of text. */
  publishNotice(text: string): void {
    this.publish(notice(text));
  }

  close(): Promise<void> {
    for (const window of this.#windows) window.end();
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  /** A page of another host whose name leads here must not read it. */
  #isForUs(host: string | undefined): boolean {
    return /^(127\.0\.0\.1|localhost):\d+$/.test(host ?? "");
  }

  #addWindow(response: ServerResponse): void {
    if (this.#windows.size >= WINDOWS_MAX) return refuse(response, 503);
    response.writeHead(200, { ...HEADERS, "content-type": "text/event-stream" });
    response.flushHeaders();
    this.#windows.add(response);
    response.on("close", () => this.#windows.delete(response));
  }
}

/** A page that is loaded again, as a replay is, when there is a newer one. */
function notice(text: string): string {
  const escaped = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  const reload =
    'new EventSource("changes").onmessage = ' +
    '({ data }) => data === "changed" && location.reload();';
  const icon = '<link rel="icon" href="data:,">';
  return `<!doctype html><title>Replay</title>${icon}<p>${escaped}</p><script>${reload}</script>\n`;
}

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, HEADERS);
  response.end();
}
