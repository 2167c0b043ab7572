import type { Service } from "../../../gen/core/v1.ts";

/** The class of Services that name one; those that name none are served too. */
const CLASS = "r2k.io/load-balancer";

/** Whether a Service has its address of this cluster's pools; other classes are other programs'. */
export function isOwnLoadBalancer({ spec }: Pick<Service, "spec">): boolean {
  return spec.type === "LoadBalancer" && (spec.loadBalancerClass ?? CLASS) === CLASS;
}
