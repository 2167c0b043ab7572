import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { Lease } from "@raft2kube/api/gen/coordination/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { isReason } from "@raft2kube/apimachinery/errors/api-error.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { IDENTITY, identityName } from "@raft2kube/observe/server-identity.ts";
import type { Runner } from "@raft2kube/reconcile/runner.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { IDENTITY_COLLECT_MS, IDENTITY_LEASE_S, IDENTITY_RENEW_MS } from "../limits.ts";
import { type Controller, periodic } from "../periodic.ts";
import { changeInternally, deleteInternally, ensure } from "../registry/internal-write.ts";
import type { Resource } from "../resource/resource.ts";
import type { BootstrapServer } from "./server.ts";

const log = logger("apiserver");

const NAMESPACE = "kube-system";
const IDENTITY_LABEL = "apiserver.kubernetes.io/identity";
const HOSTNAME_LABEL = "kubernetes.io/hostname";

type OwnLease = Lease & KubeObject;

/**
 * The Lease by which a server reports that it is alive, under a stable name of its machine
 * (`kubectl -n kube-system get leases -l apiserver.kubernetes.io/identity=kube-apiserver`), and
 * the end of those of servers that are gone.
 */
export class IdentityLease implements Controller {
  readonly #server: BootstrapServer;
  readonly #leases: Resource;
  readonly #host: string;
  readonly #name: string;
  readonly #holder: string;
  readonly #renewing: Runner;
  readonly #collecting: Runner;

  constructor(server: BootstrapServer) {
    this.#server = server;
    this.#host = server.options.machineName ?? hostname();
    this.#name = identityName(this.#host);
    this.#holder = `${this.#name}_${randomUUID()}`;
    this.#leases = server.resources.of("coordination.k8s.io/v1", "leases");
    this.#renewing = periodic(
      server.clock,
      "the identity lease was not renewed",
      IDENTITY_RENEW_MS,
      () => this.#renew(),
    );
    this.#collecting = periodic(
      server.clock,
      "leases of other servers were not collected",
      IDENTITY_COLLECT_MS,
      () => this.#collect(),
    );
  }

  /** Takes the place of one that ran here before, and is not it. */
  async start(): Promise<void> {
    await deleteInternally(this.#server, this.#leases, NAMESPACE, this.#name);
    await this.#renew();
    this.#renewing.request(IDENTITY_RENEW_MS);
    this.#collecting.request();
  }

  async #renew(): Promise<void> {
    const wanted = this.#lease();
    const leases = this.#leases;
    await ensure(this.#server, leases, wanted);
    await changeInternally<OwnLease>(this.#server, leases, wanted.metadata, (current) => ({
      ...current,
      metadata: {
        ...current.metadata,
        labels: { ...current.metadata.labels, ...wanted.metadata.labels },
      },
      spec: { ...current.spec, ...wanted.spec },
    }));
  }

  #lease(): OwnLease {
    // Microseconds, as the field has them.
    const renewTime = new Date(this.#server.clock.now()).toISOString().replace("Z", "000Z");
    return {
      metadata: {
        name: this.#name,
        namespace: NAMESPACE,
        labels: { [IDENTITY_LABEL]: IDENTITY, [HOSTNAME_LABEL]: this.#host },
      },
      spec: { holderIdentity: this.#holder, leaseDurationSeconds: IDENTITY_LEASE_S, renewTime },
    };
  }

  async #collect(): Promise<void> {
    const now_ms = this.#server.clock.now();
    const cache = await this.#leases.cache();
    for (const entry of cache.list()) {
      if (entry.namespace !== NAMESPACE || entry.labels[IDENTITY_LABEL] !== IDENTITY) continue;
      const { metadata, spec } = entry.object<OwnLease>();
      if (!hasExpired(spec, now_ms)) continue;
      await deleteInternally(this.#server, this.#leases, NAMESPACE, metadata.name ?? "", metadata);
    }
  }

  /** A server that closes says so. */
  async close(): Promise<void> {
    await this.#renewing.close();
    await this.#collecting.close();
    try {
      await deleteInternally(this.#server, this.#leases, NAMESPACE, this.#name);
    } catch (thrown) {
      if (isReason(thrown, "Conflict")) return;
      // The store may be gone before us; the lease ends by itself.
      log.warn("the identity lease stays", { reason: messageOf(thrown) });
    }
  }
}

/** A Lease without a time was not created by a server. */
function hasExpired(spec: Lease["spec"], now_ms: number): boolean {
  const { renewTime, leaseDurationSeconds } = spec ?? {};
  if (renewTime === undefined || leaseDurationSeconds === undefined) return true;
  return Date.parse(renewTime) + leaseDurationSeconds * 1000 < now_ms;
}
