import { KINDS } from "@raft2kube/api/kinds.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { systemRandom } from "@raft2kube/std/random.ts";
import { Admission } from "./admission/chain.ts";
import { NO_CONFIGURATION } from "./admission/configuration.ts";
import { admissionPlugins } from "./admission/plugins.ts";
import { Authenticator } from "./authn/authenticator.ts";
import { BootstrapTokens } from "./authn/bootstrap-tokens.ts";
import { noteUse } from "./registry/token-usage.ts";
import { readSigningKeys } from "./authn/signing-keys.ts";
import { TokenIssuer } from "./authn/token-issuer.ts";
import { TokenVerifier } from "./authn/token-verifier.ts";
import { Authorizer } from "./authz/authorizer.ts";
import { NodeGraph } from "./authz/node/graph.ts";
import { NodeAuthorizer } from "./authz/node/node-authorizer.ts";
import { RbacAuthorizer } from "./authz/rbac/rbac-authorizer.ts";
import { RoleIndex } from "./authz/rbac/role-index.ts";
import type { Core } from "./core.ts";
import { showEncryption } from "./metrics/encryption.ts";
import { Figures } from "./metrics/metrics.ts";
import type { ApiserverOptions } from "./options.ts";
import { Registry } from "./resource/resources.ts";
import { NO_ENCRYPTION } from "./storage/encryption/config.ts";
import { measured } from "./storage/encryption/measured.ts";

export type Stop = () => Promise<void> | void;

/** Makes the rooms and connects them; `stops` undoes it, in order. */
export async function assemble(
  options: ApiserverOptions,
  closing: AbortSignal,
): Promise<{ core: Core; stops: Stop[] }> {
  const { etcd, clock = systemClock(), random = systemRandom, serviceAccountKey } = options;
  const figures = new Figures(options);
  const { encryption: given = NO_ENCRYPTION } = options;
  const encryption = measured(given, figures.metrics);
  showEncryption(figures.metrics, given, options.encryptionReloads);
  const registry = new Registry(KINDS, etcd, clock, { ...options, encryption });
  figures.show(registry, etcd);
  const stops: Stop[] = [() => registry.close(), () => figures.close()];
  // The server waits for its last answer, so watches end first.
  closing.addEventListener("abort", () => registry.endWatches(), { once: true });
  try {
    const roles = await RoleIndex.follow(registry);
    const graph = await NodeGraph.follow(registry, figures.authorization);
    stops.unshift(
      () => roles.close(),
      () => graph.close(),
    );
    const keys = readSigningKeys(serviceAccountKey);
    const { issuer, audiences = [issuer] } = serviceAccountKey;
    const verifier = new TokenVerifier({
      issuer, audiences, keys, registry, clock, figures: figures.authentication,
      // Only once requests come is there a token to use.
      noteUse: (secret, labels) => noteUse(core, secret, labels),
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
    return { core, stops };
  } catch (thrown) {
    for (const stop of stops) await stop();
    throw thrown;
  }
}
