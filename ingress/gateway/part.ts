import { isDeepStrictEqual } from "node:util";
import type { Namespace, Secret, Service } from "@raft2kube/api/gen/core/v1.ts";
import { ignoreLostRace, undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import type { InformerSet } from "@raft2kube/client-kube/informer/informer-set.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { type KubeObject, keyOf, nameOf } from "@raft2kube/client-kube/object/object.ts";
import type { ResourceType } from "@raft2kube/client-kube/rest/resource.ts";
import { NAMESPACES, SERVICES } from "@raft2kube/client-kube/rest/resources.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { byAge } from "../plan/owners.ts";
import type { Services } from "../plan/targets.ts";
import { addressesOf } from "../status.ts";
import { finding } from "./listeners.ts";
import { type GatewayPlan, planGateways, type PlannedParent } from "./plan.ts";
import { dataPlanePort, planServices, type ServicesPlan } from "./services.ts";
import { conditionsOf, gatewayStatus, routeStatus } from "./status.ts";
import {
  type Gateway, GATEWAY_CLASSES, type GatewayClass, GATEWAYS, GRPC_ROUTES, GROUP, HTTP_ROUTES,
  REFERENCE_GRANTS, type ReferenceGrant, type Route,
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
  #classes: Informer<GatewayClass> | undefined;
  #gateways!: Informer<Gateway>;
  #http!: Informer<Route>;
  #grpc!: Informer<Route>;
  #grants!: Informer<ReferenceGrant>;
  #namespaces!: Informer<Namespace>;
  /** The Services of the Gateways that were planned last. */
  #wanted: ServicesPlan["wanted"] = new Map();

  constructor(options: GatewayPartOptions) {
    this.#options = options;
    this.#services = options.informers.of<Service>(SERVICES);
  }

  /** Starts to follow the API once its CRDs are there. */
  async look(): Promise<void> {
    const { informers, changed } = this.#options;
    if (this.#classes) return;
    const path = `/apis/${GROUP}/v1`;
    if (!(await undefinedIfNotFound(informers.client.request({ method: "GET", path })))) return;
    const follow = <T extends KubeObject>(type: ResourceType) => {
      const informer = informers.of<T>(type);
      informer.handle({ added: changed, updated: changed, deleted: changed });
      return informer;
    };
    this.#gateways = follow<Gateway>(GATEWAYS);
    this.#http = follow<Route>(HTTP_ROUTES);
    this.#grpc = follow<Route>(GRPC_ROUTES);
    this.#grants = follow<ReferenceGrant>(REFERENCE_GRANTS);
    this.#namespaces = follow<Namespace>(NAMESPACES);
    this.#classes = follow<GatewayClass>(GATEWAY_CLASSES);
  }

  /** Plans the Gateways; makes their Services, which give them ports of the data plane. */
  async plan(): Promise<GatewayPlan | undefined> {
    const all = [this.#gateways, this.#http, this.#grpc, this.#grants, this.#namespaces];
    if (!this.#classes?.hasSynced || !all.every(({ hasSynced }) => hasSynced)) return undefined;
    const names = new Set(this.#ownClasses.map(({ metadata }) => metadata.name));
    const gateways = this.#gateways.store.list().sort(byAge).filter(({ metadata, spec }) =>
      names.has(spec.gatewayClassName) && metadata.deletionTimestamp === undefined);
    const { namespace } = this.#options;
    const present = this.#services.store.list().filter(({ metadata }) =>
      metadata.namespace === namespace);
    const services = planServices(gateways, present, namespace);
    await this.#applyServices(services);
    this.#wanted = services.wanted;
    return planGateways({
      gateways,
      routes: [...this.#http.store.list(), ...this.#grpc.store.list()],
      grants: this.#grants.store.list(),
      services: this.#options.services,
      secret: (key) => this.#options.secret(key),
      namespace: (name) => this.#namespaces.store.get(name),
      portOf: (gateway, port) => dataPlanePort(services, gateway, port),
    });
  }

  /** Writes what has changed of the statuses of classes, Gateways and routes. */
  async report(plan: GatewayPlan): Promise<void> {
    const now = `${new Date(this.#options.clock.now()).toISOString().slice(0, 19)}Z`;
    for (const one of this.#ownClasses) {
      const findings = [finding("Accepted", "Accepted", "", true)];
      const former = one.status?.conditions ?? [];
      const conditions = conditionsOf(findings, former, one.metadata, now);
      await this.#write(GATEWAY_CLASSES, one, { ...one.status, conditions });
    }
    for (const planned of plan.gateways) {
      const { gateway } = planned;
      const service = this.#wanted.get(keyOf(gateway));
      const shown = service && this.#services.store.get(keyOf(service));
      await this.#write(GATEWAYS, gateway, gatewayStatus(planned, addressesOf(shown), now));
    }
    const parents = new Map<Route, PlannedParent[]>();
    for (const each of plan.parents) {
      parents.set(each.route, [...(parents.get(each.route) ?? []), each]);
    }
    for (const route of [...this.#http.store.list(), ...this.#grpc.store.list()]) {
      const type = route.kind === "HTTPRoute" ? HTTP_ROUTES : GRPC_ROUTES;
      const status = routeStatus(route, parents.get(route) ?? [], GATEWAY_CONTROLLER, now);
      if (status.parents!.length === 0 && !route.status?.parents) continue;
      await this.#write(type, route, status);
    }
  }

  get #ownClasses(): GatewayClass[] {
    return (this.#classes?.store.list() ?? []).filter(({ spec }) =>
      spec.controllerName === GATEWAY_CONTROLLER);
  }

  async #applyServices({ changed, deleted }: ServicesPlan): Promise<void> {
    const services = this.#options.informers.client.resource<Service>(SERVICES);
    for (const service of changed) {
      const isNew = service.metadata.uid === undefined;
      await ignoreLostRace(isNew ? services.create(service) : services.update(service));
    }
    for (const service of deleted) await ignoreLostRace(services.delete(nameOf(service)));
  }

  async #write<T extends KubeObject & { status?: unknown }>(
    type: ResourceType, object: T, status: unknown,
  ): Promise<void> {
    if (isDeepStrictEqual(object.status, status)) return;
    const writer = this.#options.informers.client.resource<T>(type);
    await ignoreLostRace(writer.updateStatus({ ...object, status } as T));
  }
}
