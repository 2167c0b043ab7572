import { isDeepStrictEqual } from "node:util";
import type { Secret, Service } from "@raft2kube/api/gen/core/v1.ts";
import { undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import type { InformerSet } from "@raft2kube/client-kube/informer/informer-set.ts";
import { type KubeObject, keyOf } from "@raft2kube/client-kube/object/object.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import type { ResourceType } from "@raft2kube/client-kube/rest/resource.ts";
import { NAMESPACES, SERVICES } from "@raft2kube/client-kube/rest/resources.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { resultWithin } from "@raft2kube/std/wait.ts";
import { GATEWAY_SYNC_MS_MAX } from "../limits.ts";
import { byAge } from "../plan/owners.ts";
import type { Services } from "../plan/targets.ts";
import { addressesOf, StatusWrites } from "../status.ts";
import { holds } from "./listeners.ts";
import { type GatewayPlan, planGateways } from "./plan.ts";
import { applyServices, planServices, type ServicesPlan } from "./services.ts";
import { conditionsOf, gatewayStatus, routeStatus } from "./status.ts";
import {
  GATEWAY_CLASSES,
  GATEWAYS,
  type GatewayClass,
  GROUP,
  GRPC_ROUTES,
  HTTP_ROUTES,
  REFERENCE_GRANTS,
  type Route,
} from "./types.ts";

export const GATEWAY_CONTROLLER = "r2k.io/gateway";

export interface GatewayPartOptions {
  readonly informers: InformerSet;
  readonly services: Services;
  secret(key: string): Secret | undefined;
  /** The namespace of the data plane, where the Services of Gateways are made. */
  readonly namespace: string;
  readonly clock: Clock;
  readonly changed: () => void;
}

/** The Gateway API's part of a pass; it has nothing to do while the CRDs are not installed. */
export class GatewayPart {
  readonly #options: GatewayPartOptions;
  readonly #services: Informer<Service>;
  /** The informers of the API, once its CRDs are there. */
  #api: ReturnType<typeof followed> | undefined;
  /** The Services of the Gateways that were planned last. */
  #wanted: ServicesPlan["wanted"] = new Map();
  readonly #writes = new StatusWrites();
  readonly #report = failureLog(logger("ingress"), "a Gateway's Service could not be changed");

  constructor(options: GatewayPartOptions) {
    this.#options = options;
    this.#services = options.informers.of(SERVICES);
  }

  /** Plans the Gateways; makes their Services, which give them ports of the data plane. */
  async plan(): Promise<GatewayPlan | undefined> {
    const { informers, namespace, changed, clock } = this.#options;
    if (!this.#api) {
      const asked = informers.client.request({ method: "GET", path: `/apis/${GROUP}/v1` });
      if (!(await undefinedIfNotFound(asked))) return undefined;
      this.#api = followed(informers, changed);
      // A pass without the Gateways would close their ports.
      const lists = Object.values(this.#api).map(({ synced }) => synced);
      await resultWithin(clock, Promise.all(lists), GATEWAY_SYNC_MS_MAX);
    }
    const { gateways: all, grants, namespaces } = this.#api;
    if (!Object.values(this.#api).every(({ hasSynced }) => hasSynced)) return undefined;
    const names = new Set(this.#ownClasses.map(({ metadata }) => metadata.name));
    const gateways = all.store
      .list()
      .sort(byAge)
      .filter(
        ({ metadata, spec }) =>
          names.has(spec.gatewayClassName) && metadata.deletionTimestamp === undefined,
      );
    const present = this.#services.store
      .list()
      .filter(({ metadata }) => metadata.namespace === namespace);
    const services = planServices(gateways, present, namespace);
    this.#report(await applyServices(services, informers.client.resource(SERVICES)));
    this.#wanted = services.wanted;
    return planGateways({
      gateways,
      routes: this.#routes,
      grants: grants.store.list(),
      services: this.#options.services,
      secret: (key) => this.#options.secret(key),
      namespace: (name) => namespaces.store.get(name),
      portOf: services.portOf,
    });
  }

  /** Writes what has changed of the statuses of classes, Gateways and routes, or some of it. */
  async report(plan: GatewayPlan): Promise<void> {
    const now = timeText(this.#options.clock.now());
    const writes = new Map<string, () => Promise<unknown>>();
    const write = <T extends KubeObject & { status?: unknown }>(
      type: ResourceType<T>,
      object: T,
      status: unknown,
    ) => {
      if (isDeepStrictEqual(object.status, status)) return;
      const writer = this.#options.informers.client.resource(type);
      const changed = { ...object, status } as T;
      writes.set(`${keyOf(object)} ${type.plural}`, () => writer.updateStatus(changed));
    };
    for (const one of this.#ownClasses) {
      const former = one.status?.conditions ?? [];
      const conditions = conditionsOf([holds("Accepted")], former, one.metadata, now);
      write(GATEWAY_CLASSES, one, { ...one.status, conditions });
    }
    for (const planned of plan.gateways) {
      const { gateway } = planned;
      const service = this.#wanted.get(keyOf(gateway));
      const shown = service && this.#services.store.get(keyOf(service));
      write(GATEWAYS, gateway, gatewayStatus(planned, addressesOf(shown), now));
    }
    const parents = Map.groupBy(plan.parents, ({ route }) => route);
    for (const route of this.#routes) {
      const type = route.kind === "HTTPRoute" ? HTTP_ROUTES : GRPC_ROUTES;
      const status = routeStatus(route, parents.get(route) ?? [], GATEWAY_CONTROLLER, now);
      if (status.parents!.length === 0 && !route.status?.parents) continue;
      write(type, route, status);
    }
    await this.#writes.make(writes);
  }

  get #ownClasses(): GatewayClass[] {
    return (this.#api?.classes.store.list() ?? []).filter(
      ({ spec }) => spec.controllerName === GATEWAY_CONTROLLER,
    );
  }

  get #routes(): Route[] {
    return this.#api ? [...this.#api.http.store.list(), ...this.#api.grpc.store.list()] : [];
  }
}

function followed(informers: InformerSet, changed: () => void) {
  const api = {
    classes: informers.of(GATEWAY_CLASSES),
    gateways: informers.of(GATEWAYS),
    http: informers.of(HTTP_ROUTES),
    grpc: informers.of(GRPC_ROUTES),
    grants: informers.of(REFERENCE_GRANTS),
    namespaces: informers.of(NAMESPACES),
  };
  const handler = { added: changed, updated: changed, deleted: changed };
  for (const informer of Object.values(api)) informer.handle(handler);
  return api;
}
