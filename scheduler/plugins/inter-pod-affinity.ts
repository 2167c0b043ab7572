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

/** Counts by topology domain: `key=value` of a node label. */
type Domains = Map<string, number>;

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
    const rejected: Domains = new Map();
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
    if (own.length + rejected.size === 0) return SKIP;
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
  if (domain === undefined) return;
  const sum = (domains.get(domain) ?? 0) + amount;
  if (sum === 0) domains.delete(domain);
  else domains.set(domain, sum);
}

/** Existing pods whose required anti-affinity matches this pod, by domain in `rejected`. */
function existingAntiAffinity({ pod }: PodInfo, snapshot: Snapshot, rejected: Domains): Rule {
  const labels = labelsIn(snapshot);
  return {
    count(other, node, sign) {
      for (const term of node.podsWithTerms.has(other) ? other.affinity.requiredAnti : []) {
        if (term.matches(pod, labels)) add(rejected, node, term.topologyKey, sign);
      }
    },
    filter(node) {
      const hit = Object.keys(node.labels).some((key) => rejected.has(domainOf(node, key) ?? ""));
      return hit
        ? unschedulable("node(s) didn't satisfy existing pods anti-affinity rules")
        : undefined;
    },
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
        if (term.matches(other, labels)) add(domains, node, term.topologyKey, sign);
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
      for (const { term, domains } of terms) add(domains, node, term.topologyKey, sign);
    },
    filter(node) {
      const isFirst = canBeFirst && terms.every(({ domains }) => domains.size === 0);
      const fits = terms.every((each) =>
        isFirst ? domainOf(node, each.term.topologyKey) !== undefined : isCounted(each, node),
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

const withDomains = (term: PodTerm): CountedTerm => ({ term, domains: new Map() });

function isCounted({ term, domains }: CountedTerm, node: NodeInfo): boolean {
  return domains.has(domainOf(node, term.topologyKey) ?? "");
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
