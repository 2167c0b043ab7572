import { createServer, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import { exposition } from "@raft2kube/observe/exposition.ts";
import type { Logger } from "@raft2kube/observe/log.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { paceHttp } from "@raft2kube/streaming/paced-http.ts";
import {
  HEALTH_CONNECTIONS_MAX,
  HEALTH_CONNECTIONS_OF_ADDRESS_MAX,
  HEALTH_CONNECTIONS_OF_ALL_MAX,
  HEALTH_LISTEN_RETRY_MS,
  HEALTHZ_PORT,
  METRICS_PORT,
} from "./limits.ts";
import type { HealthCheck } from "./plan/model.ts";

/** Health checks have no body and few headers. */
const HEADER_BYTES = 4096;
const REQUEST_TIMEOUT_MS = 5_000;
const HEADERS = {
  "content-type": "application/json",
  "x-content-type-options": "nosniff",
  connection: "close",
};

type Parts = { readonly log: Pick<Logger, "warn">; readonly clock: Pick<Clock, "after" | "now"> };

/** The state that the proxy's own health is judged by. */
type OwnState = () => { readonly isApplied: boolean; readonly failures: number };

/** The taint of a node that the cluster autoscaler is about to remove. */
const TO_BE_DELETED = "ToBeDeletedByClusterAutoscaler";

/** Whether balancers may send new connections to a node: not to one that leaves (KEP-3836). */
export const isEligible = (node: Node | undefined): boolean =>
  node?.metadata.deletionTimestamp === undefined &&
  !node?.spec?.taints?.some(({ key }) => key === TO_BE_DELETED);

/**
 * Serves the proxy's own health on all addresses (upstream's `--healthz-bind-address`): 200 while
 * the kernel has the rules, else 503; but for `/livez`, 503 on a node that is not `eligible`. A
 * port that is in use is logged, and tried again.
 */
export function serveHealthz(
  state: OwnState,
  eligible: () => boolean,
  parts: Parts,
  port = HEALTHZ_PORT,
): Server {
  return serverOf({ port }, parts, (response, path) => {
    const { isApplied, failures } = state();
    const nodeEligible = eligible();
    const isWell = isApplied && failures === 0 && (nodeEligible || path === "/livez");
    response.writeHead(isWell ? 200 : 503, HEADERS);
    const currentTime = new Date(parts.clock.now()).toISOString();
    // As upstream, it is recent whenever the rules are applied.
    const updated = isWell ? { lastUpdated: currentTime } : {};
    response.end(JSON.stringify({ ...updated, currentTime, isApplied, failures, nodeEligible }));
  });
}

/** Serves `/metrics`, and at `/proxyMode` the kind of rules, on loopback, as upstream's default. */
export function serveMetrics(
  registry: Registry,
  mode: string,
  parts: Parts,
  port = METRICS_PORT,
): Server {
  return serverOf({ host: "127.0.0.1", port }, parts, (response, path) => {
    if (path === "/proxyMode") return void response.end(mode);
    if (path !== "/metrics") return void response.writeHead(404).end();
    const pages = exposition(registry);
    void pages.then(
      ({ type, body }) => response.setHeader("content-type", type).end(body),
      (thrown: unknown) => response.writeHead(500).end(messageOf(thrown)),
    );
  });
}

/**
 * The servers of `healthCheckNodePort`: 200 if this node has ready endpoints of the Service and
 * the proxy is healthy, else 503, and upstream's JSON.
 */
export class HealthChecks {
  readonly #isHealthy: () => boolean;
  readonly #parts: Parts;
  readonly #checks = new Map<string, { check: HealthCheck; server: Server }>();

  constructor(isHealthy: () => boolean, parts: Parts) {
    this.#isHealthy = isHealthy;
    this.#parts = parts;
  }

  /** Sets or removes a Service's check. A port that is in use is logged, and tried again. */
  update(service: string, check: HealthCheck | undefined): void {
    const known = this.#checks.get(service);
    if (known && check && known.check.port === check.port) {
      known.check = check;
      return;
    }
    if (known) {
      this.#checks.delete(service);
      known.server.close();
      known.server.closeAllConnections();
    }
    if (check) this.#open(service, check);
  }

  #open(service: string, check: HealthCheck): void {
    const server = serverOf({ service, port: check.port }, this.#parts, (response) => {
      answer(response, this.#checks.get(service)?.check ?? check, this.#isHealthy());
    });
    this.#checks.set(service, { check, server });
  }

  close(): void {
    for (const service of [...this.#checks.keys()]) this.update(service, undefined);
  }
}

function serverOf(
  about: { readonly service?: string; readonly host?: string; readonly port: number },
  { log, clock }: Parts,
  respond: (response: ServerResponse, path: string) => void,
): Server {
  const server = createServer({ maxHeaderSize: HEADER_BYTES }, ({ url = "" }, response) => {
    respond(response, url);
  });
  paceHttp(server);
  boundConnections(server);
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  const listen = () => server.listen({ host: "0.0.0.0", ...about, exclusive: true });
  let retry: Timer | undefined;
  server.on("error", (error) => {
    const what = about.host ? "metrics are" : "a health check is";
    if (!retry) log.warn(`${what} not served`, { ...about, error: messageOf(error) });
    if (!server.listening) retry = clock.after(HEALTH_LISTEN_RETRY_MS, listen);
  });
  server.on("close", () => retry?.cancel());
  return listen();
}

/** The connections of all ports: each takes a descriptor of the node's process. */
const openAnywhere = new Set<Socket>();

/**
 * Bounds the connections: a new one takes the place of the oldest of its address, of its port, or
 * of all. A check takes milliseconds, so that connections which are held keep no load balancer out.
 */
function boundConnections(server: Server): void {
  const open = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    const { remoteAddress } = socket;
    const own = [...open].filter((other) => other.remoteAddress === remoteAddress);
    const bounds = [
      { of: own, most: HEALTH_CONNECTIONS_OF_ADDRESS_MAX },
      { of: [...open], most: HEALTH_CONNECTIONS_MAX },
      { of: [...openAnywhere], most: HEALTH_CONNECTIONS_OF_ALL_MAX },
    ];
    const oldest = bounds.find(({ of, most }) => of.length >= most)?.of[0];
    oldest?.destroy();
    for (const all of [open, openAnywhere]) {
      if (oldest) all.delete(oldest);
      all.add(socket);
      socket.once("close", () => all.delete(socket));
    }
  });
}

function answer(
  response: ServerResponse,
  { service, localEndpoints }: HealthCheck,
  serviceProxyHealthy: boolean,
): void {
  const [namespace, name] = service.split("/");
  const body = { service: { namespace, name }, localEndpoints, serviceProxyHealthy };
  response.writeHead(localEndpoints > 0 && serviceProxyHealthy ? 200 : 503, {
    ...HEADERS,
    "x-load-balancing-endpoint-weight": String(localEndpoints),
  });
  response.end(JSON.stringify(body));
}
