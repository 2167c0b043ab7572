import type { Secret, Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import type { Ingress, IngressClass } from "@raft2kube/api/gen/networking/v1.ts";
import type { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import type { InformerSet } from "@raft2kube/client-kube/informer/informer-set.ts";
import {
  ENDPOINT_SLICES, INGRESS_CLASSES, INGRESSES, SECRETS, SERVICES,
} from "@raft2kube/client-kube/rest/resources.ts";
import type { Logger } from "@raft2kube/observe/log.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { GatewayPart } from "./gateway/part.ts";
import type { GatewayPlan } from "./gateway/plan.ts";
import type { DataPlane } from "./haproxy/data-plane.ts";
import { RETRY_FIRST_MS, RETRY_MS_MAX, SYNC_DELAY_MS, SYNC_MS_MAX } from "./limits.ts";
import type { Pair } from "./plan/certificates.ts";
import { type IngressPlan, planIngresses } from "./plan/ingress.ts";
import type { Plan } from "./plan/model.ts";
import { SERVICE_LABEL } from "./plan/targets.ts";
import { addressesOf, RefusalEvents, writeAddresses } from "./status.ts";

export interface IngressLoopOptions {
  readonly informers: InformerSet;
  readonly dataPlane: Pick<DataPlane, "apply">;
  readonly recorder: EventRecorder;
  /** The controller's name in IngressClasses. */
  readonly controller: string;
  /** `namespace/name` of the Service whose addresses lead to the data plane. */
  readonly service: string;
  readonly ports: { readonly http: number; readonly https: number };
  readonly fallback: Pair;
  readonly log: Logger;
  readonly clock: Clock;
}

/** Connects the API's objects, the plan and the data plane. */
export class IngressLoop {
  readonly #options: IngressLoopOptions;
  readonly #passes: Runner;
  readonly #events: RefusalEvents;
  readonly #ingresses;
  readonly #classes;
  readonly #services;
  readonly #slices;
  readonly #secrets;
  readonly #cluster;
  readonly #gateways: GatewayPart;
  readonly #first = Promise.withResolvers<void>();

  constructor(options: IngressLoopOptions) {
    const { informers, clock, log } = options;
    this.#options = options;
    this.#events = new RefusalEvents(options.recorder);
    this.#ingresses = informers.of<Ingress>(INGRESSES);
    this.#classes = informers.of<IngressClass>(INGRESS_CLASSES);
    this.#services = informers.of<Service>(SERVICES);
    this.#slices = informers.of<EndpointSlice>(ENDPOINT_SLICES, { labelSelector: SERVICE_LABEL });
    this.#secrets = informers.of<Secret>(SECRETS, { fieldSelector: "type=kubernetes.io/tls" });
    this.#slices.index(SERVICE_LABEL, ({ metadata: { namespace, labels = {} } }) => {
      return [`${namespace}/${labels[SERVICE_LABEL]}`];
    });
    this.#cluster = {
      services: {
        service: (key: string) => this.#services.store.get(key),
        slices: (key: string) => this.#slices.store.by(SERVICE_LABEL, key),
      },
      secret: (key: string) => this.#secrets.store.get(key),
    };
    const namespace = options.service.split("/")[0]!;
    const changed = () => this.#passes.request();
    this.#gateways = new GatewayPart({ ...this.#cluster, informers, namespace, clock, changed });
    this.#passes = new Runner({
      clock,
      min_ms: SYNC_DELAY_MS,
      max_ms: SYNC_MS_MAX,
      retry: { first_ms: RETRY_FIRST_MS, most_ms: RETRY_MS_MAX },
      run: () => this.#pass(),
      report: failureLog(log, "the data plane could not be changed"),
    });
  }

  /** Resolves when the first plan is in force. */
  get ready(): Promise<void> {
    return this.#first.promise;
  }

  start(): void {
    const changed = () => {
      if (this.#hasSynced) this.#passes.request();
    };
    const all = [this.#ingresses, this.#classes, this.#services, this.#slices, this.#secrets];
    for (const informer of all) {
      informer.handle({ added: changed, updated: changed, deleted: changed });
    }
    this.#options.informers.start();
    void this.#options.informers.synced().then(() => this.#passes.request(0));
  }

  close(): Promise<void> {
    return this.#passes.close();
  }

  get #hasSynced(): boolean {
    return [this.#ingresses, this.#classes, this.#services, this.#slices, this.#secrets]
      .every(({ hasSynced }) => hasSynced);
  }

  async #pass(): Promise<void> {
    const { dataPlane, informers, controller, service, fallback, clock } = this.#options;
    const plan = planIngresses({
      ingresses: this.#ingresses.store.list(),
      classes: this.#classes.store.list(),
      ...this.#cluster,
      controller,
      now_ms: clock.now(),
      fallback,
    });
    await this.#gateways.look();
    const gateways = await this.#gateways.plan();
    await dataPlane.apply(this.#whole(plan, gateways));
    this.#first.resolve();
    this.#events.report(plan.refusals);
    const addresses = addressesOf(this.#services.store.get(service));
    await writeAddresses(plan.served, addresses, informers.client.resource<Ingress>(INGRESSES));
    if (gateways) await this.#gateways.report(gateways);
  }

  #whole({ sites, certificates, backends }: IngressPlan, gateways?: GatewayPlan): Plan {
    const { http, https } = this.#options.ports;
    return {
      frontends: [
        { name: "ingress", port: http, certificates: undefined, sites },
        { name: "ingress-tls", port: https, certificates, sites },
        ...(gateways?.frontends ?? []),
      ],
      backends: new Map([
        ...backends.map((backend) => [backend.name, backend] as const),
        ...(gateways?.backends ?? []),
      ]),
    };
  }
}
