import { pipeline, Transform } from "node:stream";
import { TransportError, undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import { LEASES } from "@raft2kube/client-kube/rest/resources.ts";
import { httpTransport } from "@raft2kube/client-kube/transport/http.ts";
import type {
  HttpRequest,
  HttpResponse,
  Transport,
} from "@raft2kube/client-kube/transport/transport.ts";
import { type ControllersOptions, startControllers } from "@raft2kube/controllers/main.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { waitFor } from "../../../testing/wait.ts";
import type { ControlPlane } from "./control-plane.ts";

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

/** Gives each answer to a write so late that what it did was watched long before. */
class LateTransport implements Transport {
  readonly #transport: Transport;
  readonly #clock: Clock;
  readonly #late_ms: number;
  /** Answers that came late. */
  count = 0;

  constructor(transport: Transport, clock: Clock, late_ms: number) {
    this.#transport = transport;
    this.#clock = clock;
    this.#late_ms = late_ms;
  }

  send(request: HttpRequest): Promise<HttpResponse> {
    return this.#transport.send(request);
  }

  async fetch(request: HttpRequest): Promise<HttpResponse<Buffer>> {
    const response = await this.#transport.fetch(request);
    if (request.method === "GET") return response;
    await delay(this.#clock, this.#late_ms);
    this.count += 1;
    return response;
  }

  close(): void {
    this.#transport.close();
  }
}

type Apiserver = Pick<ControlPlane, "clock" | "connection">;

async function startOver<T extends Transport>(
  plane: Apiserver,
  transportOf: (http: Transport) => T,
  options: Partial<ControllersOptions>,
) {
  const connection = await plane.connection("admin", ["system:masters"]);
  const transport = transportOf(httpTransport(connection, plane.clock));
  // Without a pause after the first hundred requests: all are one client's here.
  const rate = { qps: 1_000, burst: 1_000 };
  const controllers = await startControllers({
    connection: { ...connection, ...rate, transport } as typeof connection,
    clusterCidr: "10.244.0.0/16",
    rootCa: "",
    clock: plane.clock,
    leaderElect: false,
    useServiceAccountCredentials: false,
    ...options,
  });
  const close = async () => {
    await controllers.close();
    transport.close();
  };
  return { transport, close };
}

/** Controllers whose informers lag: of these resources by so many milliseconds. */
export function startLagging(
  plane: Apiserver,
  lags_ms: Readonly<Record<string, number>>,
  options: Partial<ControllersOptions>,
) {
  return startOver(plane, (http) => new LaggingTransport(http, plane.clock, lags_ms), options);
}

/** Controllers whose writes are answered so many milliseconds late; `count` says how many were. */
export async function startLate(
  plane: Apiserver,
  late_ms: number,
  options: Partial<ControllersOptions>,
) {
  const { transport, close } = await startOver(
    plane,
    (http) => new LateTransport(http, plane.clock, late_ms),
    options,
  );
  return { close, count: () => transport.count };
}

/** Controllers that die, as if killed, when they have made so many writes. */
export async function startDying(
  plane: Apiserver,
  writes: number,
  options: Partial<ControllersOptions>,
) {
  const { transport, close } = await startOver(
    plane,
    (http) => new DyingTransport(http, writes),
    options,
  );
  return { died: transport.died, close };
}

const LEASE = { namespace: "kube-system", name: "kube-controller-manager" };

/**
 * Two managers with one lease: `first` leads and dies when it has made so many writes, `second`
 * stands by from the beginning.
 */
export async function startPair(
  plane: Apiserver & Pick<ControlPlane, "admin">,
  writes: number,
  options: Partial<ControllersOptions>,
) {
  const elected = { ...options, leaderElect: true };
  const first = await startDying(plane, writes, { ...elected, identity: "first" });
  const leader = async () => {
    const lease = plane.admin.resource(LEASES).get(LEASE);
    return (await undefinedIfNotFound(lease))?.spec.holderIdentity;
  };
  await waitFor("the first to lead", async () => (await leader()) === "first");
  const second = await startDying(plane, Infinity, { ...elected, identity: "second" });
  const close = async () => {
    await second.close();
    await first.close();
  };
  return { died: first.died, leader, close };
}
