import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { type LabelTerms, matchesLabels, parseLabelSelector } from "@raft2kube/api/selector.ts";
import { nameOfKey } from "@raft2kube/client-kube/object/object.ts";

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

  /** Sets the selector of an autoscaler's target. Throws SelectorError. */
  set(key: string, text: string): LabelTerms {
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

  /** Returns the keys of the autoscalers in a namespace that select one of these pods. */
  rivals(namespace: string, pods: readonly Pod[]): string[] {
    const selects = ({ terms }: Selector) =>
      pods.some(({ metadata }) => matchesLabels(terms, metadata.labels));
    const around = [...(this.#namespaces.get(namespace)?.values() ?? [])];
    return around.filter(selects).flatMap(({ autoscalers }) => [...autoscalers]);
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
