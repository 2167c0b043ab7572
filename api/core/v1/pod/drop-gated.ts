import type { PodSpec, VolumeProjection } from "../../../gen/core/v1.ts";

const GATED = ["clusterTrustBundle", "podCertificate"] as const;

const projections = (spec: PodSpec | undefined): VolumeProjection[] =>
  (spec?.volumes ?? []).flatMap(({ projected }) => projected?.sources ?? []);

/**
 * Drops fields that nothing here reads, of features that are off upstream: who sets them would
 * believe them. A pod that has one keeps it.
 */
export function dropGated(spec: PodSpec, old?: PodSpec): void {
  if (old?.schedulingGroup === undefined) delete spec.schedulingGroup;
  for (const name of GATED) {
    if (projections(old).some((source) => source[name] !== undefined)) continue;
    for (const source of projections(spec)) delete source[name];
  }
}
