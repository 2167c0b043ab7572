import { setMaxListeners } from "node:events";
import { KINDS } from "@raft2kube/api/kinds.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { systemRandom } from "@raft2kube/std/random.ts";
import { Admission } from "./admission/chain.ts";
import { NO_CONFIGURATION } from "./admission/configuration.ts";
import { admissionPlugins } from "./admission/plugins.ts";
import { Authenticator } from "./authn/authenticator.ts";
import { BootstrapTokens } from "./authn/bootstrap-tokens.ts";
import { readSigningKeys } from "./authn/signing-keys.ts";
import { TokenIssuer } from "./authn/token-issuer.ts";
import { TokenVerifier } from "./authn/token-verifier.ts";
import { Authorizer } from "./authz/authorizer.ts";
import { NodeGraph } from "./authz/node/graph.ts";
import { NodeAuthorizer } from "./authz/node/node-authorizer.ts";
import { RbacAuthorizer } from "./authz/rbac/rbac-authorizer.ts";
import { RoleIndex } from "./authz/rbac/role-index.ts";
import { BOOTSTRAP_STEPS, bootstrap } from "./bootstrap/bootstrap.ts";
import type { Keeper } from "./bootstrap/rounds.ts";
import { Bookmarks } from "./cache/bookmarks.ts";
import type { Core } from "./core.ts";
import { Figures } from "./figures/figures.ts";
import { Discovery } from "./discovery/serve.ts";
import { Handler } from "./http/handler.ts";
import { Health } from "./http/health.ts";
import { routes } from "./http/routes.ts";
import { ApiHttpServer } from "./http/server.ts";
import { OpenApi } from "./openapi/serve.ts";
import type { ApiserverOptions } from "./options.ts";
import { allocateServices } from "./registry/services/allocate.ts";
import { Registry } from "./registry/registry.ts";
import { Compactor } from "./storage/compactor.ts";
import { NO_ENCRYPTION } from "./storage/encryption/config.ts";
import { measured } from "./storage/encryption/measured.ts";

const log = logger("apiserver");

export interface Apiserver {
  /** Where it listens, ports resolved; the first of the addresses asked for. */
  readonly address: { host: string; port: number };
  readonly addresses: readonly { host: string; port: number }[];
  /** Ends watches, lets requests in flight finish, and frees everything; the store stays open. */
  close(): Promise<void>;
}

/**
 * Starts an apiserver on a store. Resolves when it is ready: bootstrap objects there, listening.
 */
export async function startApiserver(options: ApiserverOptions): Promise<Apiserver> {
  const closing = new AbortController();
  setMaxListeners(0, closing.signal);
  const { core, stops } = await assemble(options, closing.signal);
  try {
    const rooms = {
      discovery: new Discovery(core),
      health: new Health(core, BOOTSTRAP_STEPS),
      openapi: new OpenApi(core.registry.kinds),
    };
    const { listen, tls, clientCa } = options;
    const listener = new Handler(core, routes(core, rooms));
    const kept = (keeper: Keeper) => void stops.unshift(() => keeper.close());
    await bootstrap(core, kept, (step) => rooms.health.reached(step));
    const server = await ApiHttpServer.listen({
      listen, tls, clientCa, listener, handshakeErrors: core.figures.server.handshakeErrors,
    });
    stops.unshift(() => server.close());
    const { addresses } = server;
    log.info("listening", { addresses });
    return { address: addresses[0]!, addresses, close: () => closeAll(closing, stops) };
  } catch (thrown) {
    await closeAll(closing, stops);
    throw thrown;
  }
}

type Stop = () => Promise<void> | void;

/** Makes the rooms and connects them; `stops` undoes it, in order. */
async function assemble(
  options: ApiserverOptions,
  closing: AbortSignal,
): Promise<{ core: Core; stops: Stop[] }> {
  const { etcd, clock = systemClock(), random = systemRandom, serviceAccountKey } = options;
  const figures = new Figures(options);
  const { encryption: given = NO_ENCRYPTION } = options;
  const encryption = measured(given, figures.metrics);
  const registry = new Registry(KINDS, etcd, clock, { ...options, encryption });
  figures.show(registry, etcd);
  const stops: Stop[] = [() => registry.close(), () => figures.close()];
  // The server waits for its last answer, so watches end first.
  closing.addEventListener("abort", () => registry.endWatches(), { once: true });
  try {
    const roles = await RoleIndex.follow(registry);
    const graph = await NodeGraph.follow(registry, figures.authorization);
    const bookmarks = new Bookmarks(registry, clock);
    const compactor = new Compactor(etcd, clock, (revision) => registry.compactedTo(revision));
    stops.unshift(
      () => roles.close(),
      () => graph.close(),
      () => bookmarks.close(),
      () => compactor.close(),
    );
    const keys = readSigningKeys(serviceAccountKey);
    const { issuer, audiences = [issuer] } = serviceAccountKey;
    const verifier = new TokenVerifier({
      issuer, audiences, keys, registry, clock, figures: figures.authentication,
    });
    const bootstrapTokens = options.bootstrapTokens
      ? [new BootstrapTokens({ audiences, registry, clock })]
      : [];
    const { configuration = NO_CONFIGURATION } = options.admission ?? {};
    const chain = [new NodeAuthorizer(graph), new RbacAuthorizer(roles)];
    const authorizer = new Authorizer(chain, figures.authorization);
    const core: Core = {
      options,
      clock,
      random,
      etcd,
      registry,
      roles,
      closing,
      authenticator: new Authenticator([verifier, ...bootstrapTokens], figures.authentication),
      authorizer,
      admission: new Admission(
        admissionPlugins(
          { registry, clock, graph, authorizer, configuration, figures: figures.podSecurity },
          options.admission,
        ),
        figures.admission,
      ),
      tokens: new TokenIssuer({ issuer, audiences, keys, clock }),
      figures,
    };
    const repair = await allocateServices(core);
    stops.unshift(() => repair.close());
    return { core, stops };
  } catch (thrown) {
    for (const stop of stops) await stop();
    throw thrown;
  }
}

async function closeAll(closing: AbortController, stops: readonly Stop[]): Promise<void> {
  closing.abort();
  for (const stop of stops) await stop();
}
