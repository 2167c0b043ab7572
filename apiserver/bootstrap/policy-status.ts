import type { ValidatingAdmissionPolicy } from "@raft2kube/api/gen/admissionregistration/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { isReason } from "@raft2kube/apimachinery/errors/api-error.ts";
import type { Runner } from "@raft2kube/reconcile/runner.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { checkTypes } from "../admission/policies/type-check.ts";
import type { CacheEvent } from "../cache/event.ts";
import { POLICY_STATUS_MS } from "../limits.ts";
import { type Controller, periodic } from "../periodic.ts";
import { applyStatus } from "../registry/internal-write.ts";
import type { Resource } from "../resource/resource.ts";
import type { BootstrapServer } from "./server.ts";

type Policy = ValidatingAdmissionPolicy & KubeObject;

/** Upstream's name of the controller. */
const MANAGER = "validatingadmissionpolicy-status-controller";

/**
 * Checks the expressions of each ValidatingAdmissionPolicy against the kinds that it matches, and
 * writes the warnings into its status: once for each generation.
 */
export class PolicyStatuses implements Controller {
  readonly #server: BootstrapServer;
  readonly #policies: Resource;
  /** Policies whose newest generation has not been checked. */
  readonly #pending = new Map<string, Policy>();
  readonly #runner: Runner;
  #stop: () => void = () => undefined;

  constructor(server: BootstrapServer) {
    this.#server = server;
    this.#policies = server.resources.of(
      "admissionregistration.k8s.io/v1",
      "validatingadmissionpolicies",
    );
    this.#runner = periodic(server.clock, "policies have no status", POLICY_STATUS_MS, () =>
      this.#update(),
    );
  }

  async start(): Promise<void> {
    if (this.#server.options.policyStatuses !== true) return;
    const cache = await this.#policies.cache();
    this.#stop = cache.subscribe((event) => this.#take(event));
  }

  #take({ type, entry }: CacheEvent): void {
    const policy = entry.object<Policy>();
    const isChecked = policy.status?.observedGeneration === policy.metadata.generation;
    if (type === "DELETED" || isChecked) this.#pending.delete(entry.name);
    else {
      this.#pending.set(entry.name, policy);
      this.#runner.request();
    }
  }

  async #update(): Promise<void> {
    const failures: unknown[] = [];
    for (const [name, policy] of [...this.#pending]) {
      try {
        await this.#check(name, policy);
        if (this.#pending.get(name) === policy) this.#pending.delete(name);
      } catch (thrown) {
        failures.push(thrown);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, messageOf(failures[0]));
  }

  async #check(name: string, policy: Policy): Promise<void> {
    const warnings = await checkTypes(policy, this.#server.resources.kinds);
    const typeChecking = warnings.length === 0 ? {} : { expressionWarnings: warnings };
    const observedGeneration = policy.metadata.generation ?? 0;
    try {
      await applyStatus(
        this.#server,
        this.#policies,
        name,
        { observedGeneration, typeChecking },
        MANAGER,
      );
    } catch (thrown) {
      // It was deleted meanwhile.
      if (!isReason(thrown, "NotFound")) throw thrown;
    }
  }

  async close(): Promise<void> {
    this.#stop();
    await this.#runner.close();
  }
}
