import type { Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { notFound, serviceUnavailable } from "@raft2kube/apimachinery/errors/catalog.ts";
import { pick, type Random } from "@raft2kube/std/random.ts";
import { walkFrom } from "../cache/states.ts";
import type { Entry } from "../object/entry.ts";
import { reachable } from "../object/reachable.ts";
import type { Resources } from "../resource/resources.ts";
import { keyOf, prefixOf } from "../storage/keys.ts";
import { WebhookError } from "./errors.ts";

/** A place to connect to. */
export type Address = { readonly host: string; readonly port: number };

/** Finds where a port of a Service is reached (upstream's ServiceResolver). */
export interface ServiceResolver {
  resolve(namespace: string, name: string, port: number): Promise<Address>;
}

/** The label of an EndpointSlice that names its Service. */
export const OWNING_SERVICE = "kubernetes.io/service-name";

/**
 * Finds the endpoints of Services in the watch caches. A connection goes to a ready endpoint and
 * not to the ClusterIP (upstream's `--enable-aggregator-routing`), so that it needs no proxy on the
 * machine of this server: at random, to those of the Service's first address family first. Throws
 * 404 or 503; WebhookError for a Service without endpoints of its own.
 */
export const serviceEndpoints = (resources: Resources, random: Random): ServiceResolver => ({
  async resolve(namespace, name, port) {
    const service = await serviceOf(resources, namespace, name);
    const { type = "ClusterIP", ports = [], ipFamilies = [] } = service.spec ?? {};
    if (type === "ExternalName") {
      throw new WebhookError(`unsupported service type ${JSON.stringify(type)}`);
    }
    const named = JSON.stringify(name);
    const wanted = ports.find((each) => each.port === port);
    if (wanted === undefined) {
      throw serviceUnavailable(`no service port ${port} found for service ${named}`);
    }
    const slices = await slicesOf(resources, namespace, name);
    const preferred = slices.filter(({ addressType }) => addressType === ipFamilies[0]);
    for (const some of [preferred, slices]) {
      const ready = some.flatMap((slice) => readyIn(slice, wanted.name ?? ""));
      if (ready.length === 0) continue;
      const address = pick(random, ready);
      return { ...address, host: reachable(address.host) };
    }
    throw serviceUnavailable(`no endpoints available for service ${named}`);
  },
});

async function serviceOf(
  resources: Resources,
  namespace: string,
  name: string,
): Promise<Service & KubeObject> {
  const services = resources.of("v1", "services");
  const entry = (await services.cache()).get(keyOf(services.kind, namespace, name));
  if (entry === undefined) throw notFound({ group: "", name: "service" }, name);
  return entry.shared<Service & KubeObject>();
}

/** The EndpointSlices of a Service, from the watch cache. */
export async function slicesOf(
  resources: Resources,
  namespace: string,
  service: string,
): Promise<EndpointSlice[]> {
  const resource = resources.of("discovery.k8s.io/v1", "endpointslices");
  const prefix = prefixOf(resource.kind, namespace);
  const found: Entry[] = [];
  walkFrom((await resource.cache()).state, prefix, prefix, (entry) => {
    if (entry.labels[OWNING_SERVICE] === service) found.push(entry);
  });
  return found.map((entry) => entry.shared<EndpointSlice & KubeObject>());
}

function readyIn({ ports, endpoints }: EndpointSlice, portName: string): Address[] {
  const port = (ports ?? []).find((each) => (each.name ?? "") === portName)?.port;
  if (port === undefined) return [];
  return endpoints
    .filter(({ conditions }) => conditions?.ready !== false)
    .map(({ addresses }) => ({ host: addresses[0] ?? "", port }));
}
