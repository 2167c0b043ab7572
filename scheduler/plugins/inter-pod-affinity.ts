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

/** Counts by topology domain: `key=value` of a node label. */
type Domains = Map<string, number>;

/** One rule of the filter, over counts that PreFilter made. */
type NodeFilter = (node: NodeInfo) => Result;

const FILTERS = new StateKey<readonly NodeFilter[]>("PreFilterInterPodAffinity");
const TOPOLOGY_SCORE = new StateKey<Domains>("PreScoreInterPodAffinity");

type InterPodAffinity = PreFilterPlugin & FilterPlugin & PreScorePlugin & ScorePlugin;

/** Enforces and scores podAffinity and podAntiAffinity, of the pod and of the existing pods. */
export const interPodAffinity: InterPodAffinity = {
  name: "InterPodAffinity",
  weight: 2,
  events: ["node-added", "node-labels", "pod-assigned", "pod-removed", "namespace"],
  preFilter(state, info) {
    const filters = [
      existingAntiAffinity(info, state.snapshot),
      podAntiAffinity(info, state.snapshot),
      podAffinity(info, state.snapshot),
    ].filter((filter) => filter !== undefined);
    if (filters.length === 0) return SKIP;
    state.write(FILTERS, filters);
    return undefined;
  },
  filter(state, _info, node) {
    for (const filter of state.read(FILTERS) ?? []) {
      const status = filter(node);
      if (status) return status;
    }
    return undefined;
  },
  preScore(state, info) {
    const scores = topologyScore(info, state.snapshot);
    if (scores.size === 0) return SKIP;
    state.write(TOPOLOGY_SCORE, scores);
    return undefined;
  },
  score: (state, _info, node) => sumOver(node, state.read(TOPOLOGY_SCORE) ?? new Map()),
  normalizeScore: stretch,
};

function domainOf(node: NodeInfo, topologyKey: string): string | undefined {
  const value = own(node.labels, topologyKey);
  return value === undefined ? undefined : `${topologyKey}=${value}`;
}

function labelsIn(snapshot: Snapshot) {
  return (namespace: string) => snapshot.namespaceLabels(namespace);
}

function add(domains: Domains, node: NodeInfo, topologyKey: string, amount: number): void {
  const domain = domainOf(node, topologyKey);
  if (domain !== undefined) domains.set(domain, (domains.get(domain) ?? 0) + amount);
}

/** Existing pods whose required anti-affinity matches this pod. */
function existingAntiAffinity({ pod }: PodInfo, snapshot: Snapshot): NodeFilter | undefined {
  const rejected: Domains = new Map();
  for (const node of snapshot.nodes) {
    for (const other of node.podsWithTerms) {
      for (const term of other.affinity.requiredAnti) {
        if (!term.matches(pod, labelsIn(snapshot))) continue;
        add(rejected, node, term.topologyKey, 1);
      }
    }
  }
  if (rejected.size === 0) return undefined;
  return (node) => {
    const hit = Object.keys(node.labels).some((key) => rejected.has(domainOf(node, key) ?? ""));
    return hit
      ? unschedulable("node(s) didn't satisfy existing pods anti-affinity rules")
      : undefined;
  };
}

/** Existing pods that this pod's required anti-affinity matches. */
function podAntiAffinity({ affinity }: PodInfo, snapshot: Snapshot): NodeFilter | undefined {
  const terms = affinity.requiredAnti;
  if (terms.length === 0) return undefined;
  const labels = labelsIn(snapshot);
  const counts = countPods(terms, snapshot, ({ pod: other }) => {
    return terms.filter((term) => term.matches(other, labels));
  });
  return (node) => {
    const matched = terms.some(({ topologyKey }, index) => {
      const domain = domainOf(node, topologyKey);
      return domain !== undefined && (counts[index]?.get(domain) ?? 0) > 0;
    });
    return matched ? unschedulable("node(s) didn't match pod anti-affinity rules") : undefined;
  };
}

/**
 * Existing pods that this pod's required affinity matches. If none does and the pod matches its own
 * terms, any node passes: it is the first of its group.
 */
function podAffinity({ pod, affinity }: PodInfo, snapshot: Snapshot): NodeFilter | undefined {
  const terms = affinity.required;
  if (terms.length === 0) return undefined;
  const labels = labelsIn(snapshot);
  const counts = countPods(terms, snapshot, ({ pod: other }) => {
    return terms.every((term) => term.matches(other, labels)) ? terms : [];
  });
  const noMatch = counts.every((domains) => domains.size === 0);
  const first = noMatch && terms.every((term) => term.matches(pod, labels));
  return (node) => {
    const fits = terms.every(({ topologyKey }, index) => {
      const domain = domainOf(node, topologyKey);
      return domain !== undefined && (first || (counts[index]?.get(domain) ?? 0) > 0);
    });
    return fits ? undefined : unresolvable("node(s) didn't match pod affinity rules");
  };
}

/** Counts the pods of each term in its domains; `termsOf` is asked once for each pod. */
function countPods(
  terms: readonly PodTerm[],
  snapshot: Snapshot,
  termsOf: (other: PodInfo) => readonly PodTerm[],
): Domains[] {
  const counts = new Map(terms.map((term): [PodTerm, Domains] => [term, new Map()]));
  for (const node of snapshot.nodes) {
    for (const other of node.pods.values()) {
      for (const term of termsOf(other)) add(counts.get(term)!, node, term.topologyKey, 1);
    }
  }
  return [...counts.values()];
}

/** Sums the weights of preferred terms, this pod's and those of existing pods, by domain. */
function topologyScore({ pod, affinity }: PodInfo, snapshot: Snapshot): Domains {
  const scores: Domains = new Map();
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
          add(scores, node, term.topologyKey, sign * term.weight);
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
          add(scores, node, term.topologyKey, sign * term.weight);
        }
      }
    }
  }
  return scores;
}

function sumOver(node: NodeInfo, scores: Domains): number {
  return Object.keys(node.labels).reduce((sum, key) => {
    return sum + (scores.get(domainOf(node, key) ?? "") ?? 0);
  }, 0);
}

/** Maps the least sum to 0 and the highest to 100. */
function stretch(scores: number[]): number[] {
  const [least, most] = [Math.min(...scores), Math.max(...scores)];
  const range = most - least;
  return scores.map((score) => {
    return range === 0 ? 0 : Math.floor((SCORE_MAX * (score - least)) / range);
  });
}
