import { isMirrorPod } from "@raft2kube/api/core/v1/pod/mirror.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import {
  type LabelTerms,
  matchesLabels,
  parseLabelSelector,
  SelectorError,
} from "@raft2kube/api/selector.ts";
import { nameOfKey } from "@raft2kube/client-kube/object/object.ts";
import { AUTOSCALER_SELECTOR_CHARS_MAX, AUTOSCALER_TERMS_COMPARED_MAX } from "../limits.ts";

interface Selector {
  readonly text: string;
  readonly terms: LabelTerms;
  readonly autoscalers: Set<string>;
}

/**
 * The selectors of autoscalers' targets when they were last read. Those of a namespace that are
 * alike are kept once: small autoscalers of one target may be many, and its selector large.
 */
export class TargetSelectors {
  readonly #namespaces = new Map<string, Map<string, Selector>>();
  readonly #of = new Map<string, Selector>();

  /**
   * Sets the selector of an autoscaler's target. Throws SelectorError, for one of more than
   * AUTOSCALER_SELECTOR_CHARS_MAX too.
   */
  set(key: string, text: string): LabelTerms {
    if (text.length > AUTOSCALER_SELECTOR_CHARS_MAX) {
      const most = `at most ${AUTOSCALER_SELECTOR_CHARS_MAX}, give the target fewer labels`;
      throw new SelectorError(`${text.length} characters are too many: ${most}`);
    }
    const { namespace = "" } = nameOfKey(key);
    const known = this.#namespaces.get(namespace)?.get(text);
    const selector = known ?? { text, terms: parseLabelSelector(text), autoscalers: new Set() };
    if (this.#of.get(key) === selector) return selector.terms;
    this.forget(key);
    selector.autoscalers.add(key);
    this.#of.set(key, selector);
    const around = this.#namespaces.get(namespace) ?? new Map<string, Selector>();
    this.#namespaces.set(namespace, around.set(text, selector));
    return selector.terms;
  }

  /**
   * Returns the keys of the autoscalers in a namespace that select one of these pods, in steps:
   * there may be thousands of selectors, each is compared with thousands of pods. Those that are
   * left after AUTOSCALER_TERMS_COMPARED_MAX are not rivals.
   */
  *rivals(namespace: string, pods: readonly Pod[]): Generator<void, string[]> {
    const found: string[] = [];
    let left = AUTOSCALER_TERMS_COMPARED_MAX;
    for (const { terms, autoscalers } of [...(this.#namespaces.get(namespace)?.values() ?? [])]) {
      for (const { metadata } of pods) {
        yield;
        if ((left -= terms.length) < 0) return found;
        if (!matchesLabels(terms, metadata.labels)) continue;
        found.push(...autoscalers);
        break;
      }
    }
    return found;
  }

  forget(key: string): void {
    const selector = this.#of.get(key);
    if (!selector) return;
    this.#of.delete(key);
    selector.autoscalers.delete(key);
    if (selector.autoscalers.size > 0) return;
    const { namespace = "" } = nameOfKey(key);
    const around = this.#namespaces.get(namespace);
    around?.delete(selector.text);
    if (around?.size === 0) this.#namespaces.delete(namespace);
  }
}

/**
 * The pods that a selector finds, one step each. Not upstream's: mirror pods belong to no workload,
 * and a node makes them in any namespace with any labels.
 */
export function* selectedOf(terms: LabelTerms, around: readonly Pod[]): Generator<void, Pod[]> {
  const pods: Pod[] = [];
  for (const pod of around) {
    yield;
    if (!isMirrorPod(pod) && matchesLabels(terms, pod.metadata.labels)) pods.push(pod);
  }
  return pods;
}
