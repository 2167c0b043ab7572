/** The types of tracing.k8s.io/v1, made from facts by scripts/api-gen.ts. */

export interface TracingConfiguration {
  endpoint?: string;
  samplingRatePerMillion?: number;
}
