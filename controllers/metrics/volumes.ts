import type { PersistentVolume, PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import { addMetric } from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";

type Labels = Readonly<Record<string, string>>;

/** Claims and volumes, bound and not. */
export class VolumeMetrics {
  #claims: () => readonly PersistentVolumeClaim[] = () => [];
  #volumes: () => readonly PersistentVolume[] = () => [];

  constructor(registry: Registry) {
    const gauge = (last: string, help: string, counted: () => Labels[]) =>
      addMetric(registry, { name: `pv_collector_${last}`, help, type: "gauge" }, () =>
        [...Map.groupBy(counted(), (labels) => JSON.stringify(labels)).values()]
          .map((same) => ({ labels: same[0]!, value: same.length })));
    const claims = (bound: boolean) => this.#claims()
      .filter(({ status }) => (status?.phase === "Bound") === bound)
      .map(({ metadata, spec }) => ({
        namespace: metadata.namespace ?? "",
        storage_class: spec.storageClassName ?? "",
        volume_attributes_class: spec.volumeAttributesClassName ?? "",
      }));
    const volumes = (bound: boolean) => this.#volumes()
      .filter(({ status }) => (status?.phase === "Bound") === bound)
      .map(({ spec }) => ({ storage_class: spec.storageClassName ?? "" }));
    gauge("bound_pvc_count", "Bound claims.", () => claims(true));
    gauge("unbound_pvc_count", "Claims that are not bound.", () => claims(false));
    gauge("bound_pv_count", "Bound volumes.", () => volumes(true));
    gauge("unbound_pv_count", "Volumes that are not bound.", () => volumes(false));
  }

  show(
    claims: () => readonly PersistentVolumeClaim[],
    volumes: () => readonly PersistentVolume[],
  ): void {
    this.#claims = claims;
    this.#volumes = volumes;
  }
}
