import type { IncomingMessage, ServerResponse } from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { availableParallelism } from "node:os";
import type { Duplex } from "node:stream";
import { Authentication } from "@raft2kube/client-kube/delegated/authentication.ts";
import { limitConnections } from "@raft2kube/client-kube/delegated/connection-limits.ts";
import { HttpError } from "@raft2kube/client-kube/delegated/http-error.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { exposition } from "@raft2kube/observe/exposition.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Tracer } from "@raft2kube/observe/trace/tracer.ts";
import { KEEP_ALIVE_MS } from "@raft2kube/rpc/limits.ts";
import { TLS_FLOOR } from "@raft2kube/rpc/tls-floor.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { paceHttp } from "@raft2kube/streaming/paced-http.ts";
import { refuseUpgrade } from "@raft2kube/streaming/upgrade.ts";
import type { Runtime } from "../cri/runtime.ts";
import {
  CPU_RATE_MS_MIN,
  HANDSHAKE_TIMEOUT_MS,
  HEADER_BYTES_MAX,
  HEADERS_TIMEOUT_MS,
  REQUEST_TIMEOUT_MS,
} from "../limits.ts";
import { nodeUsage } from "../node/node-usage.ts";
import type { KubeletServerOptions } from "../options.ts";
import type { PodPaths } from "../pods/pod-paths.ts";
import type { ProbeMetrics } from "../probes/probe-metrics.ts";
import type { PodCgroups } from "../sandbox/pod-cgroup.ts";
import { type PodWorkers, shownPod } from "../sync/pod-workers.ts";
import type { PodVolumes } from "../volumes/pod-volumes.ts";
import { Authorization, accessOf } from "./authorization.ts";
import { logShares, serveContainerLogs } from "./container-logs.ts";
import { CpuRates } from "./cpu-rates.ts";
import { runsContainers, sendPodList } from "./pod-list.ts";
import { parseTarget, type RequestTarget } from "./request-target.ts";
import { resourceMetrics } from "./resource-metrics.ts";
import { podUsages } from "./stats.ts";
import { podNetworks, runtimeFilesystems, runtimeMetrics, spacesOf } from "./stats-runtime.ts";
import { claimUsages, podStorages } from "./stats-storage.ts";
import { statsSummary } from "./stats-summary.ts";
import { streamingUrl, tunnelTo } from "./streaming.ts";

const log = logger("kubelet-server");

export interface ServerContext {
  nodeName: string;
  rootDir: string;
  client: KubeClient | undefined;
  clock: Clock;
  runtime: Runtime;
  workers: PodWorkers;
  probeMetrics: ProbeMetrics;
  cgroups: PodCgroups;
  paths: PodPaths;
  volumes: PodVolumes;
  tracer?: Tracer | undefined;
}

export interface KubeletServer {
  address: { host: string; port: number };
  close(): Promise<void>;
}

/** Serves the kubelet's API over HTTPS. Rejects when the port is taken. */
export async function serveKubelet(
  options: KubeletServerOptions,
  context: ServerContext,
): Promise<KubeletServer> {
  const handler = new Handler(context);
  const server = https.createServer({
    cert: options.cert,
    key: options.key,
    ca: options.clientCa,
    requestCert: true,
    // A client without a certificate may have a token: see `Authentication`.
    rejectUnauthorized: false,
    ...TLS_FLOOR,
    maxHeaderSize: HEADER_BYTES_MAX,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionsCheckingInterval: HEADERS_TIMEOUT_MS,
  });
  paceHttp(server);
  limitConnections(server);
  server.on("request", (request, response) => void handler.request(request, response));
  server.on("upgrade", (request, socket, head) => void handler.upgrade(request, socket, head));
  const sockets = new Set<Duplex>();
  server.on("secureConnection", (socket) => {
    sockets.add(socket);
    // A client that vanished leaves a log, or a command, without traffic.
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.listen.port, options.listen.host, resolve);
  });
  server.removeAllListeners("error");
  server.on("error", (error) => log.error("the server failed", { error: error.message }));
  const { address, port } = server.address() as AddressInfo;
  return {
    address: { host: address, port },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

class Handler {
  readonly #context: ServerContext;
  readonly #authentication: Authentication;
  readonly #authorization: Authorization;
  readonly #rates = new CpuRates();
  readonly #storages: ReturnType<typeof podStorages>;
  readonly #claims: ReturnType<typeof claimUsages>;
  readonly #logs = logShares();
  readonly #started_ms: number;

  constructor(context: ServerContext) {
    const { client, clock, nodeName } = context;
    this.#context = context;
    this.#storages = podStorages(context);
    this.#claims = claimUsages(context);
    this.#authentication = new Authentication(client, clock);
    this.#authorization = new Authorization(client, nodeName, clock);
    this.#started_ms = clock.now();
  }

  async request(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const target = await this.#admit(request);
      await this.#answer(target, request, response);
    } catch (thrown) {
      const status = statusOf(thrown);
      if (status === 500) log.warn("a request failed", { error: messageOf(thrown) });
      if (response.headersSent) return void response.destroy();
      send(response, status, "text/plain; charset=utf-8", `${messageOf(thrown)}\n`);
    }
  }

  async upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on("error", (error) => log.debug("a stream broke off", { error: error.message }));
    try {
      const { segments, query } = await this.#admit(request);
      if (!STREAMS.includes(segments[0] ?? "")) throw new HttpError(404, "404 page not found");
      const url = await streamingUrl(this.#context, segments, query);
      await tunnelTo(url, request, socket, head);
    } catch (thrown) {
      refuseUpgrade(socket, statusOf(thrown), messageOf(thrown));
    }
  }

  /** Authenticates and authorizes a request. Returns its target. */
  async #admit(request: IncomingMessage): Promise<RequestTarget> {
    const user = await this.#authentication.userOf(request);
    const target = parseTarget(request.url ?? "/");
    await this.#authorization.check(user, accessOf(request.method ?? "GET", target.segments));
    return target;
  }

  async #answer(
    { segments, query }: RequestTarget,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const { workers } = this.#context;
    const [first = "", second = ""] = segments;
    if (STREAMS.includes(first)) throw new HttpError(400, "Upgrade request required");
    if (request.method !== "GET") throw new HttpError(405, "Method Not Allowed");
    switch (`${first}/${second}`) {
      case "healthz/":
        return send(response, 200, "text/plain; charset=utf-8", "ok");
      case "pods/":
        response.writeHead(200, { "content-type": "application/json" });
        return sendPodList(workers.list(), shownPod, response);
      case "runningpods/": {
        response.writeHead(200, { "content-type": "application/json" });
        const running = workers.list().filter(({ status }) => runsContainers(status));
        return sendPodList(running, shownPod, response);
      }
      case "stats/summary":
        return this.#summary(response);
      case "metrics/":
      case "metrics/probes":
      case "metrics/resource":
      case "metrics/cadvisor": {
        const { type, body } = await this.#metrics(second);
        return send(response, 200, type, body);
      }
      case "network/rules": {
        const { networkRules } = await import("./network-rules.ts");
        return send(response, 200, "text/plain; charset=utf-8", await networkRules(query));
      }
      case "debug/traces": {
        const { tracesOf } = await import("@raft2kube/observe/trace/recent-spans.ts");
        const traces = tracesOf(this.#context.tracer, query.getAll("name"));
        if (traces === undefined) throw new HttpError(404, "no traces are kept here");
        return send(response, 200, "application/json", traces);
      }
    }
    if (first === "containerLogs") {
      return serveContainerLogs(
        this.#context,
        this.#logs,
        segments.slice(1),
        query,
        request,
        response,
      );
    }
    throw new HttpError(404, "404 page not found");
  }

  /** A rate needs two samples: where one is missing or old, the second is taken immediately. */
  async #summary(response: ServerResponse): Promise<void> {
    let summary = await this.#measured();
    if (!this.#rates.complete) {
      await delay(this.#context.clock, CPU_RATE_MS_MIN * 1.1);
      summary = await this.#measured();
    }
    send(response, 200, "application/json", JSON.stringify(summary));
  }

  async #measured() {
    const { clock, nodeName, rootDir, runtime } = this.#context;
    const pods = await podUsages({ ...this.#context, now_ms: () => clock.now() });
    const filesystems = await runtimeFilesystems(runtime);
    const layers = pods.flatMap(({ containers }) => containers.map((one) => one.writableLayer));
    return statsSummary({
      nodeName,
      node: await nodeUsage(rootDir),
      nodeStarted_ms: this.#started_ms,
      pods,
      networks: await podNetworks(runtime),
      storages: await this.#storages.of(pods.map(({ pod }) => pod)),
      runtime: filesystems,
      spaces: await spacesOf([filesystems.image, filesystems.container, ...layers]),
      rates: this.#rates,
      now_ms: clock.now(),
    });
  }

  /** Returns a page of metrics; the code of most is loaded with the first scrape. */
  async #metrics(page: string): Promise<{ type: string; body: string }> {
    const { workers, probeMetrics, tracer, clock, cgroups, rootDir, runtime } = this.#context;
    if (page === "probes") return await exposition(probeMetrics.registry);
    if (page === "") {
      const { kubeletMetrics } = await import("./metrics.ts");
      return await kubeletMetrics(workers, this.#claims, tracer);
    }
    const pods = await podUsages({ ...this.#context, now_ms: () => clock.now() });
    const node = await nodeUsage(rootDir);
    if (page === "resource") return await resourceMetrics(node, pods, clock.now());
    const { cadvisorMetrics } = await import("./cadvisor-metrics.ts");
    const layers = pods.flatMap(({ containers }) => containers.map((one) => one.writableLayer));
    return await cadvisorMetrics({
      ...{ node, pods, cores: availableParallelism(), now_ms: clock.now() },
      cgroups,
      runtime: await runtimeMetrics(runtime),
      networks: await podNetworks(runtime),
      spaces: await spacesOf(layers),
    });
  }
}

const STREAMS = ["exec", "attach", "portForward"];

const statusOf = (thrown: unknown): number => (thrown instanceof HttpError ? thrown.status : 500);

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body) });
  response.end(body);
}
