import type { Core } from "../core.ts";
import { ensureApiServices } from "./api-services.ts";
import { publishClientCa } from "./authentication-config.ts";
import { ensureFlowControl } from "./flow-control.ts";
import type { KubernetesService } from "./kubernetes-service.ts";
import { ensureNamespaces } from "./namespaces.ts";
import { ensurePriorityClasses } from "./priority-classes.ts";
import { reconcilePolicy } from "./rbac/reconcile.ts";
import { ensureServiceCidr } from "./service-cidr.ts";

interface Step {
  name: string;
  run(core: Core, kubernetes: KubernetesService): Promise<void>;
}

/** What must be there before anybody is served, under the names of upstream's post-start hooks. */
const STEPS: readonly Step[] = [
  { name: "start-system-namespaces-controller", run: ensureNamespaces },
  { name: "rbac/bootstrap-roles", run: reconcilePolicy },
  { name: "scheduling/bootstrap-system-priority-classes", run: ensurePriorityClasses },
  { name: "start-kubernetes-service-cidr-controller", run: ensureServiceCidr },
  { name: "bootstrap-controller", run: (_core, kubernetes) => kubernetes.start() },
  { name: "start-cluster-authentication-info-controller", run: publishClientCa },
  { name: "priority-and-fairness-config-producer", run: ensureFlowControl },
  { name: "kube-apiserver-autoregistration", run: ensureApiServices },
];

export const BOOTSTRAP_STEPS: readonly string[] = STEPS.map(({ name }) => name);

/**
 * Makes or mends what a cluster always has. Each step can run again, on several servers at a time.
 * `kubernetes` goes on mending the Service of that name until it is closed.
 */
export async function bootstrap(
  core: Core,
  kubernetes: KubernetesService,
  reached: (step: string) => void,
): Promise<void> {
  for (const step of STEPS) {
    await step.run(core, kubernetes);
    reached(step.name);
  }
}
