import { pipeline, Transform } from "node:stream";
import { TransportError } from "@raft2kube/client-kube/errors.ts";
import { httpTransport } from "@raft2kube/client-kube/transport/http.ts";
import type {
  HttpRequest,
  HttpResponse,
  Transport,
} from "@raft2kube/client-kube/transport/transport.ts";
import { type ControllersOptions, startControllers } from "@raft2kube/controllers/main.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { World } from "./world.ts";

/** Lets some writes through; from then on the process that uses it is as good as killed. */
class DyingTransport implements Transport {
  readonly #transport: Transport;
  readonly died: Promise<"died">;
  #left: number;
  #die: (value: "died") => void = () => {};
  #dead = false;

  constructor(transport: Transport, writes: number) {
    this.#transport = transport;
    this.#left = writes;
    this.died = new Promise((resolve) => {
      this.#die = resolve;
    });
  }

  async send(request: HttpRequest): Promise<HttpResponse> {
    this.#count(request);
    return this.#transport.send(request);
  }

  async fetch(request: HttpRequest): Promise<HttpResponse<Buffer>> {
    this.#count(request);
    return this.#transport.fetch(request);
  }

  #count(request: HttpRequest): void {
    const counts = request.method !== "GET" && !/\/(events|leases)/.test(request.path);
    if (this.#dead || (counts && this.#left === 0)) {
      this.#dead = true;
      this.#die("died");
      throw new TransportError("ECONNRESET", "the process was killed");
    }
    if (counts) this.#left -= 1;
  }

  close(): void {
    this.#transport.close();
  }
}

/** Brings what is watched of some resources later, each piece so long after the one before. */
class LaggingTransport implements Transport {
  readonly #transport: Transport;
  readonly #clock: Clock;
  readonly #lags_ms: Readonly<Record<string, number>>;

  constructor(transport: Transport, clock: Clock, lags_ms: Readonly<Record<string, number>>) {
    this.#transport = transport;
    this.#clock = clock;
    this.#lags_ms = lags_ms;
  }

  async send(request: HttpRequest): Promise<HttpResponse> {
    const response = await this.#transport.send(request);
    const [resource = "", query = ""] = request.path.split("/").at(-1)?.split("?") ?? [];
    const lag_ms = this.#lags_ms[resource];
    if (lag_ms === undefined || !query.includes("watch=true")) return response;
    const body = new Transform({
      transform: (piece, _encoding, done) => {
        this.#clock.after(lag_ms, () => done(null, piece));
      },
    });
    pipeline(response.body, body, () => {});
    return { ...response, body };
  }

  fetch(request: HttpRequest): Promise<HttpResponse<Buffer>> {
    return this.#transport.fetch(request);
  }

  close(): void {
    this.#transport.close();
  }
}

/** Controllers whose informers lag: of these resources by so many milliseconds. */
export async function startLagging(
  world: Pick<World, "clock" | "connection">, lags_ms: Readonly<Record<string, number>>,
  options: Partial<ControllersOptions>,
) {
  const connection = await world.connection("admin", ["system:masters"]);
  const http = httpTransport(connection, world.clock);
  const transport = new LaggingTransport(http, world.clock, lags_ms);
  const controllers = await startControllers({
    connection: { ...connection, transport } as typeof connection,
    clusterCidr: "10.244.0.0/16", rootCa: "", clock: world.clock,
    leaderElect: false, useServiceAccountCredentials: false, ...options,
  });
  return {
    async close() {
      await controllers.close();
      transport.close();
    },
  };
}

/** Controllers that die, as if killed, when they have made so many writes. */
export async function startMortal(
  world: Pick<World, "clock" | "connection">, writes: number,
  options: Partial<ControllersOptions>,
) {
  const connection = await world.connection("admin", ["system:masters"]);
  const transport = new DyingTransport(httpTransport(connection, world.clock), writes);
  const controllers = await startControllers({
    connection: { ...connection, transport } as typeof connection,
    clusterCidr: "10.244.0.0/16", rootCa: "", clock: world.clock,
    leaderElect: false, useServiceAccountCredentials: false, ...options,
  });
  return {
    died: transport.died,
    async close() {
      await controllers.close();
      transport.close();
    },
  };
}
