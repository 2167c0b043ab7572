/** A cluster's settings for autoscalers; defaults are upstream's. */
export interface AutoscalerSettings {
  /** How often each autoscaler is looked at (--horizontal-pod-autoscaler-sync-period). */
  readonly syncPeriod_ms: number;
  /** The stabilization window of scaling down for autoscalers that name none. */
  readonly downscaleStabilization_ms: number;
  /** How far usage may be from the target, as a share of it, before anything is scaled. */
  readonly tolerance: number;
  /** How long after its start a pod's processor time may be that of its beginning. */
  readonly cpuInitializationPeriod_ms: number;
  /** How long after its start a pod that was never ready is not counted as unready. */
  readonly initialReadinessDelay_ms: number;
}

export const AUTOSCALER_DEFAULTS: AutoscalerSettings = {
  syncPeriod_ms: 15_000,
  downscaleStabilization_ms: 300_000,
  tolerance: 0.1,
  cpuInitializationPeriod_ms: 300_000,
  initialReadinessDelay_ms: 30_000,
};
