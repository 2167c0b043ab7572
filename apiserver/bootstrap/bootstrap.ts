import { DefinitionController } from "../customresources/controller.ts";
import type { Controller } from "../periodic.ts";
import { allocateServices } from "../registry/services/allocate.ts";
import { ensureApiServices } from "./api-services.ts";
import { publishClientCa } from "./authentication-config.ts";
import { FlowControl } from "./flow-control/follow.ts";
import { IdentityLease } from "./identity-lease.ts";
import { KubernetesService } from "./kubernetes-service.ts";
import { LegacyTokenRecord } from "./legacy-token-record.ts";
import { ensureNamespaces } from "./namespaces.ts";
import { PolicyStatuses } from "./policy-status.ts";
import { ensurePriorityClasses } from "./priority-classes.ts";
import { reconcilePolicy } from "./rbac/reconcile.ts";
import type { BootstrapServer } from "./server.ts";
import { DefaultServiceCidr } from "./service-cidr.ts";

interface Named {
  readonly names: readonly string[];
  /** Runs before the others: the addresses of Services come from it. */
  readonly first?: boolean;
}

type Step = Named &
  (
    | { run(server: BootstrapServer): Promise<void> }
    /** Goes on until the server closes. */
    | { keep(server: BootstrapServer): Controller }
  );

/** The steps before a server is ready, in the order of upstream's post-start hooks. */
const STEPS: readonly Step[] = [
  {
    names: [
      "start-apiextensions-informers",
      "start-apiextensions-controllers",
      "crd-informer-synced",
    ],
    keep: (server) => new DefinitionController(server),
  },
  { names: ["start-system-namespaces-controller"], run: ensureNamespaces },
  { names: ["start-cluster-authentication-info-controller"], run: publishClientCa },
  {
    names: [
      "start-kube-apiserver-identity-lease-controller",
      "start-kube-apiserver-identity-lease-garbage-collector",
    ],
    keep: (server) => new IdentityLease(server),
  },
  {
    names: ["start-legacy-token-tracking-controller"],
    keep: (server) => new LegacyTokenRecord(server),
  },
  { names: ["start-service-ip-repair-controllers"], keep: allocateServices },
  { names: ["rbac/bootstrap-roles"], run: reconcilePolicy },
  { names: ["scheduling/bootstrap-system-priority-classes"], run: ensurePriorityClasses },
  { names: [], keep: (server) => new PolicyStatuses(server) },
  { names: ["priority-and-fairness-config-producer"], keep: (server) => new FlowControl(server) },
  { names: ["bootstrap-controller"], keep: (server) => new KubernetesService(server) },
  {
    names: ["start-kubernetes-service-cidr-controller"],
    keep: (server) => new DefaultServiceCidr(server),
    first: true,
  },
  { names: ["kube-apiserver-autoregistration"], run: ensureApiServices },
];

/** Upstream's names of the steps, which are also the health checks' names. */
export const BOOTSTRAP_STEPS: readonly string[] = STEPS.flatMap(({ names }) => names);

/** Makes or mends what a cluster always has. */
export type Bootstrap = (init: {
  /** Receives the controller of a step before it starts, to be closed with the server. */
  readonly kept: (controller: Controller) => void;
  /** Called after each step. */
  readonly reached: (step: string) => void;
}) => Promise<void>;

/**
 * Prepares all steps, so that the server can take requests; what is returned runs them. Each can
 * run again, on several servers at a time.
 */
export function bootstrap(server: BootstrapServer): Bootstrap {
  const inOrder = STEPS.toSorted((a, b) => Number(b.first ?? false) - Number(a.first ?? false));
  const steps = inOrder.map((step) => {
    const { names } = step;
    if ("run" in step) return { names, controller: undefined, start: () => step.run(server) };
    const controller = step.keep(server);
    return { names, controller, start: () => controller.start() };
  });
  return async ({ kept, reached }) => {
    for (const { names, controller, start } of steps) {
      if (controller) kept(controller);
      await start();
      for (const name of names) reached(name);
    }
  };
}
