import type { Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { backendsOf, clusterIps, serviceOf } from "../zone/backends.ts";
import type { ClusterView } from "../zone/view.ts";

/** The view of a cluster that has these objects, whose only namespace is that of the Services. */
export function viewOf(services: readonly Service[], slices: EndpointSlice[]): ClusterView {
  return {
    hasNamespace: (name) => services.some(({ metadata }) => metadata.namespace === name),
    service: (namespace, name) =>
      services.find(({ metadata }) => metadata.namespace === namespace && metadata.name === name),
    backends: (namespace, name) =>
      backendsOf(slices.filter((slice) => serviceOf(slice).includes(`${namespace}/${name}`))),
    serviceAt: (ip) => services.find((service) => clusterIps(service).includes(ip)),
    slicesAt: (ip) =>
      slices.filter(({ endpoints }) => endpoints.some(({ addresses }) => addresses.includes(ip))),
    serial: () => 42,
  };
}
