import type { BuiltInKind } from "@raft2kube/api/kind.ts";
import { KINDS } from "@raft2kube/api/kinds.ts";
import { definitionKind } from "@raft2kube/apiextensions/definition/kind.ts";
import { type Encryption, NO_ENCRYPTION } from "@raft2kube/encryption/config.ts";
import { Fairness } from "@raft2kube/fairness/fairness.ts";
import { type Followed, fixed } from "@raft2kube/reconcile/followed-file.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { systemRandom } from "@raft2kube/std/random.ts";
import { Admission } from "./admission/chain.ts";
import { NO_CONFIGURATION } from "./admission/configuration.ts";
import type { AdmissionContext } from "./admission/context.ts";
import { admissionPlugins } from "./admission/plugins.ts";
import { AdmissionPolicies } from "./admission/policies/index.ts";
import { WebhookConfigurations } from "./admission/webhooks/configurations.ts";
import { Aggregation } from "./aggregation/aggregation.ts";
import { auditOf } from "./audit/options.ts";
import { Authenticator } from "./authn/authenticator.ts";
import { bootstrapTokenAuthority } from "./authn/bootstrap-tokens.ts";
import { jwtAuthority } from "./authn/jwt/jwt-authority.ts";
import { RemovedNodes } from "./authn/removed-nodes.ts";
import { RequestHeaders } from "./authn/request-header.ts";
import { readSigningKeys } from "./authn/signing-keys.ts";
import type { TokenAuthority } from "./authn/token-authority.ts";
import { tokenFileAuthority } from "./authn/token-file.ts";
import { serviceAccountAuthority } from "./authn/token-verifier.ts";
import { tokenWebhook } from "./authn/token-webhook.ts";
import { Authorizer } from "./authz/authorizer.ts";
import { type AuthorizerParts, authorizersOf } from "./authz/authorizers.ts";
import { type AuthorizationConfig, NODE_AND_RBAC } from "./authz/config.ts";
import { NodeGraph } from "./authz/node/graph.ts";
import { nodeAuthorizer } from "./authz/node/node-authorizer.ts";
import { readPolicy, rulesOf } from "./authz/rbac/policy.ts";
import { rbacAuthorizer } from "./authz/rbac/rbac-authorizer.ts";
import { RoleIndex } from "./authz/rbac/role-index.ts";
import type { BootstrapServer } from "./bootstrap/server.ts";
import { conversionsBy } from "./customresources/conversion.ts";
import { CustomResources } from "./customresources/custom-resources.ts";
import { startScraper } from "./handlers/metrics-server/kubelets.ts";
import type { HttpServer } from "./http/chain.ts";
import { READING_IN_FLIGHT_MAX, WRITING_IN_FLIGHT_MAX } from "./limits.ts";
import { AuditMetrics } from "./metrics/audit.ts";
import { showConfig } from "./metrics/config-reloads.ts";
import { Metrics } from "./metrics/metrics.ts";
import type { ApiserverOptions } from "./options.ts";
import { recordTokenUsage } from "./registry/token-usage.ts";
import { Resources } from "./resource/resources.ts";
import { WriteBudget } from "./storage/write-budget.ts";
import { type WebhookClient, webhookClient } from "./webhook/client.ts";

/** The parts that the layers of one apiserver use; each layer declares its own share of them. */
export type Assembled = HttpServer & BootstrapServer;

/** All kinds, that of definitions with the rules for schemas, which the facts' kind lacks. */
const SERVED: readonly BuiltInKind[] = KINDS.map((kind) =>
  kind.schema === definitionKind.schema ? (definitionKind as unknown as BuiltInKind) : kind,
);

export type Stop = () => Promise<void> | void;

/** Starts the indexes that follow watch caches; resolves once they have read all there is. */
const followCaches = async (resources: Resources, webhooks: WebhookClient) => ({
  roles: await RoleIndex.follow(resources),
  graph: await NodeGraph.follow(resources),
  removedNodes: await RemovedNodes.follow(resources),
  webhookConfigurations: await WebhookConfigurations.follow(resources),
  admissionPolicies: await AdmissionPolicies.follow(resources),
  customResources: await CustomResources.follow(resources, conversionsBy(webhooks)),
});

/**
 * Makes the parts of a server and connects them; `stops` undoes it, in order. `steps_max` are those
 * of Writer.
 */
export async function assemble(
  options: ApiserverOptions,
  { leaving, closing }: { readonly leaving: AbortSignal; readonly closing: AbortSignal },
  steps_max?: number,
): Promise<{ server: Assembled; stops: Stop[] }> {
  const { etcd, clock = systemClock(), random = systemRandom, serviceAccountKey } = options;
  const metrics = new Metrics(clock);
  const encryption = encryptionOf(options, metrics);
  const resources = new Resources(SERVED, etcd, clock, { ...options, encryption });
  metrics.show(resources, etcd);
  const stops: Stop[] = [() => resources.close(), () => metrics.close()];
  // The server waits for its last answer, so watches end first.
  closing.addEventListener("abort", () => resources.endWatches(), { once: true });
  try {
    const policy = await readPolicy();
    const webhooks = webhookClient(resources, random, clock);
    const indexes = await followCaches(resources, webhooks);
    const { roles, graph, removedNodes, customResources } = indexes;
    stops.unshift(...Object.values(indexes).map((index) => () => index.close()));
    const keys = readSigningKeys(serviceAccountKey);
    const { issuer, audiences = [issuer] } = serviceAccountKey;
    const tokens = { issuer, audiences, keys };
    const verifier = serviceAccountAuthority({
      ...tokens,
      resources,
      clock,
      metrics: metrics.authentication,
      // Only once requests come is there a token to use.
      recordUsage: (secret, labels) =>
        recordTokenUsage(server, resources.of("v1", "secrets"), secret, labels),
    });
    const node = nodeAuthorizer(graph, rulesOf(policy, "system:node"));
    const rbac = rbacAuthorizer(roles);
    const authorizer = authorizerOf(options.authorization, { node, rbac, clock }, metrics);
    stops.unshift(() => authorizer.close());
    const scraper = startScraper({ options, resources, closing, clock });
    const aggregation = await Aggregation.follow({ options, resources, clock, random, closing });
    stops.unshift(...[scraper, webhooks.connections, aggregation].map((one) => () => one.close()));
    const { authenticator, stop } = authenticatorOf(options, {
      verifier,
      removedNodes,
      metrics,
      ...{ audiences, resources, clock },
    });
    stops.unshift(stop);
    const audit = auditOf(options.audit, new AuditMetrics(metrics.registry), clock);
    stops.push(() => audit?.close());
    const followed = { ...indexes, resources, clock, authorizer, webhooks, steps_max };
    const server: Assembled = {
      steps_max,
      ...{ options, clock, random, etcd, resources, customResources, policy, roles },
      ...{ leaving, closing },
      authenticator,
      authorizer,
      admission: admissionOf(options, followed, metrics),
      audit,
      fairness: fairnessOf(options, clock),
      writes: new WriteBudget((all) => resources.storedBytes(all), clock),
      scraper,
      aggregation,
      tokens,
      metrics,
    };
    return { server, stops };
  } catch (thrown) {
    for (const stop of stops) await stop();
    throw thrown;
  }
}

function encryptionOf(
  { encryption = NO_ENCRYPTION }: ApiserverOptions,
  { registry }: Metrics,
): Encryption {
  showConfig(registry, "encryption", () => encryption.config, encryption.reloads);
  encryption.metrics.showIn(registry, encryption);
  return encryption;
}

type Shown = "configuration" | "metrics" | "webhookMetrics" | "policyMetrics";

function admissionOf(
  { admission: options }: ApiserverOptions,
  followed: Omit<AdmissionContext, Shown>,
  metrics: Metrics,
): Admission {
  const plugins = admissionPlugins(
    {
      ...followed,
      configuration: options?.configuration ?? NO_CONFIGURATION,
      metrics: metrics.podSecurity,
      webhookMetrics: metrics.webhooks,
      policyMetrics: metrics.policies,
    },
    options,
  );
  return new Admission(plugins, metrics.admission, followed.clock);
}

function authorizerOf(
  followed: Followed<AuthorizationConfig> = fixed(NODE_AND_RBAC),
  own: Omit<AuthorizerParts, "metrics">,
  metrics: Metrics,
): Authorizer {
  const parts = { ...own, metrics: metrics.authorization };
  const first = authorizersOf(followed.current, parts);
  const authorizer = new Authorizer(first, parts.metrics, parts.clock);
  followed.onChange((next) => authorizer.replace(authorizersOf(next, parts)));
  const text = () => followed.text || undefined;
  showConfig(metrics.registry, "authorization", text, followed.reloads);
  return authorizer;
}

/** All requests share the seats: those of `inFlightMax` together. */
function fairnessOf({ inFlightMax }: ApiserverOptions, clock: Clock): Fairness {
  const { reading, writing } = inFlightMax ?? {
    reading: READING_IN_FLIGHT_MAX,
    writing: WRITING_IN_FLIGHT_MAX,
  };
  return new Fairness(reading + writing, clock.monotonic());
}

interface AuthenticatorParts {
  readonly verifier: TokenAuthority;
  readonly removedNodes: RemovedNodes;
  readonly metrics: Metrics;
  readonly audiences: readonly string[];
  readonly resources: Resources;
  readonly clock: Clock;
}

/** Authorities of tokens in upstream's order, and how to stop those that ask others. */
function authenticatorOf(
  { bootstrapTokens, requestHeader, clientCa, authentication: options = {} }: ApiserverOptions,
  { verifier, removedNodes, metrics, audiences, resources, clock }: AuthenticatorParts,
): { authenticator: Authenticator; stop: Stop } {
  const { config, tokenFile, webhook: asked } = options;
  const jwt = config && jwtAuthority(config, { clock, metrics: metrics.jwt });
  const webhook = asked && tokenWebhook(asked, clock);
  showConfig(metrics.registry, "authentication", () => config?.text || undefined, config?.reloads);
  const authorities = [
    ...(tokenFile === undefined ? [] : [tokenFileAuthority(tokenFile)]),
    verifier,
    ...(bootstrapTokens ? [bootstrapTokenAuthority(resources, clock)] : []),
    ...(jwt ? [jwt] : []),
    ...(webhook ? [webhook] : []),
  ];
  const frontProxies = requestHeader && new RequestHeaders(requestHeader, clientCa);
  const authenticator = new Authenticator({
    authorities,
    audiences,
    removedNodes,
    metrics: metrics.authentication,
    clock,
    options,
    requestHeaders: frontProxies,
  });
  const stop = async () => {
    webhook?.close();
    await jwt?.close();
  };
  return { authenticator, stop };
}
