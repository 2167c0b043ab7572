import type { Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { Informer, trimMetadata } from "@raft2kube/client-kube/informer/informer.ts";
import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { ENDPOINT_SLICES, NAMESPACES, SERVICES } from "@raft2kube/client-kube/rest/resources.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { BackendCache, clusterIps, serviceOf } from "./backends.ts";
import type { ClusterView } from "./view.ts";

/** A view of the cluster that informers keep current. */
export interface InformerView extends ClusterView {
  /** Resolves when all informers have synchronized. */
  synced: Promise<void>;
  hasSynced(): boolean;
  close(): Promise<void>;
}

/** Starts informers of Services, EndpointSlices and the metadata of namespaces. */
export function informerView(client: KubeClient, clock: Clock): InformerView {
  const services = new Informer<Service>({
    resource: client.resource(SERVICES),
    transform: trimMetadata,
    clock,
  });
  const slices = new Informer<EndpointSlice>({
    resource: client.resource(ENDPOINT_SLICES),
    transform: trimMetadata,
    clock,
  });
  const namespaces = new Informer<KubeObject>({
    resource: client.resource(NAMESPACES),
    metadataOnly: true,
    transform: trimMetadata,
    clock,
  });
  services.index("address", clusterIps);
  slices.index("address", (slice) => slice.endpoints?.flatMap(({ addresses }) => addresses) ?? []);
  slices.index("service", serviceOf);
  const backends = new BackendCache();
  const changedSlice = (slice: EndpointSlice) => backends.changed(slice);
  slices.handle({
    added: changedSlice,
    deleted: changedSlice,
    updated(slice, old) {
      changedSlice(slice);
      changedSlice(old);
    },
  });
  let serial = Math.floor(clock.now() / 1000);
  const changed = () => {
    serial = Math.max(serial + 1, Math.floor(clock.now() / 1000));
  };
  const all = [services, slices, namespaces];
  for (const informer of all) {
    informer.handle({ added: changed, updated: changed, deleted: changed });
    informer.start();
  }
  return {
    synced: Promise.all(all.map((informer) => informer.synced)).then(() => undefined),
    hasSynced: () => all.every((informer) => informer.hasSynced),
    hasNamespace: (name) => namespaces.store.get(name) !== undefined,
    service: (namespace, name) => services.store.get(`${namespace}/${name}`),
    backends(namespace, name) {
      const service = `${namespace}/${name}`;
      return backends.of(service, slices.store.by("service", service));
    },
    serviceAt: (address) => services.store.by("address", address)[0],
    slicesAt: (address) => slices.store.by("address", address),
    serial: () => serial >>> 0,
    async close() {
      await Promise.all(all.map((informer) => informer.close()));
    },
  };
}
