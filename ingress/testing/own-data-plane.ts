import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, request, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { freePort } from "../../testing/free-port.ts";
import { waitFor } from "../../testing/wait.ts";
import { command, currentWorker, DataPlane } from "../haproxy/data-plane.ts";
import type { Backend, Endpoint, Plan, Site } from "../plan/model.ts";

const HAPROXY = "/usr/sbin/haproxy";

/** A haproxy of the test, its data plane and its port. */
export class OwnDataPlane {
  readonly dir: string;
  readonly port: number;
  readonly tlsPort: number;
  readonly dataPlane: DataPlane;
  readonly #haproxy: ChildProcess;

  private constructor(dir: string, ports: [number, number], plane: DataPlane, child: ChildProcess) {
    this.dir = dir;
    [this.port, this.tlsPort] = ports;
    this.dataPlane = plane;
    this.#haproxy = child;
  }

  static async start(): Promise<OwnDataPlane> {
    const dir = await mkdtemp(join(tmpdir(), "r2k-ingress-"));
    const ports: [number, number] = [await freePort(), await freePort()];
    const clock = systemClock();
    const plane = new DataPlane({ dir, haproxy: HAPROXY, clock });
    await plane.prepare({ frontends: [], backends: new Map() });
    const master = join(dir, "master.sock");
    const config = join(dir, "current/haproxy.cfg");
    const args = ["-W", "-S", `${master},mode,600`, "-f", config];
    const child = spawn(HAPROXY, args, { stdio: "ignore" });
    await waitFor("haproxy", async () => (await command(master, "show proc")).includes("worker"), {
      clock,
    });
    return new OwnDataPlane(dir, ports, plane, child);
  }

  /** Applies sites on the port for HTTP. */
  async apply(sites: readonly Site[], backends: readonly Backend[]): Promise<void> {
    await this.dataPlane.apply(this.planOf(sites, backends));
  }

  planOf(sites: readonly Site[], backends: readonly Backend[]): Plan {
    const frontend = { name: "http", binds: [{ port: this.port }], sites };
    return { frontends: [frontend], backends: new Map(backends.map((each) => [each.name, each])) };
  }

  /** The process that serves; each reload starts another. */
  async worker(): Promise<number | undefined> {
    return currentWorker(await command(join(this.dir, "master.sock"), "show proc"));
  }

  get(host: string, path: string, options: AskOptions = {}): Promise<Answer> {
    return askHttp(this.port, host, path, options);
  }

  async close(): Promise<void> {
    this.#haproxy.kill("SIGTERM");
    await once(this.#haproxy, "exit");
    await rm(this.dir, { recursive: true });
  }
}

export interface AskOptions {
  readonly method?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string;
  /** The client's address, of loopback. */
  readonly localAddress?: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** One request of its own connection. */
export function askHttp(
  port: number,
  host: string,
  path: string,
  options: AskOptions = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { method = "GET", headers = {}, body, localAddress } = options;
    const call = request(
      {
        host: "127.0.0.1",
        port,
        path,
        method,
        agent: false,
        headers: { ...headers, host },
        ...(localAddress && { localAddress }),
      },
      (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (part: string) => (text += part));
        response.on("end", () => {
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text });
        });
      },
    );
    call.on("error", reject).end(body);
  });
}

/** A server that answers with its name, and with what it was asked. */
export type EchoServer = { readonly server: Server; readonly endpoint: Endpoint };

export interface Echoed {
  readonly name: string;
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string>;
}

export async function echoServer(name: string): Promise<EchoServer> {
  const server = createServer((asked, response) => {
    const { method, url, headers } = asked;
    asked.resume().on("end", () => {
      response.setHeader("x-served-by", name);
      response.end(JSON.stringify({ name, method, url, headers }));
    });
  });
  const port = await freePort();
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return { server, endpoint: { address: "127.0.0.1", port } };
}

/** A backend of one target. */
export function backendOf(
  name: string,
  endpoints: readonly Endpoint[],
  more: Partial<Backend> = {},
): Backend {
  return { name, targets: [{ weight: 1, endpoints, isHttp2: false }], filters: [], ...more };
}
