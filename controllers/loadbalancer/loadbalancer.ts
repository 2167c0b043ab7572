import { isDeepStrictEqual } from "node:util";
import { isOwnLoadBalancer } from "@raft2kube/api/core/v1/service/load-balancer.ts";
import type { Service } from "@raft2kube/api/gen/core/v1.ts";
import { ignoreLostRace } from "@raft2kube/client-kube/errors.ts";
import { RefusalEvents } from "@raft2kube/client-kube/events/refusals.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import { CONFIG_MAPS, NODES, SERVICES } from "@raft2kube/client-kube/rest/resources.ts";
import { forEach } from "@raft2kube/reconcile/each.ts";
import { given } from "@raft2kube/std/given.ts";
import type { ControllerContext, Running } from "../context.ts";
import { closeAll, startLoop } from "../loop.ts";
import { allocate, type Outcome, type Wanted } from "./allocate.ts";
import { DEFAULT_POOL, POOLS_MAP, readPools, reportedBy } from "./pools.ts";

const ACCOUNT = "service-controller";
const POOL = "r2k.io/load-balancer-pool";
const ADDRESS = "r2k.io/load-balancer-address";
const SHARING = "r2k.io/load-balancer-sharing-key";
/** The only key of the queue: addresses are decided for all Services together. */
const ALL = "all";

/**
 * Gives Services of the type LoadBalancer addresses of the pools in the ConfigMap
 * kube-system/load-balancer-pools. The Services' status is the only record of who has which, and
 * no right of a namespace's users covers it. While the pools have a mistake nothing changes; an
 * event of the ConfigMap names it.
 */
export function startLoadBalancers(context: ControllerContext): Running {
  const services = context.informers.of(SERVICES);
  const maps = context.informers.of(CONFIG_MAPS, { fieldSelector: `metadata.name=${POOLS_MAP}` });
  const nodes = context.informers.of(NODES);
  const writer = context.client(ACCOUNT).resource(SERVICES);
  const recorder = context.recorder(ACCOUNT, "load-balancer-controller");
  const { loadBalancerPool } = context.settings;
  const events = new RefusalEvents(recorder);

  const poolsNow = () => {
    const map = maps.store.get(`kube-system/${POOLS_MAP}`);
    const own = given({ [DEFAULT_POOL]: loadBalancerPool }) as Record<string, string>;
    const { pools, problems } = readPools({ ...own, ...map?.data });
    if (problems.length === 0) return pools;
    const about = { apiVersion: "v1", kind: "ConfigMap", metadata: map?.metadata ?? {} };
    const message = problems.join("; ").slice(0, 1_000);
    events.report([{ about, reason: "InvalidPools", message }]);
    return undefined;
  };

  const write = async (service: Service, outcome: Outcome) => {
    const address = "address" in outcome ? outcome.address : undefined;
    const ingress = address === undefined ? [] : [{ ip: address, ipMode: "VIP" }];
    const { ingress: former = [], ...rest } = service.status?.loadBalancer ?? {};
    // A further address, or one in a form of its own, would be served and announced too.
    if (isDeepStrictEqual(former, ingress)) return;
    const status = { ...service.status, loadBalancer: { ...rest, ingress } };
    await ignoreLostRace(writer.updateStatus({ ...service, status }));
    if (address === undefined || address === addressOf(service)) return;
    const message = `Ensured load balancer: ${address}`;
    recorder.record(referenceTo(service), "Normal", "EnsuredLoadBalancer", message);
  };

  const reconcile = async () => {
    const pools = poolsNow();
    if (!pools) return;
    const served = services.store.list().filter(isServed);
    const outcomes = allocate(served.map(wantedOf), pools, reportedBy(nodes.store.list()));
    const outcomeOf = (service: Service) => outcomes.get(keyOf(service))!;
    events.report(served.flatMap((service) => refusalOf(service, outcomeOf(service))));
    await forEach(served, (service) => write(service, outcomeOf(service)));
  };

  const reads = [services, maps, nodes];
  const loop = startLoop(context, {
    queue: "service",
    name: "service-lb-controller",
    reads,
    workers: 1,
    reconcile,
  });
  const look = () => loop.queue.add(ALL);
  maps.handle({ added: look, updated: look, deleted: look });
  nodes.handle({ deleted: look });
  const lookAt = (service: Service, old = service) => {
    if (isServed(service) || isServed(old)) look();
  };
  services.handle({ added: (service) => lookAt(service), updated: lookAt, deleted: lookAt });
  return closeAll(loop, recorder);
}

function refusalOf(service: Service, outcome: Outcome) {
  if ("address" in outcome) return [];
  const { refused: message } = outcome;
  return [{ about: referenceTo(service), reason: "SyncLoadBalancerFailed", message }];
}

/** Whether a Service gets an address; one that ends keeps its own, which nodes serve until then. */
function isServed(service: Service): boolean {
  const isEnding = service.metadata.deletionTimestamp !== undefined;
  return isOwnLoadBalancer(service) && !(isEnding && addressOf(service) === undefined);
}

const referenceTo = ({ metadata }: Service) => ({ apiVersion: "v1", kind: "Service", metadata });

const addressOf = ({ status }: Service) => status?.loadBalancer?.ingress?.[0]?.ip;

function wantedOf(service: Service): Wanted {
  const { metadata, spec } = service;
  const { annotations = {}, namespace = "" } = metadata;
  const asked = annotations[ADDRESS] ?? (spec.loadBalancerIP || undefined);
  return {
    key: keyOf(service),
    namespace,
    since: metadata.creationTimestamp ?? "",
    current: addressOf(service),
    pool: annotations[POOL],
    // One that is no address is in no pool, and refused as such.
    address: asked?.slice(0, 64),
    sharing: annotations[SHARING] || undefined,
    ports: (spec.ports ?? []).map(({ protocol = "TCP", port }) => `${protocol}/${port}`),
    local: spec.externalTrafficPolicy === "Local" ? JSON.stringify(spec.selector ?? {}) : "",
  };
}
