import { MetricArea } from "@raft2kube/observe/families.ts";
import { hashOf, serverIdHash } from "@raft2kube/observe/server-identity.ts";
import { ACCESS_BOUNDS_S } from "./families.ts";

const AREA = "apiserver_authentication_jwt_authenticator";

/** Tokens of issuers (upstream: authenticator/token/oidc/metrics.go). */
export class JwtMetrics extends MetricArea {
  readonly #latencies = this.histogram(
    `${AREA}_latency_seconds`,
    "Time to verify tokens that are not known.",
    ACCESS_BOUNDS_S,
  );
  readonly #fetched = this.gauge(
    `${AREA}_jwks_fetch_last_timestamp_seconds`,
    "When an issuer's keys were last looked for.",
  );

  verified(issuer: string, ok: boolean, seconds: number): void {
    this.#latencies.of({ result: resultOf(ok), jwt_issuer_hash: hashOf(issuer) }).observe(seconds);
  }

  fetchedKeys(issuer: string, ok: boolean, at_ms: number): void {
    const jwt_issuer_hash = hashOf(issuer);
    const labels = { result: resultOf(ok), jwt_issuer_hash, apiserver_id_hash: serverIdHash() };
    this.#fetched.of(labels).value = at_ms / 1_000;
  }
}

const resultOf = (ok: boolean) => (ok ? "success" : "failure");
