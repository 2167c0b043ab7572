/** The types of pod-security.admission.config.k8s.io/v1, made from facts by scripts/api-gen.ts. */

export interface PodSecurityConfiguration {
  apiVersion?: string;
  kind?: string;
  defaults: PodSecurityDefaults;
  exemptions: PodSecurityExemptions;
}

export interface PodSecurityDefaults {
  enforce?: string;
  "enforce-version"?: string;
  audit?: string;
  "audit-version"?: string;
  warn?: string;
  "warn-version"?: string;
}

export interface PodSecurityExemptions {
  usernames?: string[];
  namespaces?: string[];
  runtimeClasses?: string[];
}
