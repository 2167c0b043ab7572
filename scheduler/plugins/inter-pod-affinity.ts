import { own } from "@raft2kube/std/own.ts";
import { crowded, type Opinion, type Plugin, type Snapshot, unfit } from "../framework.ts";
import { SCORE_MAX } from "../limits.ts";
import type { NodeInfo, PodInfo } from "../node-info.ts";
import type { PodTerm } from "../pod-terms.ts";

/** What a pod's required affinity weighs for another's score (upstream's hardPodAffinityWeight). */
const REQUIRED_WEIGHT = 1;

/** Counts by topology domain: `key=value` of a node label. */
type Domains = Map<string, number>;

/** Near to some pods, away from others: of the pod itself, and of those that are there. */
export const interPodAffinity: Plugin = {
  name: "InterPodAffinity",
  weight: 2,
  events: ["node-added", "node-labels", "pod-assigned", "pod-removed", "namespace"],
  consider(info, snapshot): Opinion {
    const filters = [
      refusedByOthers(info, snapshot),
      refusesOthers(info, snapshot),
      wantsOthers(info, snapshot),
    ].filter((filter) => filter !== undefined);
    const opinion: Opinion = {};
    if (filters.length > 0) {
      opinion.filter = (node) => {
        for (const filter of filters) {
          const rejection = filter(node);
          if (rejection) return rejection;
        }
        return undefined;
      };
    }
    const wishes = wishesOf(info, snapshot);
    if (wishes.size > 0) {
      opinion.score = (node) => sumOver(node, wishes);
      opinion.normalize = stretch;
    }
    return opinion;
  },
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

/** Pods that are there and want none like this one near. */
function refusedByOthers({ pod }: PodInfo, snapshot: Snapshot): Opinion["filter"] {
  const refused: Domains = new Map();
  for (const node of snapshot.nodes) {
    for (const other of node.podsWithTerms) {
      for (const term of other.affinity.requiredAnti) {
        if (!term.matches(pod, labelsIn(snapshot))) continue;
        add(refused, node, term.topologyKey, 1);
      }
    }
  }
  if (refused.size === 0) return undefined;
  return (node) => {
    const hit = Object.keys(node.labels).some((key) => refused.has(domainOf(node, key) ?? ""));
    return hit
      ? crowded("node(s) didn't satisfy existing pods anti-affinity rules")
      : undefined;
  };
}

/** Pods that are there and that this one does not want near. */
function refusesOthers({ affinity }: PodInfo, snapshot: Snapshot): Opinion["filter"] {
  const terms = affinity.requiredAnti;
  if (terms.length === 0) return undefined;
  const counts = countPods(terms, snapshot, (term, other) => {
    return term.matches(other.pod, labelsIn(snapshot));
  });
  return (node) => {
    const near = terms.some(({ topologyKey }, index) => {
      const domain = domainOf(node, topologyKey);
      return domain !== undefined && (counts[index]?.get(domain) ?? 0) > 0;
    });
    return near ? crowded("node(s) didn't match pod anti-affinity rules") : undefined;
  };
}

/** Pods that this one must be near to. The first of a group that wants itself may go anywhere. */
function wantsOthers({ pod, affinity }: PodInfo, snapshot: Snapshot): Opinion["filter"] {
  const terms = affinity.required;
  if (terms.length === 0) return undefined;
  const labels = labelsIn(snapshot);
  const counts = countPods(terms, snapshot, (_term, other) => {
    return terms.every((term) => term.matches(other.pod, labels));
  });
  const nobody = counts.every((domains) => domains.size === 0);
  const first = nobody && terms.every((term) => term.matches(pod, labels));
  return (node) => {
    const fits = terms.every(({ topologyKey }, index) => {
      const domain = domainOf(node, topologyKey);
      return domain !== undefined && (first || (counts[index]?.get(domain) ?? 0) > 0);
    });
    return fits ? undefined : unfit("node(s) didn't match pod affinity rules");
  };
}

function countPods(
  terms: readonly PodTerm[],
  snapshot: Snapshot,
  matches: (term: PodTerm, other: PodInfo) => boolean,
): Domains[] {
  const counts = terms.map((): Domains => new Map());
  for (const node of snapshot.nodes) {
    for (const other of node.pods.values()) {
      terms.forEach((term, index) => {
        const domains = counts[index];
        if (domains && matches(term, other)) add(domains, node, term.topologyKey, 1);
      });
    }
  }
  return counts;
}

/** The wishes of this pod about others and of others about it, by domain. */
function wishesOf({ pod, affinity }: PodInfo, snapshot: Snapshot): Domains {
  const wishes: Domains = new Map();
  const labels = labelsIn(snapshot);
  const mine: [readonly PodTerm[], number][] = [
    [affinity.preferred, 1],
    [affinity.preferredAnti, -1],
  ];
  const wants = mine.some(([terms]) => terms.length > 0);
  for (const node of snapshot.nodes) {
    for (const other of wants ? node.pods.values() : []) {
      for (const [terms, sign] of mine) {
        for (const term of terms) {
          if (!term.matches(other.pod, labels)) continue;
          add(wishes, node, term.topologyKey, sign * term.weight);
        }
      }
    }
    for (const { affinity: theirs } of node.podsWithTerms) {
      const about: [readonly PodTerm[], number][] = [
        [theirs.preferred, 1],
        [theirs.preferredAnti, -1],
        [theirs.required, REQUIRED_WEIGHT],
      ];
      for (const [terms, sign] of about) {
        for (const term of terms) {
          if (!term.matches(pod, labels)) continue;
          add(wishes, node, term.topologyKey, sign * term.weight);
        }
      }
    }
  }
  return wishes;
}

function sumOver(node: NodeInfo, wishes: Domains): number {
  return Object.keys(node.labels).reduce((sum, key) => {
    return sum + (wishes.get(domainOf(node, key) ?? "") ?? 0);
  }, 0);
}

/** From the least to the best wish: 0 to 100. */
function stretch(scores: number[]): number[] {
  const [least, most] = [Math.min(...scores), Math.max(...scores)];
  const range = most - least;
  return scores.map((score) => {
    return range === 0 ? 0 : Math.floor((SCORE_MAX * (score - least)) / range);
  });
}
