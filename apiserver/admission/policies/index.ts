import type {
  MutatingAdmissionPolicyBinding,
  ValidatingAdmissionPolicyBinding,
} from "@raft2kube/api/gen/admissionregistration/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import type { CacheEvent } from "../../cache/event.ts";
import type { Resources } from "../../resource/resources.ts";
import { CompiledPolicy, type PolicySpec } from "./compiled.ts";

const GROUP_VERSION = "admissionregistration.k8s.io/v1";

type Policies<B> = readonly (readonly [CompiledPolicy, readonly B[]])[];

type Policy = KubeObject & { spec: PolicySpec };
type AnyBinding = KubeObject & { spec: { policyName?: string } };

/** Policies of a kind with their bindings, in order of their names. */
class BoundPolicies<B extends AnyBinding> {
  readonly #policies = new Map<string, CompiledPolicy>();
  readonly #bindings = new Map<string, B>();
  #bound: Policies<B> | undefined = [];

  takePolicy({ type, entry }: CacheEvent): void {
    if (type === "DELETED") this.#policies.delete(entry.name);
    else this.#policies.set(entry.name, new CompiledPolicy(entry.object<Policy>()));
    this.#bound = undefined;
  }

  takeBinding({ type, entry }: CacheEvent): void {
    if (type === "DELETED") this.#bindings.delete(entry.name);
    else this.#bindings.set(entry.name, entry.object<B>());
    this.#bound = undefined;
  }

  /** The policies that have bindings: one without is not in effect. */
  get bound(): Policies<B> {
    return (this.#bound ??= this.#pair());
  }

  #pair(): Policies<B> {
    const bindings = Map.groupBy(
      [...this.#bindings].sort(byName).map(([, binding]) => binding),
      ({ spec }) => spec.policyName ?? "",
    );
    return [...this.#policies].sort(byName).flatMap(([name, policy]) => {
      const own = bindings.get(name);
      return own ? [[policy, own] as const] : [];
    });
  }
}

const byName = ([a]: [string, unknown], [b]: [string, unknown]): number => (a < b ? -1 : 1);

/** The policies of admission and their bindings as the watch caches have them. */
export class AdmissionPolicies {
  readonly #validating = new BoundPolicies<ValidatingAdmissionPolicyBinding & KubeObject>();
  readonly #mutating = new BoundPolicies<MutatingAdmissionPolicyBinding & KubeObject>();
  readonly #stops: (() => void)[] = [];

  /** Follows the four kinds; resolves once all have been read. */
  static async follow(resources: Resources): Promise<AdmissionPolicies> {
    const made = new AdmissionPolicies();
    const follow = async (plural: string, take: (event: CacheEvent) => void) => {
      const cache = await resources.of(GROUP_VERSION, plural).cache();
      made.#stops.push(cache.subscribe(take));
    };
    for (const [prefix, bound] of [
      ["validating", made.#validating],
      ["mutating", made.#mutating],
    ] as const) {
      await follow(`${prefix}admissionpolicies`, (event) => bound.takePolicy(event));
      await follow(`${prefix}admissionpolicybindings`, (event) => bound.takeBinding(event));
    }
    return made;
  }

  get validating() {
    return this.#validating.bound;
  }

  get mutating() {
    return this.#mutating.bound;
  }

  close(): void {
    for (const stop of this.#stops) stop();
  }
}
