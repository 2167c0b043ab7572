import { addMetric, familiesOf, type HistogramFamily } from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import { hashOf, serverIdHash } from "./config-reloads.ts";
import { ACCESS_BOUNDS_S } from "./families.ts";

type FetchResult = "success" | "failure";

/** Tokens of issuers (upstream: authenticator/token/oidc/metrics.go). */
export class JwtMetrics {
  readonly #latencies: HistogramFamily;
  readonly #fetched = new Map<string, { issuer: string; result: FetchResult; at_ms: number }>();

  constructor(registry: Registry) {
    const name = (of: string) => `apiserver_authentication_jwt_authenticator_${of}`;
    this.#latencies = familiesOf(registry).histogram(
      name("latency_seconds"),
      "Time to verify tokens that are not known.",
      ACCESS_BOUNDS_S,
    );
    const apiserver_id_hash = serverIdHash();
    addMetric(
      registry,
      {
        name: name("jwks_fetch_last_timestamp_seconds"),
        type: "gauge",
        help: "When an issuer's keys were last looked for.",
      },
      () =>
        [...this.#fetched.values()].map(({ issuer, result, at_ms }) => ({
          labels: { result, jwt_issuer_hash: hashOf(issuer), apiserver_id_hash },
          value: at_ms / 1_000,
        })),
    );
  }

  verified(issuer: string, ok: boolean, seconds: number): void {
    const labels = { result: ok ? "success" : "failure", jwt_issuer_hash: hashOf(issuer) };
    this.#latencies.of(labels).observe(seconds);
  }

  fetchedKeys(issuer: string, ok: boolean, at_ms: number): void {
    const result = ok ? "success" : "failure";
    this.#fetched.set(`${result} ${issuer}`, { issuer, result, at_ms });
  }
}
