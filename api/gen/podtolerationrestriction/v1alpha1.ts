/** The types of podtolerationrestriction.admission.k8s.io/v1alpha1, made from facts by scripts/api-gen.ts. */

import type { Toleration } from "../core/v1.ts";

export interface Configuration {
  apiVersion?: string;
  kind?: string;
  default?: Toleration[];
  whitelist?: Toleration[];
}
