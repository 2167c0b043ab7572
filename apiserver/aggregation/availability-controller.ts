import type { Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { isReason } from "@raft2kube/apimachinery/errors/api-error.ts";
import { runWorkers } from "@raft2kube/reconcile/workers.ts";
import { WorkQueue } from "@raft2kube/reconcile/workqueue.ts";
import { CodedError, messageOf, tolerate } from "@raft2kube/std/errors.ts";
import {
  AGGREGATED_CHECK_BYTES_MAX,
  AGGREGATED_CHECK_MS,
  AGGREGATED_CHECK_TIMEOUT_MS,
  AGGREGATED_CHECKS,
  AGGREGATED_CHECKS_PAUSES,
  AGGREGATED_WORKERS,
} from "../limits.ts";
import { changeStatusInternally } from "../registry/internal-write.ts";
import type { Writer } from "../registry/writer.ts";
import type { Resources } from "../resource/resources.ts";
import { keyOf } from "../storage/keys.ts";
import { OWNING_SERVICE, slicesOf } from "../webhook/services.ts";
import type { ApiService, ApiServices, RemoteApiService } from "./api-services.ts";
import { isRemote } from "./api-services.ts";
import { type Finding, failedCheck, LOCAL, missing, PASSED, withFinding } from "./availability.ts";
import { authorityOf, type Backends } from "./backends.ts";

/** The check of a server failed, and is repeated with growing pauses. */
class Unavailable extends CodedError {}

export type AvailabilityServer = Writer & { readonly resources: Resources };

/**
 * Keeps the condition Available of APIServices. A server is asked when its APIService, Service or
 * EndpointSlices change, and every AGGREGATED_CHECK_MS (upstream's
 * status/remote/remote_available_controller.go).
 */
export class Availability {
  readonly #server: AvailabilityServer;
  readonly #services: ApiServices;
  readonly #backends: Backends;
  readonly #queue: WorkQueue;
  readonly #stops: (() => void)[] = [];
  readonly #workers: Promise<void>;
  /** Whether Services are followed: only once an APIService names one. */
  #following: Promise<void> | undefined;

  constructor(server: AvailabilityServer, services: ApiServices, backends: Backends) {
    this.#server = server;
    this.#services = services;
    this.#backends = backends;
    const pauses = AGGREGATED_CHECKS_PAUSES;
    const queue = (this.#queue = new WorkQueue({
      ...{ clock: server.clock, pauses },
      workers: AGGREGATED_WORKERS,
    }));
    this.#stops.push(services.subscribe((name) => queue.add(name)));
    this.#workers = runWorkers({
      name: "apiservice-availability",
      queue,
      reconcile: (name) => this.#reconcile(name),
      isExpected: (thrown) => thrown instanceof Unavailable || isReason(thrown, "Conflict"),
    });
  }

  async close(): Promise<void> {
    this.#queue.close();
    for (const stop of this.#stops.splice(0)) stop();
    await this.#workers;
  }

  async #reconcile(name: string): Promise<{ again_ms: number } | void> {
    const service = this.#services.get(name);
    if (service === undefined) return;
    if (!isRemote(service)) return await this.#write(service, LOCAL);
    this.#following ??= this.#follow().catch((thrown: unknown) => {
      this.#following = undefined;
      throw thrown;
    });
    await this.#following;
    const finding = await this.#check(service);
    await this.#write(service, finding);
    if (finding.reason !== "FailedDiscoveryCheck") return { again_ms: AGGREGATED_CHECK_MS };
    throw new Unavailable("UNAVAILABLE", finding.message ?? "");
  }

  /** Changes of Services and EndpointSlices are looked at for the APIServices that name them. */
  async #follow(): Promise<void> {
    const { resources } = this.#server;
    const changed = (namespace: string, name: string | undefined) => {
      for (const { metadata, spec } of this.#services.remotes()) {
        const { service } = spec;
        if (service.name !== name || service.namespace !== namespace) continue;
        this.#queue.add(metadata.name);
      }
    };
    const services = await resources.of("v1", "services").cache();
    const slices = await resources.of("discovery.k8s.io/v1", "endpointslices").cache();
    this.#stops.push(
      services.subscribe(({ entry }) => changed(entry.namespace, entry.name)),
      slices.subscribe(({ entry }) => changed(entry.namespace, entry.labels[OWNING_SERVICE])),
    );
  }

  async #check(remote: RemoteApiService): Promise<Finding> {
    const { namespace, name } = remote.spec.service;
    const services = this.#server.resources.of("v1", "services");
    const entry = (await services.cache()).get(keyOf(services.kind, namespace, name));
    const slices: EndpointSlice[] = await slicesOf(this.#server.resources, namespace, name);
    const found = missing(remote, entry?.shared<Service & KubeObject>(), slices);
    return found ?? (await this.#ask(remote));
  }

  /** Asks several times side by side, of which one success is enough: endpoints differ. */
  async #ask(remote: RemoteApiService): Promise<Finding> {
    const path = discoveryPath(remote);
    const done = new AbortController();
    const attempt = async () => {
      const url = `https://${authorityOf(remote)}${path}`;
      const failing = `failing or missing response from ${url}: `;
      const { status } = await this.#backends
        .get(remote, path, {
          timeout_ms: AGGREGATED_CHECK_TIMEOUT_MS,
          bytes_max: AGGREGATED_CHECK_BYTES_MAX,
          signal: done.signal,
        })
        .catch((thrown: unknown) => {
          throw new Unavailable("UNAVAILABLE", `${failing}${messageOf(thrown)}`, { cause: thrown });
        });
      if (status >= 200 && status < 300) return;
      throw new Unavailable("UNAVAILABLE", `${failing}bad status from ${url}: ${status}`);
    };
    try {
      await Promise.any(Array.from({ length: AGGREGATED_CHECKS }, attempt));
      return PASSED;
    } catch (thrown) {
      const { errors } = thrown as AggregateError;
      return failedCheck(messageOf(errors.at(-1)));
    } finally {
      done.abort();
    }
  }

  async #write(service: ApiService, finding: Finding): Promise<void> {
    const { clock, resources } = this.#server;
    if (withFinding(service, finding, clock.now()) === service) return;
    const resource = resources.of("apiregistration.k8s.io/v1", "apiservices");
    const { name = "", uid } = service.metadata;
    await tolerate(
      changeStatusInternally<ApiService>(this.#server, resource, { name, uid }, (current) =>
        withFinding(current, finding, clock.now()),
      ),
      (thrown) => isReason(thrown, "NotFound"),
    );
  }
}

/** The path that a server of the version must answer. */
function discoveryPath({ spec: { group = "", version = "" } }: RemoteApiService): string {
  return group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
}
