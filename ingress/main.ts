import { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import { RefusalEvents } from "@raft2kube/client-kube/events/refusals.ts";
import { trimMetadata } from "@raft2kube/client-kube/informer/informer.ts";
import { InformerSet } from "@raft2kube/client-kube/informer/informer-set.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import {
  CONFIG_MAPS,
  ENDPOINT_SLICES,
  INGRESS_CLASSES,
  INGRESSES,
  SECRETS,
  SERVICES,
} from "@raft2kube/client-kube/rest/resources.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { createCa } from "@raft2kube/pki/certificate.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { GatewayPart } from "./gateway/part.ts";
import { DataPlane, type DataPlaneOptions } from "./haproxy/data-plane.ts";
import { ReloadPace } from "./haproxy/reload-pace.ts";
import { SYNC_DELAY_MS, SYNC_MS_MAX } from "./limits.ts";
import { keptOf, pairOf, refusePairs, type TimedPair } from "./plan/certificates.ts";
import { type IngressPlan, planIngresses } from "./plan/ingress.ts";
import type { Plan } from "./plan/model.ts";
import { SERVICE_LABEL } from "./plan/targets.ts";
import { addressesOf, StatusWrites, writeAddresses, writeOwners } from "./status.ts";

/** The name of this controller in IngressClasses, unless it is started under another. */
export const CONTROLLER = "r2k.io/ingress";
const FALLBACK_DAYS = 3_650;

export interface IngressOptions extends DataPlaneOptions {
  /** An identity with the rights of `cli/addons/ingress/10-ingress.yaml`; closed by the caller. */
  readonly client: KubeClient;
  /** The controller's name in IngressClasses. */
  readonly controller: string;
  /** `namespace/name` of the Service whose addresses lead to the data plane. */
  readonly service: string;
  readonly ports: { readonly http: number; readonly https: number };
}

/**
 * Writes a configuration without a port, so that haproxy can start: it is ready when the first plan
 * is in force.
 */
export async function prepareDataPlane(options: DataPlaneOptions): Promise<void> {
  await new DataPlane(options).prepare({ frontends: [], backends: new Map() });
}

/**
 * Serves Ingresses and Gateways with the haproxy that shares a folder with this program: connects
 * the API's objects, the plan and the data plane. `ready` resolves when the first plan is in force.
 */
export async function startIngress({
  client,
  controller,
  service,
  ports,
  ...options
}: IngressOptions): Promise<{ readonly ready: Promise<void>; close(): Promise<void> }> {
  const { clock } = options;
  const fallback = await fallbackPair(clock);
  const informers = new InformerSet(client, clock);
  const recorder = new EventRecorder({ client, component: "ingress", clock });
  const events = new RefusalEvents(recorder);
  const dataPlane = new DataPlane(options);
  const pace = new ReloadPace(clock);
  const writes = new StatusWrites();
  const ingresses = informers.of(INGRESSES);
  const classes = informers.of(INGRESS_CLASSES);
  const changed = () => passes.request();
  const cluster = clusterOf(informers, changed);
  const [namespace, name] = service.split("/") as [string, string];
  const record = [namespace, `${name}-hosts`] as const;
  const fieldSelector = `metadata.name=${record[1]}`;
  const records = informers.of(CONFIG_MAPS, { namespace, fieldSelector });
  const gatewayPart = new GatewayPart({ ...cluster, informers, namespace, clock, changed });
  const first = Promise.withResolvers<void>();

  let owners: ReadonlyMap<string, string> | undefined;
  const pass = async (): Promise<number | undefined> => {
    const former = records.store.get(record.join("/"));
    const plan = planIngresses({
      ingresses: ingresses.store.list(),
      classes: classes.store.list(),
      ...cluster,
      controller,
      now_ms: clock.now(),
      fallback,
      owners,
      record: former?.data,
    });
    owners = plan.owners;
    const gateways = await gatewayPart.plan();
    const whole = wholeOf(plan, gateways, ports);
    const next_ms = await dataPlane.apply(whole, { pace, refused: cluster.refuse });
    first.resolve();
    await writeOwners(plan.owners, former, record, client.resource(CONFIG_MAPS));
    events.report(plan.refusals);
    const addresses = addressesOf(cluster.services.service(service));
    await writeAddresses(plan.served, addresses, client.resource(INGRESSES), writes);
    if (gateways) await gatewayPart.report(gateways);
    return next_ms;
  };
  const passes = new Runner({
    clock,
    min_ms: SYNC_DELAY_MS,
    max_ms: SYNC_MS_MAX,
    run: pass,
    report: failureLog(logger("ingress"), "the data plane could not be changed"),
  });
  informers.follow(changed);
  return {
    ready: first.promise,
    async close() {
      await passes.close();
      await informers.close();
      await recorder.close();
    },
  };
}

/** Joins the plans of Ingresses and of Gateways. */
function wholeOf(
  { sites, certificates, backends }: IngressPlan,
  gateways: Plan | undefined,
  ports: IngressOptions["ports"],
): Plan {
  const binds = [{ port: ports.http }, { port: ports.https, certificates }];
  return {
    frontends: [{ name: "ingress", binds, sites }, ...(gateways?.frontends ?? [])],
    backends: new Map([...backends, ...(gateways?.backends ?? [])]),
  };
}

/** The objects that Ingresses and routes refer to. */
function clusterOf(informers: InformerSet, changed: () => void) {
  const services = informers.of(SERVICES);
  const secrets = informers.of(SECRETS, { fieldSelector: "type=kubernetes.io/tls" }, keptOf);
  const labelSelector = SERVICE_LABEL;
  const slices = informers.of(ENDPOINT_SLICES, { labelSelector }, trimMetadata);
  slices.index(SERVICE_LABEL, ({ metadata: { namespace, labels = {} } }) => [
    `${namespace}/${labels[SERVICE_LABEL]}`,
  ]);
  return {
    services: {
      service: (key: string) => services.store.get(key),
      slices: (key: string) => slices.store.by(SERVICE_LABEL, key),
    },
    secret: (key: string) => secrets.store.get(key),
    refuse(pairs: ReadonlySet<string>) {
      refusePairs(secrets.store.list(), pairs);
      changed(); // the next plan reports them
    },
  };
}

/** A certificate of its own, for clients that ask for no name that has one. */
async function fallbackPair(clock: Clock): Promise<TimedPair> {
  const dnsNames = ["ingress.invalid"];
  const request = { commonName: "raft2kube ingress", dnsNames, days: FALLBACK_DAYS };
  const { cert, key } = await createCa({ ...request, now_ms: clock.now() });
  return pairOf(cert, key);
}
