/** The types of eventratelimit.admission.k8s.io/v1alpha1, made from facts by scripts/api-gen.ts. */

export interface Configuration {
  apiVersion?: string;
  kind?: string;
  limits: Limit[];
}

export interface Limit {
  type: LimitType;
  qps: number;
  burst: number;
  cacheSize?: number;
}

export type LimitType = string;
