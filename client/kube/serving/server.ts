import type { IncomingMessage, ServerResponse } from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { exposition } from "@raft2kube/observe/exposition.ts";
import { HealthMetrics } from "@raft2kube/observe/health-metrics.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import { createCa, issueCertificate } from "@raft2kube/pki/certificate.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { paceHttp } from "@raft2kube/streaming/paced-http.ts";
import { AccessReviews } from "../delegated/access-reviews.ts";
import { Authentication } from "../delegated/authentication.ts";
import { limitConnections } from "../delegated/connection-limits.ts";
import { HttpError } from "../delegated/http-error.ts";
import { COMPONENT_REVIEW_CACHE_MS, SERVE_TIMEOUT_MS, SERVING_DAYS } from "../limits.ts";
import type { KubeClient } from "../rest/client.ts";
import { HEALTH_PAGES, type HealthChecks, healthPage, measureHealth } from "./health.ts";

/** Where and how a component serves its health and metrics. */
export interface ServeOptions {
  host: string;
  port: number;
  /** PEM. Without it a self-signed certificate is created at the start, as upstream. */
  tls?: { cert: string; key: string } | undefined;
  /** PEM of the CA whose client certificates are believed; tokens always are reviewed. */
  clientCa?: string | undefined;
  /** The component starts without its server when the address is taken, and logs it. */
  optional?: boolean;
}

/** Registries of metrics, by the path that each is served at. */
type Registries = Readonly<Record<string, Registry>>;
type ServedParts = [client: KubeClient, registries: Registries, checks: HealthChecks];

export interface ServedComponent {
  readonly address: { readonly host: string; readonly port: number };
  close(): Promise<void>;
}

const log = logger("component-server");

/** Serves as `serveMetrics`; an optional server whose address is taken is logged and left out. */
export async function serveWherePossible(
  options: ServeOptions,
  ...parts: ServedParts
): Promise<ServedComponent | undefined> {
  try {
    return await serveMetrics(options, ...parts);
  } catch (thrown) {
    if (!options.optional || !isErrno(thrown, "EADDRINUSE", "EADDRNOTAVAIL")) throw thrown;
    const { host, port } = options;
    log.warn("metrics are not served", { host, port, reason: messageOf(thrown) });
    return undefined;
  }
}

/**
 * Serves metrics to users who may `get` their path (the API is asked), results of the checks at
 * `/metrics/slis` among them, and `/healthz`, `/livez` and `/readyz` with their checks to all.
 * Rejects when the port is taken.
 */
async function serveMetrics(
  { host, port, tls, clientCa }: ServeOptions,
  ...[client, registries, checks]: ServedParts
): Promise<ServedComponent> {
  const authentication = new Authentication(client, client.clock, COMPONENT_REVIEW_CACHE_MS);
  const reviews = new AccessReviews(client, client.clock, COMPONENT_REVIEW_CACHE_MS);
  const health = new HealthMetrics();
  const answer = async (request: IncomingMessage): Promise<Page> => {
    if (request.method !== "GET") throw new HttpError(405, "Method Not Allowed");
    const [path = "", query = ""] = (request.url ?? "").split("?", 2);
    const page = healthPage(path, query, checks);
    const answered = page && { type: "text/plain; charset=utf-8", ...page };
    if (answered && HEALTH_PAGES.includes(path)) return answered;
    const user = await authentication.userOf(request);
    const allowed = await reviews.isAllowed(user, { nonResourceAttributes: { path, verb: "get" } });
    if (!allowed) throw new HttpError(403, `Forbidden (user=${user.name}, verb=get, path=${path})`);
    if (answered) return answered;
    if (path === "/metrics/slis") measureHealth(checks, health);
    const registry = path === "/metrics/slis" ? health.registry : registries[path];
    if (!registry) throw new HttpError(404, "404 page not found");
    return exposition(registry);
  };
  const server = https.createServer({
    ...(tls ?? (await ownCertificate(client.clock.now()))),
    // Never the public CAs, which are the default.
    ca: clientCa ?? [],
    requestCert: clientCa !== undefined,
    rejectUnauthorized: false,
    minVersion: "TLSv1.2",
    handshakeTimeout: SERVE_TIMEOUT_MS,
    headersTimeout: SERVE_TIMEOUT_MS,
    requestTimeout: SERVE_TIMEOUT_MS,
  });
  paceHttp(server);
  limitConnections(server);
  server.on("request", (request, response) => void respond(response, () => answer(request)));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  server.removeAllListeners("error");
  server.on("error", (error) => log.error("the server failed", { error: error.message }));
  const { address, port: own } = server.address() as AddressInfo;
  return {
    address: { host: address, port: own },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Page {
  readonly type: string;
  readonly body: string;
  /** 200 unless set. */
  readonly status?: number;
}

async function respond(response: ServerResponse, answer: () => Promise<Page>): Promise<void> {
  try {
    const { type, body, status = 200 } = await answer();
    response.writeHead(status, { "content-type": type }).end(body);
  } catch (thrown) {
    const status = thrown instanceof HttpError ? thrown.status : 500;
    if (status === 500) log.warn("a request failed", { error: messageOf(thrown) });
    const head = { "content-type": "text/plain; charset=utf-8" };
    response.writeHead(status, head).end(`${status === 500 ? "error" : messageOf(thrown)}\n`);
  }
}

async function ownCertificate(now_ms: number): Promise<{ cert: string; key: string }> {
  const ca = await createCa({ commonName: "component-ca", days: SERVING_DAYS, now_ms });
  const subject = {
    commonName: "component",
    usages: ["server" as const],
    ipAddresses: ["127.0.0.1"],
    dnsNames: ["localhost"],
    days: SERVING_DAYS,
  };
  return issueCertificate(ca, subject, now_ms);
}
