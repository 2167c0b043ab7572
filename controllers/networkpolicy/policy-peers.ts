import type { NetworkPolicy } from "@raft2kube/api/gen/networking/v1.ts";
import { PEERS_OF_NAMESPACE_MAX, podPeers } from "@raft2kube/api/networking/v1/policy-peers.ts";
import type { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import { PeerSelection } from "./select.ts";

/** The peers of all policies, by namespace and key. */
export class PolicyPeers {
  readonly #peers = new Map<string, Map<string, PeerSelection>>();
  readonly #recorder: EventRecorder;

  constructor(recorder: EventRecorder) {
    this.#recorder = recorder;
  }

  get(namespace: string, key: string): PeerSelection | undefined {
    return this.#peers.get(namespace)?.get(key);
  }

  /** Sets the policies of a namespace; returns the keys of peers that are new or gone. */
  set(namespace: string, policies: readonly NetworkPolicy[]): string[] {
    const before = this.#peers.get(namespace) ?? new Map<string, PeerSelection>();
    const now = new Map<string, PeerSelection>();
    for (const policy of policies) {
      const own = [...podPeers(policy)].filter(([key]) => !now.has(key));
      if (now.size + own.length > PEERS_OF_NAMESPACE_MAX) {
        const message = `the namespace's policies have more than ${PEERS_OF_NAMESPACE_MAX} ` +
          "different selectors of peers; those of this policy select no pods";
        this.#recorder.record(policy, "Warning", "TooManyPeers", message);
        continue;
      }
      for (const [key, peer] of own) {
        now.set(key, before.get(key) ?? new PeerSelection(namespace, peer));
      }
    }
    if (now.size > 0) this.#peers.set(namespace, now);
    else this.#peers.delete(namespace);
    const isOther = (key: string) => now.has(key) !== before.has(key);
    return [...now.keys(), ...before.keys()].filter(isOther).map((key) => `${namespace}/${key}`);
  }

  /** Returns the keys of the peers that `matches` holds for. */
  keys(matches: (selection: PeerSelection) => boolean): string[] {
    return [...this.#peers].flatMap(([namespace, own]) =>
      [...own].flatMap(([key, selection]) => matches(selection) ? [`${namespace}/${key}`] : []));
  }
}
