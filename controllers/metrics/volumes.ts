import type { PersistentVolume, PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import { addMetric, MetricArea } from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";

type Labels = Readonly<Record<string, string>>;

/** Claims and volumes, bound and not, and the claims of ephemeral volumes. */
export class VolumeMetrics extends MetricArea {
  /** Claims that were to be created for ephemeral volumes, and those that were not. */
  readonly claims = this.counter(
    "ephemeral_volume_controller_create_total",
    "Claims that were to be created.",
  ).of();
  readonly claimFailures = this.counter(
    "ephemeral_volume_controller_create_failures_total",
    "Claims that could not be created.",
  ).of();
  /** Volumes that were detached although their node may have had them mounted, by reason. */
  readonly forcedDetaches = this.counter(
    "attach_detach_controller_attachdetach_controller_forced_detaches",
    "Volumes detached although they may have been mounted.",
  );
  /** Claims without a class that got the default one later, and those that could not. */
  readonly laterClasses = this.counter(
    "retroactive_storageclass_total",
    "Claims that were to get the default class after their creation.",
  ).of();
  readonly laterClassFailures = this.counter(
    "retroactive_storageclass_errors_total",
    "Claims that could not get the default class after their creation.",
  ).of();
  #claims: () => readonly PersistentVolumeClaim[] = () => [];
  #volumes: () => readonly PersistentVolume[] = () => [];

  constructor(registry: Registry) {
    super(registry);
    const gauge = (last: string, help: string, counted: () => Labels[]) =>
      addMetric(registry, { name: `pv_collector_${last}`, help, type: "gauge" }, () =>
        [...Map.groupBy(counted(), (labels) => JSON.stringify(labels)).values()].map((same) => ({
          labels: same[0]!,
          value: same.length,
        })),
      );
    const claims = (bound: boolean) =>
      this.#claims()
        .filter(({ status }) => (status?.phase === "Bound") === bound)
        .map(({ metadata, spec }) => ({
          namespace: metadata.namespace ?? "",
          storage_class: spec.storageClassName ?? "",
          volume_attributes_class: spec.volumeAttributesClassName ?? "",
        }));
    const volumes = (bound: boolean) =>
      this.#volumes()
        .filter(({ status }) => (status?.phase === "Bound") === bound)
        .map(({ spec }) => ({ storage_class: spec.storageClassName ?? "" }));
    gauge("bound_pvc_count", "Bound claims.", () => claims(true));
    gauge("unbound_pvc_count", "Claims that are not bound.", () => claims(false));
    gauge("bound_pv_count", "Bound volumes.", () => volumes(true));
    gauge("unbound_pv_count", "Volumes that are not bound.", () => volumes(false));
    gauge("total_pv_count", "Volumes by plugin and mode.", () =>
      this.#volumes().map((volume) => ({
        plugin_name: pluginOf(volume),
        volume_mode: volume.spec.volumeMode ?? "Filesystem",
      })),
    );
  }

  show(
    claims: () => readonly PersistentVolumeClaim[],
    volumes: () => readonly PersistentVolume[],
  ): void {
    this.#claims = claims;
    this.#volumes = volumes;
  }
}

/** Upstream's names of plugins; that of a CSI volume has its driver's. */
const PLUGINS: Readonly<Record<string, string>> = {
  hostPath: "kubernetes.io/host-path",
  local: "kubernetes.io/local-volume",
  nfs: "kubernetes.io/nfs",
  iscsi: "kubernetes.io/iscsi",
  fc: "kubernetes.io/fc",
};

function pluginOf({ spec }: PersistentVolume): string {
  if (spec.csi) return `kubernetes.io/csi:${spec.csi.driver}`;
  return Object.entries(PLUGINS).find(([source]) => source in spec)?.[1] ?? "N/A";
}
