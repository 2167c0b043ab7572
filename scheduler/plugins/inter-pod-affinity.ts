import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { own } from "@raft2kube/std/own.ts";
import { StateKey } from "../framework/cycle-state.ts";
import type {
  FilterPlugin,
  PreFilterPlugin,
  PreScorePlugin,
  ScorePlugin,
} from "../framework/plugin.ts";
import type { Snapshot } from "../framework/snapshot.ts";
import { type Result, SKIP, unresolvable, unschedulable } from "../framework/status.ts";
import { SCORE_MAX } from "../limits.ts";
import type { NodeInfo, PodInfo } from "../node-info.ts";
import type { PodTerm } from "../pod-terms.ts";

/** Weight of another pod's required affinity in the score (upstream's hardPodAffinityWeight). */
const HARD_POD_AFFINITY_WEIGHT = 1;

/** Sums by topology domain, a value of a node label: a node may have 100,000 labels. */
class Domains {
  /** The sums, none of which is 0, by key and value. */
  readonly #sums = new Map<string, Map<string, number>>();

  get isEmpty(): boolean {
    return this.#sums.size === 0;
  }

  add({ labels }: NodeInfo, key: string, amount: number): void {
    const value = own(labels, key);
    if (value === undefined) return;
    const sums = this.#sums.get(key) ?? new Map<string, number>();
    const sum = (sums.get(value) ?? 0) + amount;
    if (sum === 0) sums.delete(value);
    else sums.set(value, sum);
    if (sums.size === 0) this.#sums.delete(key);
    else this.#sums.set(key, sums);
  }

  has({ labels }: NodeInfo, key: string): boolean {
    const value = own(labels, key);
    return value !== undefined && this.#sums.get(key)?.has(value) === true;
  }

  /** The sum over all domains that a node is in, and whether it is in any. */
  of({ labels }: NodeInfo): { readonly sum: number; readonly isIn: boolean } {
    const found = [...this.#sums].flatMap(([key, sums]) => {
      const value = own(labels, key);
      return (value === undefined ? undefined : sums.get(value)) ?? [];
    });
    return { sum: found.reduce((a, b) => a + b, 0), isIn: found.length > 0 };
  }
}

/** One rule of the filter, with counts of existing pods. */
interface Rule {
  /** Counts a pod of a node; -1 takes it back. */
  count(other: PodInfo, node: NodeInfo, sign: 1 | -1): void;
  filter(node: NodeInfo): Result;
}

const RULES = new StateKey<readonly Rule[]>("PreFilterInterPodAffinity");
const TOPOLOGY_SCORE = new StateKey<Domains>("PreScoreInterPodAffinity");

type InterPodAffinity = PreFilterPlugin & FilterPlugin & PreScorePlugin & ScorePlugin;

/** Enforces and scores podAffinity and podAntiAffinity, of the pod and of the existing pods. */
export const interPodAffinity: InterPodAffinity = {
  name: "InterPodAffinity",
  weight: 2,
  events: [
    "NodeAdd",
    "NodeLabelChange",
    "AssignedPodAdd",
    "PodLabelChange",
    "AssignedPodDelete",
    "NamespaceUpdate",
  ],
  preFilter(state, info) {
    const { snapshot } = state;
    const rejected = new Domains();
    const existing = existingAntiAffinity(info, snapshot, rejected);
    const own = [podAffinity(info, snapshot), podAntiAffinity(info, snapshot)].filter(
      (rule) => rule !== undefined,
    );
    for (const node of snapshot.nodes) {
      for (const other of node.podsWithTerms) existing.count(other, node, 1);
      for (const other of own.length > 0 ? node.pods.values() : []) {
        for (const rule of own) rule.count(other, node, 1);
      }
    }
    if (own.length === 0 && rejected.isEmpty) return SKIP;
    state.write(RULES, [...own, existing]);
    return undefined;
  },
  updateWithPod(state, _info, other, node, sign) {
    for (const rule of state.read(RULES) ?? []) rule.count(other, node, sign);
  },
  filter(state, _info, node) {
    for (const rule of state.read(RULES) ?? []) {
      const status = rule.filter(node);
      if (status) return status;
    }
    return undefined;
  },
  preScore(state, info) {
    const scores = topologyScore(info, state.snapshot);
    if (scores.isEmpty) return SKIP;
    state.write(TOPOLOGY_SCORE, scores);
    return undefined;
  },
  score: (state, _info, node) => state.read(TOPOLOGY_SCORE)?.of(node).sum ?? 0,
  normalizeScore: stretch,
};

const labelsIn = (snapshot: Snapshot) => (namespace: string) => snapshot.namespaceLabels(namespace);

/** Existing pods whose required anti-affinity matches this pod, by domain in `rejected`. */
function existingAntiAffinity({ pod }: PodInfo, snapshot: Snapshot, rejected: Domains): Rule {
  const labels = labelsIn(snapshot);
  return {
    count(other, node, sign) {
      for (const term of node.podsWithTerms.has(other) ? other.affinity.requiredAnti : []) {
        if (term.matches(pod, labels)) rejected.add(node, term.topologyKey, sign);
      }
    },
    filter: (node) =>
      rejected.of(node).isIn
        ? unschedulable("node(s) didn't satisfy existing pods anti-affinity rules")
        : undefined,
  };
}

/** Existing pods that this pod's required anti-affinity matches. */
function podAntiAffinity({ affinity }: PodInfo, snapshot: Snapshot): Rule | undefined {
  const terms = affinity.requiredAnti.map(withDomains);
  if (terms.length === 0) return undefined;
  const labels = labelsIn(snapshot);
  return {
    count({ pod: other }, node, sign) {
      for (const { term, domains } of terms) {
        if (term.matches(other, labels)) domains.add(node, term.topologyKey, sign);
      }
    },
    filter: (node) =>
      terms.some((each) => isCounted(each, node))
        ? unschedulable("node(s) didn't match pod anti-affinity rules")
        : undefined,
  };
}

/**
 * Existing pods that this pod's required affinity matches. If none does and the pod matches its own
 * terms, any node passes: it is the first of its group.
 */
function podAffinity({ pod, affinity }: PodInfo, snapshot: Snapshot): Rule | undefined {
  const terms = affinity.required.map(withDomains);
  if (terms.length === 0) return undefined;
  const labels = labelsIn(snapshot);
  const isOfGroup = (each: Pod) => terms.every(({ term }) => term.matches(each, labels));
  const canBeFirst = isOfGroup(pod);
  return {
    count({ pod: other }, node, sign) {
      if (!isOfGroup(other)) return;
      for (const { term, domains } of terms) domains.add(node, term.topologyKey, sign);
    },
    filter(node) {
      const isFirst = canBeFirst && terms.every(({ domains }) => domains.isEmpty);
      const fits = terms.every((each) =>
        isFirst ? own(node.labels, each.term.topologyKey) !== undefined : isCounted(each, node),
      );
      return fits ? undefined : unresolvable("node(s) didn't match pod affinity rules");
    },
  };
}

interface CountedTerm {
  readonly term: PodTerm;
  /** The pods that the term is about. */
  readonly domains: Domains;
}

const withDomains = (term: PodTerm): CountedTerm => ({ term, domains: new Domains() });

function isCounted({ term, domains }: CountedTerm, node: NodeInfo): boolean {
  return domains.has(node, term.topologyKey);
}

/** Sums the weights of preferred terms, this pod's and those of existing pods, by domain. */
function topologyScore({ pod, affinity }: PodInfo, snapshot: Snapshot): Domains {
  const scores = new Domains();
  const labels = labelsIn(snapshot);
  const incoming: [readonly PodTerm[], number][] = [
    [affinity.preferred, 1],
    [affinity.preferredAnti, -1],
  ];
  const hasPreferred = incoming.some(([list]) => list.length > 0);
  for (const node of snapshot.nodes) {
    for (const other of hasPreferred ? node.pods.values() : []) {
      for (const [terms, sign] of incoming) {
        for (const term of terms) {
          if (!term.matches(other.pod, labels)) continue;
          scores.add(node, term.topologyKey, sign * term.weight);
        }
      }
    }
    for (const { affinity: existing } of node.podsWithTerms) {
      const symmetric: [readonly PodTerm[], number][] = [
        [existing.preferred, 1],
        [existing.preferredAnti, -1],
        [existing.required, HARD_POD_AFFINITY_WEIGHT],
      ];
      for (const [terms, sign] of symmetric) {
        for (const term of terms) {
          if (!term.matches(pod, labels)) continue;
          scores.add(node, term.topologyKey, sign * term.weight);
        }
      }
    }
  }
  return scores;
}

/** Maps the least sum to 0 and the highest to 100. */
function stretch(scores: number[]): number[] {
  const [least, most] = [Math.min(...scores), Math.max(...scores)];
  const range = most - least;
  return scores.map((score) => {
    return range === 0 ? 0 : Math.floor((SCORE_MAX * (score - least)) / range);
  });
}
