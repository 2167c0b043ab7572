/** Warnings of a Service: fields without an effect, now or soon. */
import type { Service } from "../../../gen/core/v1.ts";

const HINTS = "service.kubernetes.io/topology-aware-hints";
const TOPOLOGY_MODE = "service.kubernetes.io/topology-mode";

/** Upstream's words (pkg/api/service). */
export function serviceWarnings({ metadata, spec }: Service): string[] {
  const { type, externalIPs = [], externalName = "", loadBalancerIP = "" } = spec;
  const headless = type === "ClusterIP" && spec.clusterIP === "None";
  const outside = type === "ExternalName";
  const given = externalIPs.length > 0;
  const found: readonly (readonly [boolean, string])[] = [
    [
      metadata.annotations?.[HINTS] !== undefined,
      `annotation ${HINTS} is deprecated, please use ${TOPOLOGY_MODE} instead`,
    ],
    [headless && loadBalancerIP !== "", "spec.loadBalancerIP is ignored for headless services"],
    [headless && given, "spec.externalIPs is ignored for headless services"],
    [
      headless && spec.sessionAffinity !== "None",
      "spec.SessionAffinity is ignored for headless services",
    ],
    [
      !headless && !outside && given,
      "spec.externalIPs is deprecated and may no longer be implemented in some clusters",
    ],
    [outside && given, 'spec.externalIPs is ignored when spec.type is "ExternalName"'],
    [
      !outside && externalName !== "",
      'spec.externalName is ignored when spec.type is not "ExternalName"',
    ],
    [
      spec.trafficDistribution === "PreferClose",
      'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"',
    ],
  ];
  return found.filter(([holds]) => holds).map(([, text]) => text);
}
