import type { Core } from "../core.ts";
import { ensureApiServices } from "./api-services.ts";
import { publishClientCa } from "./authentication-config.ts";
import { FlowControl } from "./flow-control/follow.ts";
import { IdentityLease } from "./identity-lease.ts";
import { KubernetesService } from "./kubernetes-service.ts";
import { LegacyTokenRecord } from "./legacy-token-record.ts";
import { ensureNamespaces } from "./namespaces.ts";
import { ensurePriorityClasses } from "./priority-classes.ts";
import { reconcilePolicy } from "./rbac/reconcile.ts";
import type { Keeper } from "./rounds.ts";
import { ensureServiceCidr } from "./service-cidr.ts";

type Step = { readonly name: string } & (
  | { run(core: Core): Promise<void> }
  /** Goes on until the server closes. */
  | { keep(core: Core): Keeper }
);

/** What must be there before anybody is served, under the names of upstream's post-start hooks. */
const STEPS: readonly Step[] = [
  { name: "start-system-namespaces-controller", run: ensureNamespaces },
  { name: "rbac/bootstrap-roles", run: reconcilePolicy },
  { name: "scheduling/bootstrap-system-priority-classes", run: ensurePriorityClasses },
  { name: "start-kubernetes-service-cidr-controller", run: ensureServiceCidr },
  { name: "bootstrap-controller", keep: (core) => new KubernetesService(core) },
  { name: "start-cluster-authentication-info-controller", run: publishClientCa },
  { name: "priority-and-fairness-config-producer", keep: (core) => new FlowControl(core) },
  { name: "start-legacy-token-tracking-controller", keep: (core) => new LegacyTokenRecord(core) },
  {
    name: "start-kube-apiserver-identity-lease-controller",
    keep: (core) => new IdentityLease(core),
  },
  { name: "kube-apiserver-autoregistration", run: ensureApiServices },
];

export const BOOTSTRAP_STEPS: readonly string[] = STEPS.map(({ name }) => name);

/**
 * Makes or mends what a cluster always has. Each step can run again, on several servers at a time.
 * What goes on behind it is given to `kept` to be closed, before it starts.
 */
export async function bootstrap(
  core: Core,
  kept: (keeper: Keeper) => void,
  reached: (step: string) => void,
): Promise<void> {
  for (const step of STEPS) {
    if ("run" in step) {
      await step.run(core);
    } else {
      const keeper = step.keep(core);
      kept(keeper);
      await keeper.start();
    }
    reached(step.name);
  }
}
