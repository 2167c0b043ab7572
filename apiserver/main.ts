import { setMaxListeners } from "node:events";
import { isDeepStrictEqual } from "node:util";
import { EVALUATION_STEPS_MAX } from "@raft2kube/cel/limits.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { delay, resultWithin } from "@raft2kube/std/wait.ts";
import { type Assembled, assemble, type Stop } from "./assemble.ts";
import { publishClientCa } from "./bootstrap/authentication-config.ts";
import { BOOTSTRAP_STEPS, bootstrap } from "./bootstrap/bootstrap.ts";
import { sendBookmarks } from "./cache/bookmarks.ts";
import { flagz } from "./handlers/diagnostics/flagz.ts";
import { statusz } from "./handlers/diagnostics/statusz.ts";
import { Discovery } from "./handlers/discovery/serve.ts";
import { Health } from "./handlers/health.ts";
import { OpenApi } from "./handlers/openapi.ts";
import { handlerChain } from "./http/chain.ts";
import { routes } from "./http/routes.ts";
import { ApiHttpServer } from "./http/server.ts";
import { LEAVE_TIMEOUT_MS } from "./limits.ts";
import { LargeRequests } from "./offload/offload.ts";
import type { ApiserverOptions } from "./options.ts";
import type { Controller } from "./periodic.ts";
import { Compactor } from "./storage/compactor.ts";

const log = logger("apiserver");

export interface Apiserver {
  /** Where it listens, ports resolved; the first of the addresses asked for. */
  readonly address: { host: string; port: number };
  readonly addresses: readonly { host: string; port: number }[];
  /**
   * Fails `/readyz` and serves for `shutdown.delay_ms` as before, unless hurried, so that clients
   * are led to other servers; then takes no more requests, ends watches, lets requests in flight
   * finish, and frees everything. The store stays open.
   */
  close(hurried?: boolean): Promise<void>;
}

/**
 * Starts an apiserver on a store. It listens as soon as it can answer, and says so in `/readyz`;
 * this resolves when it is ready: bootstrap objects are there.
 */
export async function startApiserver(options: ApiserverOptions): Promise<Apiserver> {
  const [leaving, closing] = [new AbortController(), new AbortController()];
  setMaxListeners(0, closing.signal);
  const signals = { leaving: leaving.signal, closing: closing.signal };
  const { server, stops } = await assemble(options, signals, EVALUATION_STEPS_MAX);
  const controllers: Controller[] = [];
  try {
    stops.unshift(...background(server));
    server.aggregation.start(server);
    const large = new LargeRequests(server);
    stops.unshift(() => large.close());
    const routed = {
      discovery: new Discovery(server, server.aggregation.documents),
      health: new Health(server, BOOTSTRAP_STEPS),
      openapi: new OpenApi(server, server.aggregation.documents),
      large,
      tracer: options.tracer,
      zpages: { "/flagz": flagz(options), "/statusz": statusz(server) },
    };
    const { listen, tls, requestHeader } = options;
    const clientCa = [options.clientCa, ...(requestHeader ? [requestHeader.clientCa] : [])];
    const listener = handlerChain(server, routes(server, routed));
    const run = bootstrap(server);
    const endpoint = await ApiHttpServer.listen({
      listen,
      tls,
      clientCa,
      listener,
      handshakeErrors: server.metrics.server.handshakeErrors,
    });
    stops.unshift(() => endpoint.close());
    followTrust(server, endpoint);
    const { addresses } = endpoint;
    log.info("listening", { addresses });
    await run({
      kept(controller) {
        controllers.push(controller);
        stops.unshift(() => controller.close());
      },
      reached: (step) => routed.health.reached(step),
    });
    log.info("ready");
    const close = async (hurried = false) => {
      leaving.abort();
      await leave(server, controllers, hurried ? 0 : (options.shutdown?.delay_ms ?? 0));
      endpoint.drain(options.shutdown?.sendRetryAfter);
      await closeAll(closing, stops);
    };
    return { address: addresses[0]!, addresses, close };
  } catch (thrown) {
    await closeAll(closing, stops);
    throw thrown;
  }
}

/** Shows renewed certificates and trusts other CAs, without a restart. */
function followTrust(server: Assembled, endpoint: ApiHttpServer): void {
  const { options, aggregation } = server;
  const { requestHeader, trust } = options;
  trust?.onChange(async ({ tls, clientCa, proxyCa, kubeletClient, proxyClient }) => {
    if (kubeletClient && !isDeepStrictEqual(kubeletClient, options.kubeletClient)) {
      options.kubeletClient = kubeletClient;
    }
    if (proxyClient && !isDeepStrictEqual(proxyClient, options.proxyClient)) {
      options.proxyClient = proxyClient;
      aggregation.showAs(proxyClient);
    }
    const proxies = requestHeader && { ...requestHeader, clientCa: proxyCa ?? "" };
    // Aggregated servers learn of a CA before clients of it are let in.
    await publishClientCa(server, { clientCa, ...(proxies && { requestHeader: proxies }) });
    endpoint.trust(tls, [clientCa, ...(proxyCa === undefined ? [] : [proxyCa])]);
    server.authenticator.trust(clientCa, proxyCa);
  });
}

/** Starts the background tasks; returns a function that stops them. */
function background({ resources, etcd, clock, writes }: Assembled): Stop[] {
  const bookmarks = sendBookmarks(() => resources.startedCaches(), clock);
  const compacted = (revision: number) => resources.compactedTo(revision);
  const compactor = new Compactor(etcd, clock, writes, compacted);
  return [() => bookmarks.close(), () => compactor.close()];
}

/** Leads clients to other servers, and serves those that still come here for a while. */
async function leave(
  { clock }: Assembled,
  controllers: readonly Controller[],
  delay_ms: number,
): Promise<void> {
  const left = Promise.all(controllers.map((controller) => controller.leave?.()));
  await resultWithin(clock, left, LEAVE_TIMEOUT_MS);
  if (delay_ms > 0) await delay(clock, delay_ms);
}

async function closeAll(closing: AbortController, stops: readonly Stop[]): Promise<void> {
  closing.abort();
  for (const stop of stops) await stop();
}
